//! How deep JSON may be nested. `serde_json` follows values with the stack, and on its own gives up at 128 levels; nothing
//! here takes more stack than about [`MAX_NESTING`] levels do, whatever a server sends.

use std::borrow::Cow;

use serde::de::{DeserializeOwned, Error as _};

/// Levels of objects and arrays in what is read as values.
pub const MAX_NESTING: usize = 512;

/// Reads a text that may be nested this many levels deep, about [`MAX_NESTING`] of them.
///
/// # Errors
/// For a text that is no such JSON, or is nested deeper.
pub fn parse<T: DeserializeOwned>(json: &str, levels: usize) -> serde_json::Result<T> {
    let mut reader = serde_json::Deserializer::from_str(checked(json, levels)?);
    reader.disable_recursion_limit();
    let value = T::deserialize(&mut reader)?;
    reader.end().map(|()| value)
}

/// The text, where it is nested no deeper than this many levels.
///
/// # Errors
/// For one that is.
pub fn checked<T: AsRef<str>>(json: T, levels: usize) -> serde_json::Result<T> {
    if is_deeper(json.as_ref(), levels) {
        return Err(serde_json::Error::custom(format!(
            "it is nested deeper than {levels} levels"
        )));
    }
    Ok(json)
}

/// Whether objects and arrays are nested deeper than this many levels.
#[must_use]
pub fn is_deeper(json: &str, levels: usize) -> bool {
    // Most texts have not as many.
    let opening = json.bytes().filter(|byte| matches!(byte, b'[' | b'{'));
    json.len() > levels
        && opening.count() > levels
        && Marks::new(json).any(|mark| mark.depth > levels)
}

/// The same JSON, with `null` in place of what is nested deeper than this many levels.
#[must_use]
pub fn cut(json: &str, levels: usize) -> Cow<'_, str> {
    if !is_deeper(json, levels) {
        return Cow::Borrowed(json);
    }
    let mut text = String::with_capacity(json.len());
    // Where what is kept begins, or nothing while something is left out.
    let mut from = Some(0);
    for Mark { at, opens, .. } in Marks::new(json).filter(|mark| mark.depth == levels + 1) {
        if opens {
            text.push_str(
                from.take()
                    .and_then(|from| json.get(from..at))
                    .unwrap_or_default(),
            );
            text.push_str("null");
        } else {
            from = Some(at + 1);
        }
    }
    text.push_str(from.and_then(|from| json.get(from..)).unwrap_or_default());
    Cow::Owned(text)
}

/// Where an object or array opens or closes.
struct Mark {
    at: usize,
    /// The level of that object or array; the outermost is 1.
    depth: usize,
    opens: bool,
}

struct Marks<'a> {
    bytes: std::iter::Enumerate<std::slice::Iter<'a, u8>>,
    depth: usize,
    in_text: bool,
}

impl<'a> Marks<'a> {
    fn new(json: &'a str) -> Self {
        Self {
            bytes: json.as_bytes().iter().enumerate(),
            depth: 0,
            in_text: false,
        }
    }
}

impl Iterator for Marks<'_> {
    type Item = Mark;

    fn next(&mut self) -> Option<Mark> {
        loop {
            let (at, byte) = self.bytes.next()?;
            match byte {
                b'"' => self.in_text = !self.in_text,
                b'\\' if self.in_text => {
                    self.bytes.next();
                }
                b'[' | b'{' if !self.in_text => {
                    self.depth += 1;
                    return Some(Mark {
                        at,
                        depth: self.depth,
                        opens: true,
                    });
                }
                b']' | b'}' if !self.in_text => {
                    let depth = self.depth;
                    self.depth = depth.saturating_sub(1);
                    return Some(Mark {
                        at,
                        depth,
                        opens: false,
                    });
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn nested(levels: usize) -> String {
        format!(
            "{}{}",
            r#"{"[\"{":["#.repeat(levels / 2),
            "]}".repeat(levels / 2)
        )
    }

    #[test]
    fn brackets_in_texts_are_no_levels() {
        assert!(!is_deeper(&nested(4), 4));
        assert!(is_deeper(&nested(4), 3));
        assert!(!is_deeper(r#""[[[[\"[[[[\\""#, 1));
        assert!(!is_deeper("[[],[],[[]],{}]", 3));
        assert!(!is_deeper("]]]]", 0));
    }

    #[test]
    fn values_may_be_as_deep_as_the_limit() {
        assert!(parse::<Value>(&nested(MAX_NESTING), MAX_NESTING).is_ok());
        for levels in [MAX_NESTING + 2, 1_000_000] {
            let error = parse::<Value>(&nested(levels), MAX_NESTING).expect_err("too deep");
            assert_eq!(error.to_string(), "it is nested deeper than 512 levels");
        }
        assert!(parse::<Value>("[1] x", MAX_NESTING).is_err());
    }

    #[test]
    fn what_is_too_deep_becomes_null() {
        let json = r#"{"a":[{"b":[1]},2,"[[["],"c":{"d":{"e":{}}}}"#;
        assert_eq!(cut(json, 5), json);
        assert_eq!(cut(json, 2), r#"{"a":[null,2,"[[["],"c":{"d":null}}"#);
        assert_eq!(
            cut(json, 3),
            r#"{"a":[{"b":null},2,"[[["],"c":{"d":{"e":null}}}"#
        );
        let deep = cut(&nested(1_000_000), 100).into_owned();
        assert!(serde_json::from_str::<Value>(&deep).is_ok());
        for broken in ["[[[", "]]][[[", r#"[["x"#, "[[]]]]"] {
            assert!(serde_json::from_str::<Value>(&cut(broken, 1)).is_err());
        }
    }
}
