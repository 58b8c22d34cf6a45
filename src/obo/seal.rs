//! Exchanged tokens on their way through a cache that processes share: sealed, each bound to the key it is stored
//! under.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};

use super::entry::Entry;
use super::key::CacheKey;
use crate::error::{Code, Error, Result};
use crate::seal;
use crate::secret::Secret;

const PURPOSE: &str = "librechat-mcp-native exchanged tokens v1";

pub(super) struct Sealer(seal::Sealer);

#[derive(Serialize, Deserialize)]
struct Plain {
    token: String,
    expires_at: i64,
    usable_until: i64,
}

impl Sealer {
    pub fn new(credentials_key: &Secret) -> Result<Self> {
        seal::Sealer::new(credentials_key, PURPOSE).map(Self)
    }

    pub fn seal(&self, key: &CacheKey, entry: &Entry) -> Result<String> {
        let plain = serde_json::to_vec(&Plain {
            token: entry.token.expose().clone(),
            expires_at: entry.expires_at,
            usable_until: entry.usable_until,
        })
        .map_err(|_| Error::new(Code::Internal, "The exchanged token cannot be encrypted"))?;
        let sealed = self.0.seal(key.as_bytes(), plain)?;
        Ok(STANDARD_NO_PAD.encode(sealed))
    }

    /// `None` for what another version, another key or somebody else wrote.
    pub fn open(&self, key: &CacheKey, sealed: &str) -> Option<Entry> {
        let sealed = STANDARD_NO_PAD.decode(sealed).ok()?;
        let plain = self.0.open(key.as_bytes(), &sealed)?;
        let plain: Plain = serde_json::from_slice(&plain).ok()?;
        Some(Entry {
            token: Secret::new(plain.token),
            expires_at: plain.expires_at,
            usable_until: plain.usable_until,
        })
    }
}
