//! JSON for models to read.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

/// Longest JSON that is indented. Of one that is nested deeply most would be spaces, hundreds for each of its bytes.
const MOST: usize = 16 * 1024 * 1024;

/// A value as JSON, indented by two spaces, or on one line where that would be too long.
pub(super) fn indented(value: &Value) -> String {
    let mut text = Limited(Vec::new());
    let mut writer = serde_json::Serializer::pretty(&mut text);
    match value.serialize(&mut writer) {
        Ok(()) => String::from_utf8(text.0).unwrap_or_default(),
        Err(_) => value.to_string(),
    }
}

struct Limited(Vec<u8>);

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MOST {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_nesting_does_not_multiply_what_a_server_sent() {
        let deep = (0..400).fold(Value::from(vec![1; 100_000]), |inner, _| {
            Value::from(vec![inner])
        });
        assert!(indented(&deep).len() < 300_000);
        let flat = Value::from(vec![1, 2]);
        assert_eq!(indented(&flat), "[\n  1,\n  2\n]");
    }
}
