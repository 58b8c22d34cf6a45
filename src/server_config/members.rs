//! Typed reading of a config's JSON members. `null` is as good as absent.

use std::time::Duration;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::text::js_string;
use crate::error::{Error, Result};
use crate::settings;

/// A list: configs have few members, and each is looked up once.
pub(super) struct Members(Vec<(String, Value)>);

impl Members {
    pub(super) fn new(members: Map<String, Value>) -> Self {
        Self(members.into_iter().collect())
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        let index = self.0.iter().position(|(known, _)| known == name)?;
        let (_, value) = self.0.swap_remove(index);
        Some(value).filter(|value| !value.is_null())
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong_type(name, "a string")),
        }
    }

    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(wrong_type(name, "a boolean")),
        }
    }

    /// A time to wait, in milliseconds. 0 means the default, as in the reference.
    pub(super) fn timeout(&mut self, name: &str) -> Result<Option<Duration>> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let timeout = value
            .as_f64()
            .and_then(settings::duration)
            .ok_or_else(|| wrong_type(name, "a non-negative number of milliseconds"))?;
        Ok((!timeout.is_zero()).then_some(timeout))
    }

    pub(super) fn object(&mut self, name: &str) -> Result<Option<Map<String, Value>>> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Object(object)) => Ok(Some(object)),
            Some(_) => Err(wrong_type(name, "an object")),
        }
    }

    pub(super) fn texts(&mut self, name: &str) -> Result<IndexMap<String, String>> {
        let entries = self.object(name)?.unwrap_or_default();
        entries
            .into_iter()
            .map(|(key, value)| {
                let text = scalar(value)
                    .ok_or_else(|| wrong_type(&format!("{name}.{key}"), "a string"))?;
                Ok((key, text))
            })
            .collect()
    }

    pub(super) fn list(&mut self, name: &str) -> Result<Vec<String>> {
        let items = match self.take(name) {
            None => return Ok(Vec::new()),
            Some(Value::Array(items)) => items,
            Some(_) => return Err(wrong_type(name, "an array of strings")),
        };
        items
            .into_iter()
            .enumerate()
            .map(|(index, item)| {
                scalar(item).ok_or_else(|| wrong_type(&format!("{name}[{index}]"), "a string"))
            })
            .collect()
    }

    /// An identifier that may be a string, `MongoDB`'s `{"$oid": …}`, or anything else that is not empty.
    pub(super) fn id(&mut self, name: &str) -> Option<String> {
        let value = self.take(name)?;
        let text = value
            .get("$oid")
            .and_then(Value::as_str)
            .map_or_else(|| js_string(&value), str::to_owned);
        // As in JavaScript, an object is something even where its text is empty.
        Some(text).filter(|text| !text.is_empty() || value.is_array())
    }
}

/// Numbers and flags are written without quotes in YAML (`PORT: 8080`); `LibreChat` takes them as text.
fn scalar(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(_) | Value::Bool(_) => Some(js_string(&value)),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

pub(super) fn wrong_type(member: &str, expected: &str) -> Error {
    Error::invalid_config(format!(
        "Invalid MCP server config: `{member}` must be {expected}"
    ))
}
