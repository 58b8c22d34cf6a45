//! Problems on their way together, and the checks that all members share.

use serde::Serialize;
use serde_json::{Map, Value};
use url::Url;

use super::super::environment;
use crate::host::Environment;

/// One problem, with the path to the member that has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Issue {
    pub path: Vec<PathPart>,
    pub message: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum PathPart {
    Member(String),
    Index(usize),
}

pub(super) struct Report<'e> {
    path: Vec<PathPart>,
    issues: Vec<Issue>,
    environment: &'e Environment,
}

impl<'e> Report<'e> {
    pub fn new(environment: &'e Environment) -> Self {
        Self {
            path: Vec::new(),
            issues: Vec::new(),
            environment,
        }
    }

    pub fn finish(self) -> Vec<Issue> {
        self.issues
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

    fn at(&mut self, part: PathPart, check: impl FnOnce(&mut Self)) {
        self.path.push(part);
        check(self);
        self.path.pop();
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
        }
    }

    pub fn required(
        &mut self,
        members: &Map<String, Value>,
        name: &str,
        check: impl FnOnce(&mut Self, &Value),
    ) {
        self.at(PathPart::Member(name.to_owned()), |report| {
            match members.get(name) {
                Some(value) => check(report, value),
                None => report.issue("Required"),
            }
        });
    }

    pub fn object(&mut self, value: &Value, check: impl FnOnce(&mut Self, &Map<String, Value>)) {
        match value {
            Value::Object(members) => check(self, members),
            _ => self.wrong_type("object", value),
        }
    }

    /// An object with any names and values of one kind.
    pub fn record(&mut self, value: &Value, check: impl Fn(&mut Self, &Value)) {
        self.object(value, |report, members| {
            for (name, value) in members {
                report.at(PathPart::Member(name.clone()), |report| {
                    check(report, value);
                });
            }
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
        self.parsed(&environment::expand(text, self.environment))
    }

    /// A URL of a user's, which must not reach into the environment.
    pub fn user_url(&mut self, text: &str) -> Option<Url> {
        if has_reference(text) {
            self.issue("Environment variable references are not allowed in URLs");
            return None;
        }
        self.parsed(text)
    }

    fn parsed(&mut self, text: &str) -> Option<Url> {
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
