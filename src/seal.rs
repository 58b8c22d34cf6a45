//! Authenticated encryption of what leaves the process: AES-256-GCM with a random nonce, under a key derived from the
//! host's credentials key (HKDF-SHA-256, RFC 5869). A value is bound to its purpose and to the name it is stored under,
//! so that one that was read, changed or moved is of no use.

use rand::Rng;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};

use crate::error::{Code, Error, Result};
use crate::hex;
use crate::secret::Secret;

const VERSION: u8 = 1;
const KEY_BYTES: usize = 32;

pub struct Sealer(LessSafeKey);

impl Sealer {
    /// `purpose` keeps values of different stores apart.
    pub fn new(credentials_key: &Secret, purpose: &str) -> Result<Self> {
        // A variable that is set to nothing keeps no secret.
        if credentials_key.expose().trim().is_empty() {
            return Err(underivable());
        }
        let key = derive(credentials_key, purpose)?;
        UnboundKey::new(&AES_256_GCM, &key)
            .map(|key| Self(LessSafeKey::new(key)))
            .map_err(|_| underivable())
    }

    /// `name`: what the value is stored under.
    pub fn seal(&self, name: &[u8], mut plain: Vec<u8>) -> Result<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        rand::rng().fill_bytes(&mut nonce);
        self.0
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(name),
                &mut plain,
            )
            .map_err(|_| Error::new(Code::Internal, "A value cannot be encrypted"))?;
        let mut sealed = vec![VERSION];
        sealed.extend_from_slice(&nonce);
        sealed.append(&mut plain);
        Ok(sealed)
    }

    /// `None` for what another version, another key or somebody else wrote.
    #[must_use]
    pub fn open(&self, name: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let bytes = sealed.strip_prefix(&[VERSION])?;
        let (nonce, body) = bytes.split_at_checked(NONCE_LEN)?;
        let mut body = body.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let plain = self.0.open_in_place(nonce, Aad::from(name), &mut body);
        plain.ok().map(|plain| plain.to_vec())
    }
}

/// A key for one purpose. The credentials key encrypts other things already.
pub fn derive(credentials_key: &Secret, purpose: &str) -> Result<[u8; KEY_BYTES]> {
    let text = credentials_key.expose();
    let material = hex::decode(text)
        .filter(|bytes| !bytes.is_empty())
        .unwrap_or_else(|| text.as_bytes().to_vec());
    let mut key = [0; KEY_BYTES];
    Salt::new(HKDF_SHA256, &[])
        .extract(&material)
        .expand(&[purpose.as_bytes()], HKDF_SHA256)
        .and_then(|output| output.fill(&mut key))
        .map_err(|_| underivable())?;
    Ok(key)
}

fn underivable() -> Error {
    Error::new(Code::Internal, "A key cannot be derived")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_opens_and_what_does_not() {
        let key = Secret::from("00112233445566778899aabbccddeeff");
        let sealer = Sealer::new(&key, "a").unwrap();
        let stored = sealer.seal(b"name", b"plain".to_vec()).unwrap();
        assert_eq!(sealer.open(b"name", &stored).unwrap(), b"plain");
        assert_ne!(sealer.seal(b"name", b"plain".to_vec()).unwrap(), stored);
        assert!(sealer.open(b"other", &stored).is_none());
        assert!(sealer.open(b"name", &stored[..stored.len() - 1]).is_none());
        assert!(sealer.open(b"name", &[]).is_none());
        assert!(Sealer::new(&Secret::from(" "), "a").is_err());
        for (key, purpose) in [(key, "b"), (Secret::from("0011"), "a")] {
            let other = Sealer::new(&key, purpose).unwrap();
            assert!(other.open(b"name", &stored).is_none());
        }
    }
}
