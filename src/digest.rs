//! SHA-256 over a list of parts. Each is prefixed with its length, so that no two lists run together.

use ring::digest::{Context, SHA256, SHA256_OUTPUT_LEN};

pub type Digest = [u8; SHA256_OUTPUT_LEN];

pub struct Parts(Context);

impl Parts {
    /// `namespace` is the first part.
    pub fn of(namespace: &str) -> Self {
        let mut parts = Self(Context::new(&SHA256));
        parts.add(namespace);
        parts
    }

    pub fn add(&mut self, part: impl AsRef<[u8]>) {
        let part = part.as_ref();
        self.0.update(&(part.len() as u64).to_be_bytes());
        self.0.update(part);
    }

    pub fn digest(self) -> Digest {
        let mut digest = Digest::default();
        digest.copy_from_slice(self.0.finish().as_ref());
        digest
    }
}
