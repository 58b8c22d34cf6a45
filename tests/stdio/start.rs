//! How a process is started, and with what.

use std::fs;
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use librechat_mcp_native::error::Code;
use librechat_mcp_native::transport::stdio::{Stderr, StdioOptions};
use serde_json::json;

use crate::fixture::{Fixture, eventually, shell, state, within};

#[tokio::test]
async fn handshake_calls_and_close() {
    let fixture = Fixture::new();
    let mut client = fixture.client(fixture.server()).await;
    assert_eq!(client.described["serverInfo"]["name"], "small");
    let value = json!({ "text": "grüße\n✓", "number": 1.5, "none": null });
    let echoed = client.call("echo", json!({ "value": value.clone() })).await;
    assert_eq!(echoed.unwrap(), value);
    let pid = client.pid;
    assert_eq!(fixture.children.count(), 1);
    client.close().await;
    assert_eq!(state(pid), None, "no zombie is left");
    assert_eq!(fixture.children.count(), 0);
}

#[tokio::test]
async fn a_missing_command_fails_at_once() {
    let fixture = Fixture::new();
    let missing = StdioOptions {
        command: "no-such-mcp-server".to_owned(),
        ..StdioOptions::default()
    };
    let error = fixture.spawn(missing).await.err().unwrap();
    assert_eq!((error.code, error.retryable), (Code::SpawnFailed, false));
    assert!(
        error.message.contains("\"no-such-mcp-server\"")
            && error.message.contains("No such file or directory"),
        "{error}"
    );

    let misplaced = StdioOptions {
        cwd: Some(fixture.folder.file("nowhere")),
        ..shell("true")
    };
    let error = fixture.spawn(misplaced).await.err().unwrap();
    assert!(
        error.message.contains("nowhere\" does not exist"),
        "{error}"
    );
    assert_eq!(fixture.children.count(), 0);
}

