//! Exchanged tokens on their way through a cache that processes share: authenticated encryption, bound to the key they
//! are stored under, so that a value that was read, changed or moved is of no use.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use rand::Rng;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use serde::{Deserialize, Serialize};

use super::cache::Entry;
use super::key::CacheKey;
use crate::error::{Code, Error, Result};
use crate::secret::Secret;

const VERSION: u8 = 1;
const INFO: &[u8] = b"librechat-mcp-native exchanged tokens v1";

pub(super) struct Sealer(LessSafeKey);

#[derive(Serialize, Deserialize)]
struct Plain {
    token: String,
    expires_at: i64,
    usable_until: i64,
}

impl Sealer {
    /// Derives the key from the host's credentials key, which encrypts other things already.
    pub fn new(credentials_key: &Secret) -> Result<Self> {
        let text = credentials_key.expose();
        let material = from_hex(text).unwrap_or_else(|| text.as_bytes().to_vec());
        let mut key = [0; 32];
        let derived = Salt::new(HKDF_SHA256, &[])
            .extract(&material)
            .expand(&[INFO], HKDF_SHA256)
            .and_then(|output| output.fill(&mut key));
        derived
            .and_then(|()| UnboundKey::new(&AES_256_GCM, &key))
            .map(|key| Self(LessSafeKey::new(key)))
            .map_err(|_| Error::new(Code::Internal, "The cache key cannot be derived"))
    }

    pub fn seal(&self, key: &CacheKey, entry: &Entry) -> Result<String> {
        let failed = || Error::new(Code::Internal, "The exchanged token cannot be encrypted");
        let mut body = serde_json::to_vec(&Plain {
            token: entry.token.expose().clone(),
            expires_at: entry.expires_at,
            usable_until: entry.usable_until,
        })
        .map_err(|_| failed())?;
        let mut nonce = [0; NONCE_LEN];
        rand::rng().fill_bytes(&mut nonce);
        self.0
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(key.as_bytes()),
                &mut body,
            )
            .map_err(|_| failed())?;
        let mut sealed = vec![VERSION];
        sealed.extend_from_slice(&nonce);
        sealed.append(&mut body);
        Ok(STANDARD_NO_PAD.encode(sealed))
    }

    /// `None` for what another version, another key or somebody else wrote.
    pub fn open(&self, key: &CacheKey, sealed: &str) -> Option<Entry> {
        let bytes = STANDARD_NO_PAD.decode(sealed).ok()?;
        let body = bytes.strip_prefix(&[VERSION])?;
        let (nonce, body) = body.split_at_checked(NONCE_LEN)?;
        let mut body = body.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let plain = self
            .0
            .open_in_place(nonce, Aad::from(key.as_bytes()), &mut body)
            .ok()?;
        let plain: Plain = serde_json::from_slice(plain).ok()?;
        Some(Entry {
            token: Secret::new(plain.token),
            expires_at: plain.expires_at,
            usable_until: plain.usable_until,
        })
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() || !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok())
        .collect()
}
