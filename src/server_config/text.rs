//! JavaScript's notions of text, where a config was written for them.

use serde_json::Value;

/// `String.prototype.trim`: Unicode white space and the byte order mark, but not U+0085.
pub(super) fn js_trim(text: &str) -> &str {
    text.trim_matches(|c: char| (c.is_whitespace() && c != '\u{85}') || c == '\u{feff}')
}

/// `String(value)`.
pub(super) fn js_string(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_f64() {
            // A whole number has no decimals, even if it arrived as a float.
            Some(float) if float.fract() == 0.0 && float.abs() < 1e15 => format!("{float:.0}"),
            _ => number.to_string(),
        },
        Value::Bool(_) | Value::Null => value.to_string(),
        Value::Array(items) => {
            let items: Vec<_> = items
                .iter()
                .map(|item| {
                    if item.is_null() {
                        String::new()
                    } else {
                        js_string(item)
                    }
                })
                .collect();
            items.join(",")
        }
        Value::Object(_) => "[object Object]".to_owned(),
    }
}

/// Whether JavaScript counts the value as true.
pub(super) fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64().is_some_and(|value| value != 0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn strings_as_in_javascript() {
        for (value, text) in [
            (json!("a"), "a"),
            (json!(8080), "8080"),
            (json!(8080.0), "8080"),
            (json!(-0.5), "-0.5"),
            (json!(9_007_199_254_740_993_u64), "9007199254740993"),
            (json!(true), "true"),
            (json!(null), "null"),
            (json!(["a", null, 1]), "a,,1"),
            (json!({ "a": 1 }), "[object Object]"),
        ] {
            assert_eq!(js_string(&value), text);
        }
    }

    #[test]
    fn trims_as_javascript() {
        assert_eq!(js_trim("\u{feff} \t\n a b\u{a0}\u{2028}"), "a b");
        assert_eq!(js_trim("\u{85}"), "\u{85}");
    }
}