#[tokio::test]
async fn what_cannot_be_executed_fails_at_once() {
    let fixture = Fixture::new();
    let file = |name: &str, text: &[u8], mode: u32| {
        let path = fixture.folder.file(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    };
    let ran = fixture.folder.file("ran");
    // A shell that stepped in would run this.
    let script = format!("touch {ran}\n");
    let no_program = file("no-program", script.as_bytes(), 0o755);
    let empty = file("empty", b"", 0o755);
    let elf = file("elf", b"\x7fELF\x02\x01\x01\x00", 0o755);
    let no_interpreter = file("no-interpreter", b"#!/no/such/program\n", 0o755);
    let forbidden = file("forbidden", b"#!/bin/sh\n", 0o644);
    let folder = fixture.folder.file("");
    let command = |command: &str, cwd: Option<&str>| StdioOptions {
        command: command.to_owned(),
        cwd: cwd.map(str::to_owned),
        ..StdioOptions::default()
    };
    let in_path = |name: &str| StdioOptions {
        env: vec![("PATH".to_owned(), format!("/no/such/folder:{folder}"))],
        ..command(name, None)
    };
    for (options, expected) in [
        (command(&no_program, None), "no program for this system"),
        (in_path("no-program"), "no program for this system"),
        (command(&empty, None), "no program for this system"),
        (command(&elf, None), "no program for this system"),
        (command(&no_interpreter, None), "No such file or directory"),
        (command(&forbidden, None), "may not execute it"),
        (in_path("forbidden"), "may not execute it"),
        (command(&folder, None), "it is a folder"),
        (
            command("./no-such", Some(&folder)),
            "No such file or directory",
        ),
        (command("", None), "No such file or directory"),
        (command("a\0b", None), "nul byte"),
        (command("true", Some(&empty)), "is not a folder"),
        (
            StdioOptions {
                args: vec!["x".repeat(8 * 1024 * 1024)],
                ..command("true", None)
            },
            "Argument list too long",
        ),
        (
            StdioOptions {
                stderr: Stderr::Descriptor(12_345),
                ..command("true", None)
            },
            "`stderr` is the file descriptor 12345",
        ),
    ] {
        let error = within(30, fixture.spawn(options)).await.err().unwrap();
        assert_eq!((error.code, error.retryable), (Code::SpawnFailed, false));
        assert!(error.message.contains(expected), "{error}");
    }
    assert!(!Path::new(&ran).exists());
    assert_eq!(fixture.children.count(), 0);
}

#[tokio::test]
async fn programs_are_found_where_the_child_would_look() {
    let fixture = Fixture::new();
    let inner = fixture.folder.0.join("bin");
    fs::create_dir(&inner).unwrap();
    let program = inner.join("say");
    fs::write(&program, "#!/bin/sh\necho \"$0\" > \"$OUT\"\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    // One that may not be executed comes first, and is passed over.
    fs::write(fixture.folder.0.join("say"), "").unwrap();
    let cwd = fixture.folder.file("");
    for (command, path) in [
        ("./bin/say", None),
        ("say", Some("bin")),
        ("say", Some(&*format!("/no/such/folder:{cwd}:{cwd}bin"))),
    ] {
        let out = fixture.folder.file("out");
        let _ = fs::remove_file(&out);
        let mut env = vec![("OUT".to_owned(), out.clone())];
        env.extend(path.map(|path| ("PATH".to_owned(), path.to_owned())));
        let options = StdioOptions {
            command: command.to_owned(),
            cwd: Some(cwd.clone()),
            env,
            ..StdioOptions::default()
        };
        let mut transport = fixture.spawn(options).await.unwrap();
        assert!(within(30, transport.receive()).await.is_none());
        let said = fs::read_to_string(&out).unwrap();
        assert!(said.trim().ends_with("say"), "{said}");
    }
}

/// What a child's descriptors are, by what it sees itself; the one that it tells them with is not among them.
#[cfg(target_os = "linux")]
async fn descriptors(fixture: &Fixture, stderr: Stderr) -> Vec<(u32, String)> {
    let file = fixture.folder.file("descriptors");
    let options = StdioOptions {
        env: vec![("OUT".to_owned(), file.clone())],
        stderr,
        ..shell(
            "exec 9> \"$OUT.new\"; cd /proc/$$/fd; for f in *; do [ -e $f ] && echo \"$f $(readlink $f)\" >&9; done; mv \"$OUT.new\" \"$OUT\"; cat",
        )
    };
    let transport = fixture.spawn(options).await.unwrap();
    eventually(|| Path::new(&file).exists()).await;
    let text = fs::read_to_string(&file).unwrap();
    fs::remove_file(&file).unwrap();
    within(30, transport.close()).await;
    text.lines()
        .filter_map(|line| {
            let (number, target) = line.split_once(' ')?;
            Some((number.parse().unwrap(), target.to_owned()))
        })
        .filter(|(_, target)| !target.starts_with(&fixture.folder.file("descriptors")))
        .collect()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_child_gets_three_descriptors() {
    let fixture = Fixture::new();
    // One that whoever started this process left open, without the flag that closes it.
    let left_open = fs::File::create(fixture.folder.file("left-open")).unwrap();
    rustix::io::fcntl_setfd(&left_open, rustix::io::FdFlags::empty()).unwrap();
    let number = u32::try_from(left_open.as_raw_fd()).unwrap();
    // As Node does it.
    rustix::io::fcntl_setfd(std::io::stderr(), rustix::io::FdFlags::CLOEXEC).unwrap();
    let own = fs::read_link("/proc/self/fd/2").unwrap();
    let own = own.to_str().unwrap();
    for (stderr, expected) in [
        (Stderr::Inherit, own),
        (Stderr::Descriptor(2), own),
        (Stderr::Ignore, "/dev/null"),
        (Stderr::Pipe, "pipe:"),
        (
            Stderr::Descriptor(number),
            &*fixture.folder.file("left-open"),
        ),
    ] {
        let found = descriptors(&fixture, stderr).await;
        let numbers: Vec<_> = found.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [0, 1, 2], "{stderr:?}: {found:?}");
        assert!(found[0].1.starts_with("pipe:") && found[1].1.starts_with("pipe:"));
        assert!(found[2].1.starts_with(expected), "{stderr:?}: {found:?}");
    }
}
