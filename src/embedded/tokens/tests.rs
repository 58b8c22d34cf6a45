use std::path::Path;

use super::*;

struct Key;

impl CredentialsKey for Key {
    fn key(&self) -> Result<Option<Secret>> {
        Ok(Some(Secret::new("0".repeat(64))))
    }
}

fn store(directory: &Path) -> TokenFile {
    TokenFile::new(Ok(directory.to_path_buf()), Arc::new(Key))
}

fn query(user: usize) -> TokenQuery {
    TokenQuery {
        user_id: format!("u{user}"),
        kind: "mcp_oauth".to_owned(),
        identifier: "mcp:srv".to_owned(),
        token: None,
        credential_set: None,
    }
}

async fn create(store: &TokenFile, user: usize) -> Result<()> {
    let data = TokenData {
        token: Secret::new(format!("token {user}")),
        expires_in: 3600,
        metadata: None,
    };
    store.create(&query(user), &data).await
}

fn temporary() -> PathBuf {
    let directory = std::env::temp_dir().join(format!("tokens-{:x}", rand::random::<u64>()));
    std::fs::create_dir(&directory).unwrap();
    directory
}

#[tokio::test]
async fn a_file_that_another_process_keeps() {
    let directory = temporary();
    let path = directory.join(FILE);
    create(&store(&directory), 0).await.unwrap();
    let other = std::fs::File::open(&path).unwrap();
    other.lock().unwrap();
    let nothing = |_: &Store| Ok(());
    let error = with_store(&path, Duration::from_millis(100), &nothing, |_| Ok(()));
    let error = error.unwrap_err();
    assert_eq!(error.code, Code::TokenStore);
    let told = "tokens.redb cannot be used: another process does not let go of it";
    assert!(error.message.ends_with(told), "{error}");
    drop(other);
    assert!(store(&directory).find(&query(0)).await.unwrap().is_some());
    std::fs::remove_dir_all(&directory).unwrap();
}

/// As a full disk leaves one: cut off, or with zeros or something else where nothing was written.
#[tokio::test]
async fn damaged_files_are_told() {
    let directory = temporary();
    let (path, store) = (directory.join(FILE), store(&directory));
    for user in 0..20 {
        create(&store, user).await.unwrap();
    }
    let whole = std::fs::read(&path).unwrap();
    let length = whole.len();
    let mut damaged: Vec<Vec<u8>> = Vec::new();
    let lengths = (1..512)
        .step_by(37)
        .chain((512..length).step_by(length / 97));
    damaged.extend(lengths.map(|length| whole[..length].to_vec()));
    for start in (0..length).step_by(length / 61) {
        for byte in [0, 0xff] {
            let mut bytes = whole.clone();
            bytes[start..].fill(byte);
            damaged.push(bytes);
        }
    }
    damaged.push(b"no database".to_vec());
    for bytes in damaged {
        std::fs::write(&path, &bytes).unwrap();
        for user in [0, 19] {
            match store.find(&query(user)).await {
                // What was damaged is not what was asked for.
                Ok(found) => assert!(
                    found.is_some(),
                    "lost without a word: {} bytes",
                    bytes.len()
                ),
                Err(error) => {
                    assert_eq!(error.code, Code::TokenStore, "{error}");
                    assert!(error.message.contains("tokens.redb"), "{error}");
                    assert!(error.message.contains("log in again"), "{error}");
                }
            }
        }
    }
    std::fs::write(&path, b"").unwrap();
    assert!(
        store.find(&query(0)).await.unwrap().is_none(),
        "an empty file begins anew"
    );
    create(&store, 1).await.unwrap();
    assert!(store.find(&query(1)).await.unwrap().is_some());
    std::fs::remove_dir_all(&directory).unwrap();
}
