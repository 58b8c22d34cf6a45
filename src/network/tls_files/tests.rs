use std::path::PathBuf;

use rcgen::{CertificateParams, KeyPair};
use url::Url;

use super::super::server_tls::ServerTls;
use super::*;
use crate::error::Code;

/// Files of one test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("tls-{:x}", rand::random::<u64>()));
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Certificate and key, in PEM.
fn pair() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["client.test".to_owned()]).unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn options(ca: Option<&str>, cert: Option<&str>, key: Option<&str>) -> TlsOptions {
    TlsOptions {
        ca: ca.map(Secret::from),
        cert: cert.map(Secret::from),
        key: key.map(Secret::from),
        server_name: None,
    }
}

async fn material(options: &TlsOptions) -> Result<Arc<Material>> {
    let url = Url::parse("https://a.test").unwrap();
    let tls = ServerTls::new("srv", options.clone(), &url, &[])?;
    tls.material().await
}

#[tokio::test]
async fn texts_and_files_hold_the_same() {
    let folder = Folder::new();
    let (cert, key) = pair();
    let (cert_file, key_file) = (folder.write("c.pem", &cert), folder.write("k.pem", &key));
    let of_texts = material(&options(Some(&cert), Some(&cert), Some(&key)))
        .await
        .unwrap();
    let of_files = options(Some(&cert_file), Some(&cert_file), Some(&key_file));
    let of_files = material(&of_files).await.unwrap();
    assert_eq!(of_texts, of_files);
    assert_eq!(of_files.authorities.len(), 1);
    let identity = of_files.identity.as_ref().unwrap();
    assert!(!identity.is_in_doubt());
    assert!(identity.resolve(&[], &[]).is_some() && identity.is_in_doubt());
    identity.taken();
    assert!(!identity.is_in_doubt());
    let without = material(&options(Some(&cert), None, None)).await.unwrap();
    assert!(without.identity.is_none() && without != of_texts);
}

#[tokio::test]
async fn what_is_wrong_is_told_without_a_secret() {
    let folder = Folder::new();
    let ((cert, key), (other, _)) = (pair(), pair());
    let file = |name: &str, text: &str| folder.write(name, text);
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let bare: String = key.lines().filter(|line| !line.starts_with('-')).collect();
    let (cut, _) = cert.split_at(cert.len() / 2);
    let broken = cert.replace("MII", "AAA");
    let folder_itself = folder.0.to_str().unwrap();
    for (options, member, what) in [
        (
            options(Some("/no/such/ca.pem"), None, None),
            "tls.ca",
            "(/no/such/ca.pem) does not exist",
        ),
        (
            options(Some(&file("empty.pem", "nothing")), None, None),
            "tls.ca",
            "holds no certificate",
        ),
        (
            options(Some(folder_itself), None, None),
            "tls.ca",
            "is no PEM file",
        ),
        (
            options(Some(&file("cut.pem", cut)), None, None),
            "tls.ca",
            "damaged",
        ),
        (
            options(Some(&file("broken.pem", &broken)), None, None),
            "tls.ca",
            "cannot be read",
        ),
        (
            options(None, Some(&cert), Some(&bare)),
            "tls.key",
            "is neither PEM nor the path of a file",
        ),
        (
            options(None, Some(&cert), Some(&cert)),
            "tls.key",
            "holds no private key",
        ),
        (
            options(None, Some(&cert), Some(&encrypted)),
            "tls.key",
            "is encrypted",
        ),
        (
            options(None, Some(&other), Some(&key)),
            "tls.key",
            "is not the key of the first certificate in `tls.cert`",
        ),
    ] {
        let error = material(&options).await.unwrap_err();
        assert_eq!(error.code, Code::InvalidConfig);
        assert!(
            error.message.starts_with("MCP server \"srv\": `tls."),
            "{error}"
        );
        assert!(
            error.message.contains(member) && error.message.contains(what),
            "{error}"
        );
        assert!(!error.message.contains(&bare[..20]), "{error}");
    }
}

#[tokio::test]
async fn files_that_break_leave_what_was_read_in_use() {
    let folder = Folder::new();
    let ((first, _), (second, _)) = (pair(), pair());
    let path = folder.write("ca.pem", &first);
    let url = Url::parse("https://a.test").unwrap();
    let tls = ServerTls::new("srv", options(Some(&path), None, None), &url, &[]).unwrap();
    let read = async || {
        tls.look_again();
        tls.material().await.unwrap()
    };
    let before = read().await;
    assert_eq!(tls.warning(), None);

    folder.write("ca.pem", &second[..second.len() / 2]);
    assert_eq!(read().await, before);
    let warning = tls.warning().unwrap();
    assert!(
        warning.contains(&path) && warning.contains("stays in use"),
        "{warning}"
    );
    assert_eq!(
        (read().await, tls.warning()),
        (Arc::clone(&before), None),
        "told once"
    );

    fs::remove_file(&path).unwrap();
    assert_eq!(read().await, before);
    assert!(tls.warning().unwrap().contains("does not exist"));

    folder.write("ca.pem", &second);
    assert_ne!(read().await, before);
    assert_eq!(tls.warning(), None);
}

#[test]
fn a_server_name_is_a_host_name() {
    let url = Url::parse("https://10.0.0.1").unwrap();
    for (name, is_one) in [
        ("a.test", true),
        ("10.0.0.2", false),
        ("[::1]", false),
        ("a b", false),
        ("a/b", false),
    ] {
        let options = TlsOptions {
            server_name: Some(name.to_owned()),
            ..TlsOptions::default()
        };
        assert_eq!(
            ServerTls::new("srv", options, &url, &[]).is_ok(),
            is_one,
            "{name}"
        );
    }
}

#[test]
fn only_origins_that_the_config_names() {
    let parsed = |url: &str| Url::parse(url).unwrap();
    let options = TlsOptions {
        server_name: Some("a.test".to_owned()),
        ..TlsOptions::default()
    };
    let endpoints = [parsed("https://as.test/token")];
    let tls = ServerTls::new(
        "srv",
        options,
        &parsed("wss://10.0.0.1:8443/mcp"),
        &endpoints,
    )
    .unwrap();
    for (url, is_for, name) in [
        ("https://10.0.0.1:8443/other", true, Some("a.test")),
        ("wss://10.0.0.1:8443/mcp", true, None),
        ("https://as.test/authorize", true, None),
        ("https://10.0.0.1/mcp", false, None),
        ("http://10.0.0.1:8443/mcp", false, None),
        ("https://other.test/", false, None),
    ] {
        let url = parsed(url);
        assert_eq!(
            (tls.is_for(&url), tls.name_at(&url)),
            (is_for, name),
            "{url}"
        );
    }
}
