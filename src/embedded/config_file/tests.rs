use std::fs;

use super::*;

const FIRST: &str = "mcpServers: { a: { command: x } }";
const SECOND: &str = "mcpServers: { a: { command: x }, b: { command: y } }";

/// A folder of one test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("config-{:x}", rand::random::<u64>()));
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn open(&self, name: &str) -> ConfigFile {
        let (config, file) = ConfigFile::open(self.0.join(name).to_str().unwrap()).unwrap();
        assert_eq!(config.servers.len(), 1);
        file.unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What the look after a change gives, which has waited for one more.
fn after_change(file: &ConfigFile) -> Result<Config> {
    assert!(file.look().is_none(), "it may be written still");
    let read = file.look().expect("it has changed");
    assert!(file.look().is_none(), "read once");
    read
}

fn servers(file: &ConfigFile) -> usize {
    after_change(file).unwrap().servers.len()
}

fn problem(file: &ConfigFile) -> String {
    after_change(file).unwrap_err().message
}

#[test]
fn a_file_that_is_written_over_renamed_or_gone() {
    let folder = Folder::new();
    folder.write("f.yaml", FIRST);
    let file = folder.open("f.yaml");
    assert!(file.look().is_none());

    let path = folder.write("f.yaml", SECOND);
    assert_eq!(servers(&file), 2);

    fs::rename(folder.write("new", FIRST), &path).unwrap();
    assert_eq!(servers(&file), 1);

    fs::remove_file(&path).unwrap();
    assert!(problem(&file).contains("cannot be read"));
    fs::create_dir(&path).unwrap();
    assert!(problem(&file).contains("is no file any more"));
    fs::remove_dir(&path).unwrap();
    folder.write("f.yaml", SECOND);
    assert_eq!(servers(&file), 2);
}

#[test]
fn a_file_that_is_being_written() {
    let folder = Folder::new();
    folder.write("f.yaml", FIRST);
    let file = folder.open("f.yaml");
    for text in ["", "mcpServers:", "mcpServers: { a: {}"] {
        folder.write("f.yaml", text);
        assert!(file.look().is_none());
    }
    folder.write("f.yaml", SECOND);
    assert_eq!(servers(&file), 2);
}

#[test]
fn what_takes_no_server_away() {
    let folder = Folder::new();
    folder.write("f.yaml", FIRST);
    let file = folder.open("f.yaml");
    for (text, expected) in [
        ("", "expected an object"),
        ("mcpServers:\n", "has no `mcpServers` any more"),
        ("version: 1.2.8\n", "has no `mcpServers` any more"),
        ("mcpServers: { a: {}\n\n", "line"),
        ("mcpServers: { a: 1 }", "`mcpServers.a` must be an object"),
    ] {
        folder.write("f.yaml", text);
        let problem = problem(&file);
        assert!(
            problem.contains("f.yaml") && problem.contains(expected),
            "{problem}"
        );
    }
    folder.write("f.yaml", "mcpServers: {}");
    assert_eq!(servers(&file), 0);
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_elsewhere() {
    use std::os::unix::fs::symlink;

    // As Kubernetes mounts a ConfigMap: f.yaml -> ..data/f.yaml, ..data -> ..1.
    let folder = Folder::new();
    for (version, text) in [("..1", FIRST), ("..2", SECOND)] {
        fs::create_dir(folder.0.join(version)).unwrap();
        folder.write(&format!("{version}/f.yaml"), text);
    }
    symlink("..1", folder.0.join("..data")).unwrap();
    symlink("..data/f.yaml", folder.0.join("f.yaml")).unwrap();
    let file = folder.open("f.yaml");

    symlink("..2", folder.0.join("..new")).unwrap();
    fs::rename(folder.0.join("..new"), folder.0.join("..data")).unwrap();
    assert_eq!(servers(&file), 2);
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_read_once() {
    let folder = Folder::new();
    let path = folder.0.join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    let writing = {
        let path = path.clone();
        std::thread::spawn(move || fs::write(path, FIRST).unwrap())
    };
    let (config, file) = ConfigFile::open(path.to_str().unwrap()).unwrap();
    writing.join().unwrap();
    assert!(config.servers.len() == 1 && file.is_none());
}

#[test]
fn a_file_that_is_too_large_is_not_parsed() {
    let folder = Folder::new();
    folder.write("f.yaml", FIRST);
    let file = folder.open("f.yaml");
    let comment = "#".repeat(4 << 20);
    folder.write("f.yaml", &format!("{FIRST}\n{comment}"));
    let error = after_change(&file).unwrap_err();
    assert!(error.message.ends_with("is larger than 4 MiB"), "{error}");
    folder.write("f.yaml", SECOND);
    assert_eq!(after_change(&file).unwrap().servers.len(), 2);
}
