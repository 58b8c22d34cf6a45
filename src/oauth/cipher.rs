//! How `LibreChat` encrypts stored tokens (`encryptV2`, `decryptV2`): AES-CBC with PKCS #7 padding, a random IV for
//! each value, written as `hex(iv):hex(ciphertext)`.

use librechat_mcp_native_store as store;

use crate::error::{Code, Error, Result};
use crate::hex;
use crate::secret::Secret;

/// A key of 32 bytes, or of 16 as Web Crypto takes it too.
#[derive(Clone)]
pub struct Cipher(Secret<Vec<u8>>);

impl Cipher {
    /// `key` in hex: the host's `credentialsKey`, else `CREDS_KEY`.
    ///
    /// Fails with [`Code::TokenStore`] without a usable key.
    pub fn new(key: Option<&Secret>) -> Result<Self> {
        let unusable = |problem: &str| {
            Error::new(
                Code::TokenStore,
                format!(
                    "OAuth tokens cannot be stored: CREDS_KEY, or credentialsKey of the host, {problem}"
                ),
            )
        };
        let key = key
            .map(|key| key.expose().trim())
            .filter(|key| !key.is_empty())
            .ok_or_else(|| unusable("is not set"))?;
        match hex::decode(key) {
            Some(key) if matches!(key.len(), 16 | 32) => Ok(Self(Secret::new(key))),
            _ => Err(unusable(
                "must be 64 hexadecimal digits, as `openssl rand -hex 32` makes them",
            )),
        }
    }

    #[must_use]
    pub fn encrypt(&self, plain: &str) -> Secret {
        let iv: [u8; store::IV_BYTES] = rand::random();
        let encrypted = store::encrypt(self.0.expose(), &iv, plain.as_bytes());
        // The length of the key was checked when the cipher was made.
        let encrypted = encrypted.unwrap_or_default();
        Secret::new(format!("{}:{}", hex::encode(&iv), hex::encode(&encrypted)))
    }

    /// A value without a colon was never encrypted and is returned as it is, as in the reference.
    ///
    /// Fails with [`Code::TokenStore`] when the value was encrypted with another key, or is damaged.
    pub fn decrypt(&self, stored: &Secret) -> Result<Secret> {
        let Some((iv, encrypted)) = stored.expose().split_once(':') else {
            return Ok(stored.clone());
        };
        self.open(iv, encrypted).ok_or_else(|| {
            Error::new(
                Code::TokenStore,
                "A stored OAuth token cannot be decrypted; was CREDS_KEY changed?",
            )
        })
    }

    fn open(&self, iv: &str, encrypted: &str) -> Option<Secret> {
        let (iv, encrypted) = (hex::decode(iv)?, hex::decode(encrypted)?);
        let plain = store::decrypt(self.0.expose(), &iv, &encrypted)?;
        String::from_utf8(plain).ok().map(Secret::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "f34be427ebb29de8d88c107a71546019685ed8b241d8f2ed00c3df97ad2566f0";

    fn cipher(key: &str) -> Cipher {
        Cipher::new(Some(&Secret::from(key))).unwrap()
    }

    /// Made with Web Crypto, as `encryptV2` does it, with the key above.
    #[test]
    fn reads_what_librechat_wrote() {
        let stored = "000102030405060708090a0b0c0d0e0f:\
            a6a01dfa5d4631dea65980fc37a96cf1aa6ec7c5b56a71c324d565c9133b387f";
        let plain = cipher(KEY).decrypt(&Secret::from(stored)).unwrap();
        assert_eq!(plain.expose(), "secret-at-ü-stored");
    }

    #[test]
    fn round_trips() {
        for key in [KEY, &KEY[..32]] {
            let cipher = cipher(key);
            for plain in ["", "a", "0123456789abcdef", "secret-ü€🎉"] {
                let stored = cipher.encrypt(plain);
                let (iv, data) = stored.expose().split_once(':').unwrap();
                assert_eq!(iv.len(), 32);
                assert!(data.len().is_multiple_of(32) && !data.is_empty());
                assert_eq!(cipher.decrypt(&stored).unwrap().expose(), plain);
                assert_ne!(cipher.encrypt(plain), stored, "every value has its own IV");
            }
        }
    }

    #[test]
    fn plain_damaged_and_foreign_values() {
        let cipher = cipher(KEY);
        let plain = Secret::from("never-encrypted");
        assert_eq!(cipher.decrypt(&plain).unwrap(), plain);
        let foreign = self::cipher(&KEY.replace('f', "0")).encrypt("secret");
        for stored in [foreign.expose(), "zz:00", "00:00", ":", "a:b:c"] {
            let error = cipher.decrypt(&Secret::from(stored)).unwrap_err();
            assert_eq!(error.code, Code::TokenStore, "{stored}");
            assert!(!error.message.contains(stored));
        }
    }

    #[test]
    fn keys() {
        for key in [None, Some(""), Some("abc"), Some("zz"), Some(&KEY[2..])] {
            let key = key.map(Secret::from);
            let error = Cipher::new(key.as_ref()).err().unwrap();
            assert_eq!(error.code, Code::TokenStore);
        }
    }
}
