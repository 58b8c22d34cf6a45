//! Header values as Node sends them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue};

use crate::error::{Error, Result};

/// `LibreChat`'s scheme for names that no header can carry: `b64:` and Base64 of the UTF-8 text. Values within Latin-1
/// stay.
pub(super) fn encode_above_latin_1(value: &str) -> String {
    if value.chars().all(is_latin_1) {
        value.to_owned()
    } else {
        format!("b64:{}", STANDARD.encode(value))
    }
}

/// A header with its value as Latin-1 bytes, without the white space around it (Fetch, section 2.2.2). Errors name
/// the header and never show the value, which may be a secret.
pub(super) fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue)> {
    let refused = |reason: &str| Error::invalid_config(format!("Header `{name}` {reason}"));
    let parsed =
        HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused("has an invalid name"))?;
    let bytes = value
        .trim_matches([' ', '\t', '\r', '\n'])
        .chars()
        .map(|c| u8::try_from(u32::from(c)))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| refused("has a value with characters outside of Latin-1"))?;
    let mut value = HeaderValue::from_bytes(&bytes)
        .map_err(|_| refused("has a value with line breaks or control characters"))?;
    value.set_sensitive(true);
    Ok((parsed, value))
}

fn is_latin_1(c: char) -> bool {
    u32::from(c) <= 0xff
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    #[test]
    fn names_above_latin_1() {
        for (value, expected) in [
            ("", ""),
            ("Jane", "Jane"),
            ("José ÿ", "José ÿ"),
            ("Marić", "b64:TWFyacSH"),
            ("Ψ", "b64:zqg="),
        ] {
            assert_eq!(encode_above_latin_1(value), expected);
        }
    }

    #[test]
    fn values_as_bytes() {
        for (value, expected) in [
            ("plain", &b"plain"[..]),
            ("  key with pad ", b"key with pad"),
            ("\tkey\r\n", b"key"),
            ("a\tb", b"a\tb"),
            ("José", b"Jos\xe9"),
            ("", b""),
        ] {
            let (name, sent) = header("X-Key", value).unwrap();
            assert_eq!(name, "x-key");
            assert_eq!(sent.as_bytes(), expected, "{value:?}");
        }
    }

    #[test]
    fn refused_values() {
        for value in [
            "s3cret Ψ",
            "s3cret\r\nX: y",
            "s3cret\0",
            "s3cret\u{7f}",
            "s3cret\u{100}",
        ] {
            let error = header("X-Key", value).unwrap_err();
            assert_eq!(error.code, Code::InvalidConfig);
            assert!(error.message.contains("`X-Key`"), "{error}");
            assert!(!error.message.contains("s3cret"), "{error}");
        }
        let error = header("X Key", "v").unwrap_err();
        assert_eq!(error.message, "Header `X Key` has an invalid name");
    }

    #[test]
    fn never_printed() {
        assert!(!format!("{:?}", header("X-Key", "hunter2").unwrap()).contains("hunter2"));
    }
}
