//! What of a tool is approved: all that a model or a client acts on.

use std::fmt::Write;

use ring::digest::{SHA256, digest};
use serde_json::value::RawValue;

use super::scan::scan;
use crate::governance::canonical::canonical;
use crate::hex;
use crate::tools::{members, name_among};

/// Members that count. Of `_meta` only those do that name apps: what vendors put there changes from day to day.
const MEMBERS: [&str; 7] = [
    "name",
    "title",
    "description",
    "inputSchema",
    "outputSchema",
    "annotations",
    "execution",
];
const META: &str = "_meta";
/// Hosts look for an app in the second where the first names none.
const APPS: [&str; 2] = ["ui", "ui/resourceUri"];
/// What a hash of a canonical text begins with. No other can be approved.
pub const HASH: &str = "sha256:";
/// The finding of a definition that readers may read in different ways.
const AMBIGUOUS: &str = "ambiguous-json";

/// A tool as a server has listed it.
pub struct Definition {
    pub name: String,
    pub hash: String,
    /// The canonical form. Empty where there is none.
    pub text: String,
}

impl Definition {
    /// `None` for what is no tool.
    pub fn of(tool: &RawValue) -> Option<Self> {
        let all = members(tool)?;
        let name = name_among(&all)?.into_owned();
        let mut json = String::from("{");
        let mut push = |name: &str, value: &str| {
            let comma = if json.len() > 1 { "," } else { "" };
            // Writing to a string cannot fail.
            let _ = write!(json, "{comma}\"{name}\":{value}");
        };
        // Of two only one is read, and readers do not agree on which.
        let has_two = all.iter().filter(|(member, _)| member == META).count() > 1;
        for (member, value) in &all {
            if MEMBERS.contains(&member.as_ref()) {
                push(member, value.get());
            } else if member == META {
                let apps = apps_of(value);
                if has_two || apps != "{}" {
                    push(META, &apps);
                }
            }
        }
        json.push('}');
        let hashed = |text: &str| hex::encode(digest(&SHA256, text.as_bytes()).as_ref());
        Some(match canonical(&json) {
            Some(text) => Self {
                name,
                hash: format!("{HASH}{}", hashed(&text)),
                text,
            },
            None => Self {
                name,
                hash: format!("raw:{}", hashed(&json)),
                text: String::new(),
            },
        })
    }

    pub fn findings(&self) -> Vec<&'static str> {
        if self.text.is_empty() {
            return vec![AMBIGUOUS];
        }
        scan(&self.text)
    }
}

/// What of `_meta` names apps: all of it where its members have names that only some readers can read.
fn apps_of(meta: &RawValue) -> String {
    let Some(all) = members(meta) else {
        let is_object = meta.get().starts_with('{');
        return if is_object { meta.get() } else { "{}" }.to_owned();
    };
    let mut shown = Vec::new();
    for (name, value) in &all {
        if APPS.contains(&name.as_ref()) {
            shown.push(format!("\"{name}\":{}", value.get()));
        }
    }
    format!("{{{}}}", shown.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(tool: &str) -> Definition {
        Definition::of(serde_json::from_str(tool).unwrap()).unwrap()
    }

    #[test]
    fn what_counts() {
        let plain =
            of(r#"{"name":"a","description":"b","inputSchema":{"type":"object","x":[1,2]}}"#);
        assert!(plain.hash.starts_with(HASH));
        for same in [
            r#"{ "inputSchema": {"x":[1.0,2], "type":"object"}, "description":"\u0062", "name":"a" }"#,
            r#"{"name":"a","description":"b","inputSchema":{"type":"object","x":[1,2]},"icons":[],"_meta":{"vendor":1}}"#,
        ] {
            assert_eq!(of(same).hash, plain.hash, "{same}");
        }
        for other in [
            r#"{"name":"a","description":"c","inputSchema":{"type":"object","x":[1,2]}}"#,
            r#"{"name":"a","description":"b","inputSchema":{"type":"object","x":[2,1]}}"#,
            r#"{"name":"a","description":"b","inputSchema":{"type":"object","x":[1,2]},"annotations":{}}"#,
            r#"{"name":"a","description":"b","inputSchema":{"type":"object","x":[1,2]},"_meta":{"ui":{}}}"#,
            r#"{"name":"a","description":"b","inputSchema":{"type":"object","x":[1,2]},"_meta":{"ui\/resourceUri":"ui://a"}}"#,
        ] {
            assert_ne!(of(other).hash, plain.hash, "{other}");
        }
        assert!(Definition::of(serde_json::from_str(r#"{"title":"a"}"#).unwrap()).is_none());
    }

    #[test]
    fn what_can_be_read_in_two_ways_has_no_hash() {
        for tool in [
            r#"{"name":"a","description":"good","description":"bad"}"#,
            r#"{"name":"a","_meta":{"ui":1},"_meta":{"ui":2}}"#,
            r#"{"name":"a","_meta":{"ui":1},"_meta":{}}"#,
            r#"{"name":"a","_meta":{"ui/resourceUri":1,"ui/resourceUri":2}}"#,
            r#"{"name":"a","_meta":{"\ud800":1,"ui":1}}"#,
            r#"{"name":"a","inputSchema":{"a":{"b":1,"b":2}}}"#,
            r#"{"name":"a","description":"\udc00"}"#,
        ] {
            let definition = of(tool);
            assert!(definition.hash.starts_with("raw:"), "{tool}");
            assert_eq!(definition.findings(), [AMBIGUOUS]);
        }
    }
}
