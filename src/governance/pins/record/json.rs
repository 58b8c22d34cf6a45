//! Tools and their definitions as JSON: what the record has, and what `getToolPins` says.

use serde_json::{Map, Value};

use super::{Tool, Version};
use crate::governance::pins::diff::{Difference, diff};

impl Tool {
    pub(super) fn state(&self, name: &str) -> Value {
        let (before, pending) = (self.approved.last(), self.pending.last());
        let state = match (before, pending) {
            (Some(_), Some(_)) => "changed",
            (None, _) => "new",
            _ if self.is_removed => "removed",
            _ => "approved",
        };
        let mut object = Map::new();
        let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
        put("name", name.into());
        put("state", state.into());
        let now = pending.or(before);
        put(
            "hash",
            now.map_or(Value::Null, |it| it.hash.as_str().into()),
        );
        if let (Some(before), Some(_)) = (before, pending) {
            put("approvedHash", before.hash.as_str().into());
        }
        if let Some(pending) = pending {
            let all = diff(before.map_or("{}", |it| &it.text), &pending.text);
            let found = all.found.into_iter().map(Difference::into_value);
            put("diff", found.collect());
            if all.is_partial {
                put("diffIsPartial", true.into());
            }
        }
        if let Some(before) = before {
            put("approvedBy", before.by.as_str().into());
        }
        let findings = now.map_or(&[][..], |it| &it.findings);
        put("findings", findings.iter().map(String::as_str).collect());
        Value::Object(object)
    }
}

impl Difference {
    fn into_value(self) -> Value {
        let mut object = Map::new();
        object.insert("path".to_owned(), self.path.into());
        object.insert("before".to_owned(), self.before.into());
        object.insert("after".to_owned(), self.after.into());
        Value::Object(object)
    }
}

impl Version {
    pub(super) fn read(value: &Value) -> Option<Self> {
        let text = |name| value.get(name)?.as_str().map(str::to_owned);
        Some(Self {
            hash: text("hash")?,
            text: text("definition")?,
            at: value.get("at")?.as_i64()?,
            by: text("by")?,
            findings: Self::texts(value.get("findings")?)?,
        })
    }

    pub(super) fn write(&self) -> Value {
        let mut object = Map::new();
        object.insert("hash".to_owned(), self.hash.as_str().into());
        object.insert("definition".to_owned(), self.text.as_str().into());
        object.insert("at".to_owned(), self.at.into());
        object.insert("by".to_owned(), self.by.as_str().into());
        let findings = self.findings.iter().map(String::as_str).collect();
        object.insert("findings".to_owned(), findings);
        Value::Object(object)
    }

    pub(super) fn texts(list: &Value) -> Option<Vec<String>> {
        let texts = list.as_array()?.iter();
        texts.map(|it| it.as_str().map(str::to_owned)).collect()
    }
}
