//! Extensions of the protocol (SEP-2133): settings by identifier, such as `io.modelcontextprotocol/ui`.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// What is wrong with extensions, and with which of them. `null` stands for one that is not supported.
pub fn check_extensions(
    extensions: &Map<String, Value>,
) -> std::result::Result<(), (&str, &'static str)> {
    for (name, settings) in extensions {
        if !is_identifier(name) {
            return Err((name, "must be named like `com.example/extension`"));
        }
        if !settings.is_object() && !settings.is_null() {
            return Err((name, "must be an object of settings, or null"));
        }
    }
    Ok(())
}

/// Those of a config; `None` where it has none.
pub(super) fn read_extensions(
    members: Option<Map<String, Value>>,
) -> Result<Option<Arc<Map<String, Value>>>> {
    let members = members.unwrap_or_default();
    check_extensions(&members).map_err(|(name, expected)| {
        Error::invalid_config(format!(
            "Invalid MCP server config: `extensions[{name:?}]` {expected}"
        ))
    })?;
    Ok((!members.is_empty()).then(|| Arc::new(members)))
}

/// A key of `_meta` with a prefix (MCP, "General fields").
fn is_identifier(text: &str) -> bool {
    let is_alphanumeric = |character: Option<char>| {
        character.is_some_and(|character| character.is_ascii_alphanumeric())
    };
    let is_part = |part: &str, further: &[char]| {
        let mut characters = part.chars();
        is_alphanumeric(part.chars().next())
            && is_alphanumeric(part.chars().next_back())
            && characters.all(|it| it.is_ascii_alphanumeric() || further.contains(&it))
    };
    let is_label = |label: &str| {
        is_part(label, &['-']) && label.starts_with(|first: char| first.is_ascii_alphabetic())
    };
    let parts = text.split_once('/');
    parts.is_some_and(|(prefix, name)| {
        prefix.split('.').all(is_label) && is_part(name, &['-', '_', '.'])
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn identifiers_have_a_prefix() {
        for name in [
            "io.x/y",
            "io.modelcontextprotocol/ui",
            "a/b_c.d-e",
            "x-y.z/1",
        ] {
            assert!(is_identifier(name), "{name}");
        }
        for name in [
            "", "x", "/x", "x/", "1.x/y", "x./y", "-x/y", "x/-y", "x/y/z", "ö/y", "x y/z", "x/y\n",
        ] {
            assert!(!is_identifier(name), "{name}");
        }
    }

    #[test]
    fn settings_are_objects() {
        let check = |settings: Value| {
            let extensions = Map::from_iter([("io.x/y".to_owned(), settings)]);
            check_extensions(&extensions).is_ok()
        };
        assert!(check(json!({})) && check(Value::Null));
        assert!(!check(json!(true)) && !check(json!([])) && !check(json!("on")));
    }
}
