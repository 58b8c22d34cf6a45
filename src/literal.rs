//! Texts as they stand in JSON. What is read of them here is JSON that was checked when it came.

/// Appends the text that a JSON string stands for. Half a surrogate pair becomes U+FFFD.
pub fn push_literal(text: &mut String, literal: &str) {
    let mut rest = &literal[1..literal.len() - 1];
    text.reserve(rest.len());
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        let escape = &rest[at..];
        let (character, length) = escaped(escape);
        text.push(character);
        rest = escape.get(length..).unwrap_or_default();
    }
    text.push_str(rest);
}

/// As much of a JSON string's inside, from its beginning, as has no more than `room` bytes and is a JSON string's inside, too:
/// no character ends in its middle, escaped or not.
#[must_use]
pub fn beginning(inside: &str, room: usize) -> &str {
    if inside.len() <= room {
        return inside;
    }
    let mut end = 0;
    while let Some(first) = inside[end..].chars().next() {
        let length = match first {
            '\\' => escaped(&inside[end..]).1,
            other => other.len_utf8(),
        };
        if end + length > room {
            break;
        }
        end += length;
    }
    &inside[..end]
}

/// As much of a text, from its beginning, as has no more than `room` bytes inside a JSON string.
#[must_use]
pub fn fitting(text: &str, room: usize) -> &str {
    let mut room = room;
    let end = text.char_indices().find(|(_, character)| {
        let length = match character {
            '"' | '\\' | '\n' | '\t' | '\r' | '\u{8}' | '\u{c}' => 2,
            '\0'..='\u{1f}' => 6,
            other => other.len_utf8(),
        };
        let left = room.checked_sub(length);
        room = left.unwrap_or_default();
        left.is_none()
    });
    end.map_or(text, |(end, _)| &text[..end])
}

/// The text as a JSON string.
#[must_use]
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The character that an escape stands for, and how long the escape is.
fn escaped(escape: &str) -> (char, usize) {
    match escape.as_bytes().get(1) {
        Some(b'n') => ('\n', 2),
        Some(b't') => ('\t', 2),
        Some(b'r') => ('\r', 2),
        Some(b'b') => ('\u{8}', 2),
        Some(b'f') => ('\u{c}', 2),
        Some(b'u') => code_point(escape),
        // A quote, a slash or a backslash stands for itself.
        other => (other.copied().map_or('\\', char::from), 2),
    }
}

/// The character of `\uXXXX`, or of two that are a surrogate pair, and how long they are.
fn code_point(escape: &str) -> (char, usize) {
    let unit = |at: usize| {
        let digits = escape.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let units = [unit(0), unit(6)].into_iter().map_while(|unit| unit);
    match char::decode_utf16(units).next() {
        Some(Ok(character)) => (character, 6 * character.len_utf16()),
        _ => (char::REPLACEMENT_CHARACTER, 6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_a_parser_reads_them() {
        let literals = [
            r#""""#,
            r#""plain ä 😀""#,
            r#""\"\\\/\b\f\n\r\t""#,
            r#""\u00e4\u0000\uD83D\uDE00x\ud83d\ude00""#,
            r#""\\n\\u0041\\\\""#,
            r#""a\n""#,
        ];
        for literal in literals {
            let (mut text, parsed) = (String::new(), serde_json::from_str::<String>(literal));
            push_literal(&mut text, literal);
            assert_eq!(text, parsed.expect("a string"), "{literal}");
        }
        for (half, expected) in [
            (r#""\ud83d""#, "\u{fffd}"),
            (r#""\ud83dx\ude00\u0041""#, "\u{fffd}x\u{fffd}A"),
            (r#""\ud83d\u0041""#, "\u{fffd}A"),
        ] {
            let mut text = String::new();
            push_literal(&mut text, half);
            assert_eq!(text, expected, "{half}");
        }
    }

    #[test]
    fn a_beginning_ends_between_characters() {
        let inside = r#"aé\n\u00e9\ud83d\ude00😀\ud83dx\"z"#;
        let ends: Vec<usize> = (0..=inside.len())
            .map(|room| beginning(inside, room).len())
            .collect();
        let mut expected: Vec<usize> = Vec::new();
        let boundaries = [0, 1, 3, 5, 11, 23, 27, 33, 34, 36, 37];
        for room in 0..=inside.len() {
            expected.extend(boundaries.iter().rev().find(|end| **end <= room));
        }
        assert_eq!(ends, expected);
        for room in 0..=inside.len() {
            let mut text = String::new();
            push_literal(&mut text, &format!("\"{}\"", beginning(inside, room)));
            assert!("aé\né😀😀\u{fffd}x\"z".starts_with(&text), "{text}");
        }
    }

    #[test]
    fn what_fits_is_counted_as_it_is_written() {
        let text = "a\"\\\n\u{1}é😀/\u{7f}\u{2028}";
        for (end, _) in text.char_indices() {
            let length = quoted(&text[..end]).len() - 2;
            assert_eq!(fitting(text, length), &text[..end]);
        }
        assert_eq!(fitting(text, 1000), text);
        assert_eq!(fitting(text, 0), "");
    }
}
