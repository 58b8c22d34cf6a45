//! The text of a server's tools, with long schemas apart: JavaScript builds such a schema when somebody looks at it,
//! which for most of a long list never happens.

use std::borrow::Cow;
use std::fmt::{self, Write};

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::json;
use serde_json::value::RawValue;

/// Members of a tool that are long, and rarely looked at.
const SCHEMAS: [&str; 2] = ["inputSchema", "outputSchema"];

/// What V8 parses as fast as it makes a member that is parsed later, in bytes.
const SHORT: usize = 512;

/// Tools as the server sent them.
#[derive(Debug, Clone)]
pub struct RawTools {
    outline: String,
    schemas: String,
    count: usize,
}

impl Default for RawTools {
    fn default() -> Self {
        Self {
            outline: "[]".to_owned(),
            schemas: String::new(),
            count: 0,
        }
    }
}

impl RawTools {
    /// A JSON array of the tools. In place of a long schema is `[start, end]`: where it is in [`RawTools::schemas`].
    #[must_use]
    pub fn outline(&self) -> &str {
        &self.outline
    }

    /// The JSON texts of long schemas. ASCII, so that places in it are the same in bytes and in UTF-16.
    #[must_use]
    pub fn schemas(&self) -> &str {
        &self.schemas
    }

    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// A schema, of what the outline has in its place.
    #[must_use]
    pub fn schema<'a>(&'a self, outlined: &'a RawValue) -> Option<&'a str> {
        match serde_json::from_str::<(usize, usize)>(outlined.get()) {
            Ok((start, end)) => self.schemas.get(start..end),
            Err(_) => Some(outlined.get()),
        }
    }

    /// Adds what a server sent as a tool.
    pub fn push(&mut self, tool: &RawValue) {
        self.outline.pop();
        if self.count > 0 {
            self.outline.push(',');
        }
        match members(tool) {
            Some(members) => self.push_members(&members),
            None => self.outline.push_str(tool.get()),
        }
        self.outline.push(']');
        self.count += 1;
    }

    fn push_members(&mut self, members: &[(Cow<'_, str>, &RawValue)]) {
        self.outline.push('{');
        for (index, (name, value)) in members.iter().enumerate() {
            if index > 0 {
                self.outline.push(',');
            }
            match name {
                // As it was sent, without anything to escape.
                Cow::Borrowed(name) => self.outline.extend(["\"", name, "\""]),
                Cow::Owned(name) => self.outline.push_str(&json!(name).to_string()),
            }
            self.outline.push(':');
            let is_schema = SCHEMAS.contains(&name.as_ref());
            if is_schema && (value.get().len() > SHORT || value.get().starts_with('[')) {
                let start = self.schemas.len();
                push_ascii(&mut self.schemas, value.get());
                // Writing to a string cannot fail.
                let _ = write!(self.outline, "[{start},{}]", self.schemas.len());
            } else {
                self.outline.push_str(value.get());
            }
        }
        self.outline.push('}');
    }
}

/// `None` for what is no object.
fn members(tool: &RawValue) -> Option<Vec<(Cow<'_, str>, &RawValue)>> {
    /// `Cow` alone is never borrowed.
    #[derive(Deserialize)]
    struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

    struct Members;

    impl<'de> Visitor<'de> for Members {
        type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::with_capacity(8);
            while let Some(Name(name)) = access.next_key()? {
                members.push((name, access.next_value()?));
            }
            Ok(members)
        }
    }

    serde_json::Deserializer::from_str(tool.get())
        .deserialize_map(Members)
        .ok()
}

/// The same JSON. Characters that are not ASCII are only in texts, where they may be escaped.
fn push_ascii(into: &mut String, json: &str) {
    if json.is_ascii() {
        into.push_str(json);
        return;
    }
    for character in json.chars() {
        if character.is_ascii() {
            into.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(into, "\\u{unit:04x}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tools(texts: &[&str]) -> RawTools {
        let mut tools = RawTools::default();
        for text in texts {
            tools.push(serde_json::from_str(text).expect("JSON"));
        }
        tools
    }

    #[test]
    fn long_schemas_are_apart() {
        assert_eq!(tools(&[]).outline(), "[]");
        let long = format!(r#"{{"a":"ü😀{}"}}"#, "x".repeat(SHORT));
        let found = tools(&[
            &format!(
                r#"{{ "name": "ü", "inputSchema": {long}, "x": [1, {{"inputSchema": 2}}], "outputSchema": null }}"#
            ),
            r#"{"name":"bare"}"#,
            "{}",
            r#""no tool""#,
            r#"[{"inputSchema":{}}]"#,
            "null",
            r#"{"input\u0053chema":[5],"a\"b":1}"#,
        ]);
        let end = long.len() - "ü😀".len() + r"\u00fc\ud83d\ude00".len();
        let expected = [
            &format!(
                r#"{{"name":"ü","inputSchema":[0,{end}],"x":[1, {{"inputSchema": 2}}],"outputSchema":null}}"#
            ),
            r#"{"name":"bare"}"#,
            "{}",
            r#""no tool""#,
            r#"[{"inputSchema":{}}]"#,
            "null",
            &format!(r#"{{"inputSchema":[{end},{}],"a\"b":1}}"#, end + 3),
        ];
        assert_eq!(found.outline(), format!("[{}]", expected.join(",")));
        assert_eq!(found.count(), 7);
        let schema = |outlined: &str| {
            let raw: &RawValue = serde_json::from_str(outlined).expect("JSON");
            found.schema(raw).map(str::to_owned)
        };
        let escaped = long.replace('ü', r"\u00fc").replace('😀', r"\ud83d\ude00");
        assert_eq!(schema(&format!("[0,{end}]")), Some(escaped));
        assert_eq!(
            schema(r#"{"type":"object"}"#).as_deref(),
            Some(r#"{"type":"object"}"#)
        );
    }
}
