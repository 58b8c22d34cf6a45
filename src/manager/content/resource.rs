//! Resources within a tool's result: their bodies, and what is said of them.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

/// A member that is a text; empty where it is none.
pub(super) fn text_of<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// What a resource holds, as `text` or as `blob`.
pub(super) enum Body<'a> {
    Text(Cow<'a, str>),
    Image {
        /// Base64.
        data: &'a str,
        mime_type: &'a str,
    },
    /// No text, so that nobody could read it.
    Binary {
        bytes: usize,
    },
    None,
}

pub(super) fn body(resource: &Value) -> Body<'_> {
    let text = text_of(resource, "text");
    if !text.is_empty() {
        return Body::Text(Cow::Borrowed(text));
    }
    let (blob, mime_type) = (text_of(resource, "blob"), text_of(resource, "mimeType"));
    if blob.is_empty() {
        return Body::None;
    }
    let is_image = mime_type.get(..6);
    if is_image.is_some_and(|start| start.eq_ignore_ascii_case("image/")) {
        return Body::Image {
            data: blob,
            mime_type,
        };
    }
    let bytes = decoded(blob);
    if bytes.contains(&0) {
        return Body::Binary { bytes: bytes.len() };
    }
    match String::from_utf8(bytes) {
        Err(error) => Body::Binary {
            bytes: error.as_bytes().len(),
        },
        Ok(text) => match text.strip_prefix('\u{feff}') {
            Some("") => Body::None,
            Some(rest) => Body::Text(Cow::Owned(rest.to_owned())),
            None if text.is_empty() => Body::None,
            None => Body::Text(Cow::Owned(text)),
        },
    }
}

/// Reads base64 as Node does: in either alphabet, without what is no part of it, as far as it goes.
fn decoded(blob: &str) -> Vec<u8> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::RequireNone),
    );
    let digits = blob.bytes().take_while(|byte| *byte != b'=');
    let mut digits: Vec<u8> = digits
        .filter_map(|byte| match byte {
            b'-' => Some(b'+'),
            b'_' => Some(b'/'),
            b'+' | b'/' => Some(byte),
            _ => byte.is_ascii_alphanumeric().then_some(byte),
        })
        .collect();
    // A single digit is less than a byte.
    if digits.len() % 4 == 1 {
        digits.pop();
    }
    LENIENT.decode(digits).unwrap_or_default()
}

/// What stands for a body that is not shown.
pub(super) fn omitted(bytes: usize) -> String {
    format!("Resource Content: {bytes} bytes of binary data (omitted; not UTF-8 text)")
}

/// What is known of a resource that a result only points to, a line for each.
pub(super) fn link(item: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, label) in [
        ("name", "Name"),
        ("title", "Title"),
        ("description", "Description"),
        ("uri", "URI"),
        ("mimeType", "MIME Type"),
    ] {
        let text = text_of(item, name);
        if !text.is_empty() {
            lines.push(format!("Resource {label}: {}", one_line(text)));
        }
    }
    if let Some(size) = item.get("size").and_then(Value::as_f64) {
        lines.push(format!("Resource Size: {size} bytes"));
    }
    lines
}

/// Takes line breaks out of what stands on a line of its own: with them a server, or whoever named one of its files,
/// could write further lines that look as if they were ours.
pub(super) fn one_line(text: &str) -> Cow<'_, str> {
    let breaks = |c: char| matches!(c, '\n'..='\r' | '\u{85}' | '\u{2028}' | '\u{2029}');
    if !text.contains(breaks) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len());
    for part in text.split_inclusive(breaks) {
        let words = part.trim_end_matches(breaks);
        line.push_str(words);
        if words.len() < part.len() && (!words.is_empty() || line.is_empty()) {
            line.push(' ');
        }
    }
    Cow::Owned(line)
}
