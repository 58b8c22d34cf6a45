//! How deep a YAML text is nested, before it is parsed: for each word the parser goes through all brackets that are open.

/// Far more than any configuration has, and than the parser reads.
const DEEPEST: usize = 512;

/// The line on which too many brackets are open; those in quotes and in comments are none.
pub fn too_deep(text: &str) -> Option<usize> {
    let (mut depth, mut line, mut before) = (0_usize, 1, b'\n');
    // What ends a text in quotes, or a comment.
    let mut end = None;
    for byte in text.bytes() {
        let is_escaped = end == Some(b'"') && before == b'\\';
        match (end, byte) {
            (Some(end_byte), _) if byte == end_byte && !is_escaped => end = None,
            (None, b'\'' | b'"') if before.is_ascii_whitespace() || b"[{,:'".contains(&before) => {
                end = Some(byte);
            }
            (None, b'#') if before.is_ascii_whitespace() => end = Some(b'\n'),
            (None, b'[' | b'{') => depth += 1,
            (None, b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST {
            return Some(line);
        }
        line += usize::from(byte == b'\n');
        before = if is_escaped { b' ' } else { byte };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_brackets_that_are_open_count() {
        let open = "[{".repeat(300);
        for text in [
            format!("a: '{open}'"),
            format!("a: 'it''s {open}'"),
            format!("a: [\"\\\\\", \"\\\"{open}\"]"),
            format!("# {open}\na: 1"),
            "[{}]".repeat(600),
        ] {
            assert_eq!(too_deep(&text), None, "{text}");
        }
        for text in [
            format!("a: 1\nb: {open}"),
            format!("a: don't\nb: {open}"),
            format!("a: \"\\\\\"\nb: {open}"),
            format!("a: '' # '\nb: {open}"),
        ] {
            assert_eq!(too_deep(&text), Some(2), "{text}");
        }
    }
}
