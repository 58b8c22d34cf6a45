//! What is in an array or an object, without a parser that would hold all of it at once.

use crate::literal::push_literal;

/// The values of an array, or the members of an object, one after the other, each as it stands in the JSON, which was checked
/// when it came. Of anything else there are none. As many levels as there may be take no more stack.
pub struct Parts<'a> {
    /// Behind what was read.
    rest: &'a str,
    of_object: bool,
}

/// A value, and of a member of an object its name, which is a JSON string.
pub struct Part<'a> {
    name: &'a str,
    pub value: &'a str,
}

impl<'a> Parts<'a> {
    pub fn of(json: &'a str) -> Self {
        let json = json.trim_ascii();
        let inside = json.get(1..).filter(|_| json.starts_with(['[', '{']));
        Self {
            rest: inside.unwrap_or_default(),
            of_object: json.starts_with('{'),
        }
    }

    fn value(&mut self) -> &'a str {
        let rest = self
            .rest
            .trim_start_matches([',', ':', ' ', '\t', '\n', '\r']);
        let (value, rest) = rest.split_at(end_of_value(rest));
        self.rest = rest;
        value
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        let name = if self.of_object { self.value() } else { "" };
        let value = self.value();
        (!value.is_empty()).then_some(Part { name, value })
    }
}

impl<'a> Part<'a> {
    /// The member's name, which may be written with escapes.
    pub fn is_named(&self, name: &str) -> bool {
        let written = self.name;
        if !written.contains('\\') {
            return written.len() == name.len() + 2 && written[1..].starts_with(name);
        }
        let mut text = String::new();
        push_literal(&mut text, written);
        text == name
    }

    /// The member as it stands there.
    pub fn name(&self) -> &'a str {
        self.name
    }
}

/// Where the value ends that the text begins with; 0 where there is none.
fn end_of_value(json: &str) -> usize {
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(byte) = json.as_bytes().get(at) {
        match byte {
            b'"' => {
                at += end_of_text(&json[at..]);
                if depth == 0 {
                    return at;
                }
                continue;
            }
            b'[' | b'{' => depth += 1,
            b']' | b'}' if depth > 1 => depth -= 1,
            b']' | b'}' if depth == 1 => return at + 1,
            b']' | b'}' | b',' | b' ' | b'\t' | b'\n' | b'\r' if depth == 0 => return at,
            _ => {}
        }
        at += 1;
    }
    at
}

/// Where the JSON string ends that the text begins with.
fn end_of_text(json: &str) -> usize {
    let mut end = 1;
    while let Some(quote) = json[end..].find('"') {
        let before = &json.as_bytes()[..end + quote];
        let escapes = before.iter().rev().take_while(|byte| **byte == b'\\');
        end += quote + 1;
        if escapes.count().is_multiple_of(2) {
            return end;
        }
    }
    json.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(json: &str) -> Vec<&str> {
        Parts::of(json).map(|part| part.value).collect()
    }

    #[test]
    fn values_as_they_stand_there() {
        assert_eq!(
            values(r#" [ 1,"a,]\"\\" , [[],{"x":"]\\\""}],{}, null,true ] "#),
            [
                "1",
                r#""a,]\"\\""#,
                r#"[[],{"x":"]\\\""}]"#,
                "{}",
                "null",
                "true"
            ]
        );
        for none in ["[]", "{}", " [ ] ", "7", "null", r#""[1]""#, ""] {
            assert_eq!(values(none), [""; 0], "{none}");
        }
        let deep = format!("[{}{},1]", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(values(&deep).len(), 2);
    }

    #[test]
    fn members_by_their_names() {
        let json = r#"{ "a" : 1 , "\u0062":"}","ab":{"a":2},"":[],"a\"":0}"#;
        let named = |name: &str| {
            let parts = Parts::of(json).filter(|part| part.is_named(name));
            parts.map(|part| part.value).collect::<Vec<_>>()
        };
        assert_eq!(named("a"), ["1"]);
        assert_eq!(named("b"), [r#""}""#]);
        assert_eq!(named("ab"), [r#"{"a":2}"#]);
        assert_eq!(named(""), ["[]"]);
        assert_eq!(named("a\""), ["0"]);
        assert_eq!(Parts::of(json).count(), 5);
        assert!(named("c").is_empty());
    }
}
