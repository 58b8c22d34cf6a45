//! Problems on their way together, the checks that all members share, and what a schema makes of a config.

use std::mem;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use super::super::environment;
use crate::environment::Environment;

/// One problem, with the path to the member that has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issue {
    pub path: Vec<PathPart>,
    pub message: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PathPart {
    Member(String),
    Index(usize),
}

pub(super) struct Report<'e> {
    path: Vec<PathPart>,
    issues: Vec<Issue>,
    environment: &'e Environment,
    /// The members that the schema asked for, of the object that is looked at: the others are stripped.
    parsed: Map<String, Value>,
    /// What the last check made of its value, where that is not the value itself.
    made: Option<Value>,
}

impl<'e> Report<'e> {
    pub fn new(environment: &'e Environment) -> Self {
        Self {
            path: Vec::new(),
            issues: Vec::new(),
            environment,
            parsed: Map::new(),
            made: None,
        }
    }

    /// The members that the schema knows, or what is wrong with them.
    pub fn finish(self) -> Result<Map<String, Value>, Vec<Issue>> {
        if self.issues.is_empty() {
            Ok(self.parsed)
        } else {
            Err(self.issues)
        }
    }

    /// A member that the config does not have.
    pub fn default(&mut self, name: &str, value: &str) {
        let entry = self.parsed.entry(name);
        entry.or_insert_with(|| value.into());
    }

    /// Members that the schema did not ask for.
    pub fn no_others(&mut self, members: &Map<String, Value>) {
        for name in members.keys() {
            if !self.parsed.contains_key(name) {
                self.at(PathPart::Member(name.clone()), |report| {
                    report.issue(format!("Unrecognized key(s) in object: '{name}'"));
                });
            }
        }
    }

    /// Keeps what is known of the members, and not what was wrong with them.
    pub fn forget_issues(&mut self) {
        self.issues.clear();
    }

    pub fn extend(&mut self, issues: &[Issue]) {
        self.issues.extend_from_slice(issues);
    }

    pub fn issue(&mut self, message: impl Into<String>) {
        self.issues.push(Issue {
            path: self.path.clone(),
            message: message.into(),
        });
    }

    pub fn wrong_type(&mut self, expected: &str, value: &Value) {
        self.issue(format!("Expected {expected}, received {}", received(value)));
    }

    pub fn at(&mut self, part: PathPart, check: impl FnOnce(&mut Self)) {
        self.path.push(part);
        check(self);
        self.path.pop();
    }

    pub fn at_path(&mut self, path: &[String], check: impl FnOnce(&mut Self)) {
        let outer = self.path.len();
        let parts = path.iter().cloned().map(PathPart::Member);
        self.path.extend(parts);
        check(self);
        self.path.truncate(outer);
    }

    /// A member that may be absent. `null` is not absent.
    pub fn member(
        &mut self,
        members: &Map<String, Value>,
        name: &str,
        check: impl FnOnce(&mut Self, &Value),
    ) {
        if let Some(value) = members.get(name) {
            self.at(PathPart::Member(name.to_owned()), |report| {
                check(report, value);
            });
            let made = self.made.take().unwrap_or_else(|| value.clone());
            self.parsed.insert(name.to_owned(), made);
        }
    }

    pub fn required(
        &mut self,
        members: &Map<String, Value>,
        name: &str,
        check: impl FnOnce(&mut Self, &Value),
    ) {
        if members.contains_key(name) {
            self.member(members, name, check);
        } else {
            self.at(PathPart::Member(name.to_owned()), |report| {
                report.issue("Required");
            });
        }
    }

    pub fn object(&mut self, value: &Value, check: impl FnOnce(&mut Self, &Map<String, Value>)) {
        match value {
            Value::Object(members) => {
                let outer = mem::take(&mut self.parsed);
                check(self, members);
                let parsed = mem::replace(&mut self.parsed, outer);
                self.made = Some(Value::Object(parsed));
            }
            _ => self.wrong_type("object", value),
        }
    }

    /// An object with any names and values of one kind.
    pub fn record(&mut self, value: &Value, check: impl Fn(&mut Self, &Value)) {
        self.object(value, |report, members| {
            for name in members.keys() {
                report.member(members, name, &check);
            }
            // As the schemas' library leaves it out: assigned to an object it would become its prototype.
            report.parsed.shift_remove("__proto__");
        });
    }

    pub fn texts(&mut self, value: &Value) {
        self.record(value, Self::is_text);
    }

    pub fn list(&mut self, value: &Value) {
        let Value::Array(items) = value else {
            self.wrong_type("array", value);
            return;
        };
        for (index, item) in items.iter().enumerate() {
            self.at(PathPart::Index(index), |report| report.is_text(item));
        }
    }

    pub fn text<'v>(&mut self, value: &'v Value) -> Option<&'v str> {
        if let Value::String(text) = value {
            return Some(text);
        }
        self.wrong_type("string", value);
        None
    }

    pub fn is_text(&mut self, value: &Value) {
        self.text(value);
    }

    pub fn non_empty_text(&mut self, value: &Value) {
        if self.text(value).is_some_and(str::is_empty) {
            self.issue("String must contain at least 1 character(s)");
        }
    }

    pub fn is_flag(&mut self, value: &Value) {
        if !value.is_boolean() {
            self.wrong_type("boolean", value);
        }
    }

    pub fn one_of(&mut self, value: &Value, allowed: &[&str]) {
        let allowed_is = |report: &mut Self, shown: String| {
            let names: Vec<_> = allowed.iter().map(|name| format!("'{name}'")).collect();
            let names = names.join(" | ");
            report.issue(format!(
                "Invalid enum value. Expected {names}, received {shown}"
            ));
        };
        match value.as_str() {
            Some(text) if allowed.contains(&text) => {}
            Some(text) => allowed_is(self, format!("'{text}'")),
            None => allowed_is(self, received(value).to_owned()),
        }
    }

    /// A whole number from `least` on.
    pub fn whole(&mut self, value: &Value, least: f64) {
        let Some(number) = value.as_f64() else {
            self.wrong_type("number", value);
            return;
        };
        if number.fract() != 0.0 {
            self.issue("Expected integer, received float");
        }
        if number < least {
            self.issue(format!("Number must be greater than or equal to {least}"));
        }
    }

    /// A member that this author may not set.
    pub fn never(&mut self, value: &Value) {
        self.wrong_type("never", value);
    }

    /// A URL of an administrator's, with its variables filled in.
    pub fn admin_url(&mut self, text: &str) -> Option<Url> {
        let text = self.expanded(text);
        self.url(&text)
    }

    /// A text with its variables filled in, which is what the config holds from then on.
    pub fn expanded(&mut self, text: &str) -> String {
        let text = environment::expand(text, self.environment).into_owned();
        self.made = Some(Value::String(text.clone()));
        text
    }

    /// A URL of a user's, which must not reach into the environment.
    pub fn user_url(&mut self, text: &str) -> Option<Url> {
        if has_reference(text) {
            self.issue("Environment variable references are not allowed in URLs");
            return None;
        }
        self.url(text)
    }

    fn url(&mut self, text: &str) -> Option<Url> {
        let url = Url::parse(text).ok();
        if url.is_none() {
            self.issue("Invalid url");
        }
        url
    }
}

/// `/\$\{[^}]+\}/`
fn has_reference(text: &str) -> bool {
    text.match_indices("${").any(|(at, _)| {
        let rest = &text[at + 2..];
        rest.find('}').is_some_and(|end| end > 0)
    })
}

/// The type of a value, in the schemas' words.
pub(super) fn received(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
