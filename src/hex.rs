//! Bytes in hexadecimal (RFC 4648, section 8), in lower case.

use std::fmt::Write;

pub fn encode(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Either case; `None` for anything else.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways() {
        assert_eq!(encode(&[0, 0xaf]), "00af");
        assert_eq!(decode("00aF"), Some(vec![0, 0xaf]));
        assert_eq!(decode(""), Some(Vec::new()));
        for wrong in ["0", "+1", "zz", "ü"] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
    }
}
