//! AES-CBC with PKCS #7 padding, with keys of 16 or 32 bytes.

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use aes::{Aes128, Aes256};

pub const IV_BYTES: usize = 16;

/// `None` with a key of another length.
#[must_use]
pub fn encrypt(key: &[u8], iv: &[u8; IV_BYTES], plain: &[u8]) -> Option<Vec<u8>> {
    if key.len() == 32 {
        let cipher = cbc::Encryptor::<Aes256>::new_from_slices(key, iv).ok()?;
        Some(cipher.encrypt_padded_vec::<Pkcs7>(plain))
    } else {
        let cipher = cbc::Encryptor::<Aes128>::new_from_slices(key, iv).ok()?;
        Some(cipher.encrypt_padded_vec::<Pkcs7>(plain))
    }
}

/// `None` of what was encrypted with another key, or is damaged.
#[must_use]
pub fn decrypt(key: &[u8], iv: &[u8], encrypted: &[u8]) -> Option<Vec<u8>> {
    let plain = if key.len() == 32 {
        cbc::Decryptor::<Aes256>::new_from_slices(key, iv)
            .ok()?
            .decrypt_padded_vec::<Pkcs7>(encrypted)
    } else {
        cbc::Decryptor::<Aes128>::new_from_slices(key, iv)
            .ok()?
            .decrypt_padded_vec::<Pkcs7>(encrypted)
    };
    plain.ok()
}
