//! The text of a server's tools, with long schemas apart: JavaScript builds such a schema when somebody looks at it,
//! which for most of a long list never happens.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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
    hidden: Vec<String>,
    number: Option<u64>,
}

impl Default for RawTools {
    fn default() -> Self {
        Self {
            outline: "[]".to_owned(),
            schemas: String::new(),
            count: 0,
            hidden: Vec::new(),
            number: None,
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

    /// What tells these tools from all others, where several calls are given them.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        self.number
    }

    /// For tools that several calls are to be given. They lose it with the next change.
    pub fn give_number(&mut self) {
        static LAST: AtomicU64 = AtomicU64::new(0);
        self.number = Some(LAST.fetch_add(1, Ordering::Relaxed));
    }

    /// A schema, of what the outline has in its place.
    #[must_use]
    pub fn schema<'a>(&'a self, outlined: &'a RawValue) -> Option<&'a str> {
        match serde_json::from_str::<(usize, usize)>(outlined.get()) {
            Ok((start, end)) => self.schemas.get(start..end),
            Err(_) => Some(outlined.get()),
        }
    }

    /// Adds what a server sent as a tool. `false` where it is none: no object, or without a name.
    pub fn push(&mut self, tool: &RawValue) -> bool {
        let Some((members, name)) = members(tool).and_then(|members| {
            let name = name_among(&members)?;
            Some((members, name))
        }) else {
            return false;
        };
        if is_hidden_from_models(&members) {
            self.hidden.push(name.into_owned());
        }
        self.number = None;
        self.outline.pop();
        if self.count > 0 {
            self.outline.push(',');
        }
        self.push_members(&members);
        self.outline.push(']');
        self.count += 1;
        true
    }

    /// Of several tools with one name the first stays.
    pub fn retain_first_of_each_name(&mut self) {
        let mut names = HashSet::new();
        self.retain(|name| names.insert(name));
    }

    /// Names of tools that the server keeps from models: they are for the apps that it brings (MCP Apps).
    #[must_use]
    pub fn hidden_from_models(&self) -> &[String] {
        &self.hidden
    }

    /// Without the tools that are hidden from models. Of several tools with one name none is left where one is hidden.
    #[must_use]
    pub fn for_models(self: &Arc<Self>) -> Arc<Self> {
        if self.hidden.is_empty() {
            return Arc::clone(self);
        }
        let mut shown = self.as_ref().clone();
        let hidden: HashSet<_> = shown.hidden.drain(..).collect();
        shown.retain(|name| !hidden.contains(&name));
        Arc::new(shown)
    }

    fn retain(&mut self, mut keeps: impl FnMut(String) -> bool) {
        let tools: Vec<&RawValue> = serde_json::from_str(&self.outline).unwrap_or_default();
        let name = |tool: &RawValue| name_among(&members(tool)?).map(Cow::into_owned);
        let kept = tools
            .iter()
            .filter(|tool| name(tool).is_some_and(&mut keeps));
        let kept: Vec<_> = kept.map(|tool| tool.get()).collect();
        self.number = None;
        self.count = kept.len();
        self.outline = format!("[{}]", kept.join(","));
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

/// Of several members with one name the last counts, as in JavaScript.
#[must_use]
pub fn member<'a>(members: &[(Cow<'_, str>, &'a RawValue)], name: &str) -> Option<&'a RawValue> {
    let named = members.iter().rev().find(|(member, _)| member == name);
    named.map(|(_, value)| *value)
}

/// The name of a tool. `None` where there is none, or one that is no Unicode text.
#[must_use]
pub fn name_among<'a>(members: &[(Cow<'_, str>, &'a RawValue)]) -> Option<Cow<'a, str>> {
    let Name(name) = serde_json::from_str(member(members, "name")?.get()).ok()?;
    Some(name)
}

/// Whether `_meta.ui.visibility` is a list without `model` (MCP Apps, "Visibility"). Absent, a tool is for models and apps.
fn is_hidden_from_models(tool: &[(Cow<'_, str>, &RawValue)]) -> bool {
    let visibility = member(tool, "_meta")
        .and_then(|meta| member(&members(meta)?, "ui"))
        .and_then(|ui| member(&members(ui)?, "visibility"));
    let scopes = visibility.and_then(|it| serde_json::from_str::<Vec<&RawValue>>(it.get()).ok());
    let is_model = |scope: &&RawValue| {
        serde_json::from_str::<Name<'_>>(scope.get()).is_ok_and(|Name(scope)| scope == "model")
    };
    scopes.is_some_and(|scopes| !scopes.iter().any(is_model))
}

/// `Cow` alone is never borrowed.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// `None` for what is no object.
#[must_use]
pub fn members(tool: &RawValue) -> Option<Vec<(Cow<'_, str>, &RawValue)>> {
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

    fn raw(text: &str) -> &RawValue {
        serde_json::from_str(text).expect("JSON")
    }

    fn tools(texts: &[&str]) -> RawTools {
        let mut tools = RawTools::default();
        for text in texts {
            assert!(tools.push(raw(text)), "{text}");
        }
        tools
    }

    #[test]
    fn what_has_no_name_is_no_tool() {
        let mut found = tools(&[r#"{"name":""}"#]);
        for text in [
            "null",
            "{}",
            "7",
            r#""echo""#,
            r#"["name"]"#,
            r#"{"name":null}"#,
            r#"{"name":{"name":"x"}}"#,
            r#"{"name":"\ud800"}"#,
        ] {
            assert!(!found.push(raw(text)), "{text}");
        }
        assert_eq!(found.outline(), r#"[{"name":""}]"#);
        assert_eq!(found.count(), 1);
    }

    #[test]
    fn the_first_of_each_name_stays() {
        let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(SHORT));
        let mut found = tools(&[
            r#"{"name":"a","v":1}"#,
            &format!(r#"{{"name":"b","inputSchema":{long}}}"#),
            r#"{"name":"\u0061","v":2}"#,
            r#"{"name":"c"}"#,
        ]);
        found.retain_first_of_each_name();
        let end = long.len();
        let expected = format!(
            r#"[{{"name":"a","v":1}},{{"name":"b","inputSchema":[0,{end}]}},{{"name":"c"}}]"#
        );
        assert_eq!(found.outline(), expected);
        assert_eq!(found.count(), 3);
        let mut none = RawTools::default();
        none.retain_first_of_each_name();
        assert_eq!(none.outline(), "[]");
    }

    #[test]
    fn what_models_do_not_see() {
        let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(SHORT));
        let tool = |name: &str, meta: &str| format!(r#"{{"name":"{name}","_meta":{meta}}}"#);
        let seen = [
            r#"{"name":"plain"}"#.to_owned(),
            tool("both", r#"{"ui":{"visibility":["app","mod\u0065l"]}}"#),
            tool("no list", r#"{"ui":{"visibility":"app"}}"#),
            tool("last", r#"{"ui":{"visibility":[]},"ui":{}}"#),
            tool("null", "null"),
            format!(r#"{{"name":"long","inputSchema":{long}}}"#),
        ];
        let hidden = [
            tool("app", r#"{"ui":{"visibility":["app"]}}"#),
            tool("none", r#"{"ui":{"visibility":[]}}"#),
            tool("odd", r#"{"ui":{"visibility":[7,null,["model"]]}}"#),
            r#"{"name":"app"}"#.to_owned(),
        ];
        let all = hidden.iter().chain(&seen).map(String::as_str);
        let all = Arc::new(tools(&all.collect::<Vec<_>>()));
        assert_eq!(all.hidden_from_models(), ["app", "none", "odd"]);
        let shown = all.for_models();
        let expected = tools(&seen.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(shown.outline(), expected.outline());
        assert_eq!(shown.schemas(), expected.schemas());
        assert_eq!(shown.count(), seen.len());
        assert!(Arc::ptr_eq(&shown, &shown.for_models()));
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
            r#"{"na\u006de":"a","input\u0053chema":[5],"a\"b":1}"#,
        ]);
        let end = long.len() - "ü😀".len() + r"\u00fc\ud83d\ude00".len();
        let expected = [
            &format!(
                r#"{{"name":"ü","inputSchema":[0,{end}],"x":[1, {{"inputSchema": 2}}],"outputSchema":null}}"#
            ),
            r#"{"name":"bare"}"#,
            &format!(
                r#"{{"name":"a","inputSchema":[{end},{}],"a\"b":1}}"#,
                end + 3
            ),
        ];
        assert_eq!(found.outline(), format!("[{}]", expected.join(",")));
        assert_eq!(found.count(), 3);
        let schema = |outlined: &str| found.schema(raw(outlined)).map(str::to_owned);
        let escaped = long.replace('ü', r"\u00fc").replace('😀', r"\ud83d\ude00");
        assert_eq!(schema(&format!("[0,{end}]")), Some(escaped));
        assert_eq!(
            schema(r#"{"type":"object"}"#).as_deref(),
            Some(r#"{"type":"object"}"#)
        );
    }
}
