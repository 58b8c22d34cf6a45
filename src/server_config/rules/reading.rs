//! Reading the rules, out of a config or of `mcpSettings`. What is misspelt is an error: it would be a rule that does not hold.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::super::problem::{Checked, Members, Problem, present, problem};
use super::{CallLimits, Overflow, Pinning, Rate, ToolFilter, ToolRules};

const MOST_GLOBS: usize = 256;
const LONGEST_GLOB: usize = 256;
/// Room for what tells a model that a result was cut, and where the rest of it is. Less is meant to be kilobytes.
const LEAST_RESULT: u64 = 1024;

const TOOLS: &str = "must be an object with `allow` or `deny`, for example { deny: ['delete_*'] }";
const LIMITS: &str = "must be an object with `perUser`, `perServer`, `concurrency` or `queue`, for example { perUser: 60/m }";
const GLOBS: &str = "must be a list of globs, for example ['issue_*', get_me]";
const RATE: &str = "must be a number of calls, a slash, and one of s, m, h and d, for example 60/m";

impl ToolRules {
    /// Reads one of [`ToolRules::MEMBERS`]; the path of what is wrong begins with it. `null` is as good as absent.
    pub(in super::super) fn read(&mut self, name: &str, value: &Value) -> Checked {
        if value.is_null() {
            return Ok(());
        }
        match name {
            "tools" => self.tools = Some(Arc::new(filter(value)?)),
            "pinTools" => self.pins = Some(pinning(value)?),
            "limits" => self.limits = Some(limits(value)?),
            "maxResultBytes" => {
                let bytes = whole(value, &[name], LEAST_RESULT, usize::MAX as u64)?;
                self.max_result_bytes = usize::try_from(bytes).ok().and_then(NonZeroUsize::new);
            }
            _ => self.overflow = Some(overflow(value)?),
        }
        Ok(())
    }
}

/// `tools` without globs is none: what was left out is told, since it may have been meant to be an empty list.
fn filter(value: &Value) -> Result<ToolFilter, Problem> {
    let members = object(value, "tools", &["allow", "deny"], TOOLS)?;
    let allow = globs(members, "allow")?;
    let deny = globs(members, "deny")?;
    Ok(ToolFilter {
        allow,
        deny: deny.unwrap_or_default(),
    })
}

fn globs(members: &Members, name: &str) -> Result<Option<Vec<String>>, Problem> {
    let Some(value) = present(members, name) else {
        return Ok(None);
    };
    let wrong = |message: &str| problem(&["tools", name], message);
    let items = value.as_array().ok_or_else(|| wrong(GLOBS))?;
    if items.len() > MOST_GLOBS {
        return Err(wrong("must have no more than 256 globs"));
    }
    let mut globs = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let glob = item.as_str().unwrap_or_default();
        if glob.is_empty() || glob.chars().nth(LONGEST_GLOB).is_some() {
            let message = "must be a text of 1 to 256 characters, such as 'issue_*'";
            return Err(problem(&["tools", name, &index.to_string()], message));
        }
        globs.push(glob.to_owned());
    }
    Ok(Some(globs))
}

/// YAML 1.1 reads `off` as `false`.
fn pinning(value: &Value) -> Result<Pinning, Problem> {
    match value.as_str() {
        Some("off") => Ok(Pinning::Off),
        Some("warn") => Ok(Pinning::Warn),
        Some("block") => Ok(Pinning::Block),
        None if *value == Value::Bool(false) => Ok(Pinning::Off),
        _ => Err(problem(&["pinTools"], "must be off, warn or block")),
    }
}

fn overflow(value: &Value) -> Result<Overflow, Problem> {
    match value.as_str() {
        Some("error") => Ok(Overflow::Error),
        Some("cut") => Ok(Overflow::Cut),
        Some("resource") => Ok(Overflow::Resource),
        _ => Err(problem(&["overflow"], "must be error, cut or resource")),
    }
}

fn limits(value: &Value) -> Result<CallLimits, Problem> {
    let names = ["perUser", "perServer", "concurrency", "queue"];
    let members = object(value, "limits", &names, LIMITS)?;
    let rate = |name| {
        let value = present(members, name);
        let read = |value: &Value| rate(value).ok_or_else(|| problem(&["limits", name], RATE));
        value.map(read).transpose()
    };
    let number = |name, least| {
        let value = present(members, name);
        let read = |value| whole(value, &["limits", name], least, u32::MAX.into());
        let number = value.map(read).transpose()?;
        Ok::<_, Problem>(number.and_then(|number| u32::try_from(number).ok()))
    };
    Ok(CallLimits {
        per_user: rate("perUser")?,
        per_server: rate("perServer")?,
        concurrency: number("concurrency", 1)?,
        queue: number("queue", 0)?,
    })
}

/// `60/m`. None in so long is what `tools` is for.
fn rate(value: &Value) -> Option<Rate> {
    let (calls, unit) = value.as_str()?.split_once('/')?;
    let is_number = calls.bytes().all(|byte| byte.is_ascii_digit());
    let calls = calls.parse().ok().filter(|calls| is_number && *calls > 0)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86400,
        _ => return None,
    };
    let per = Duration::from_secs(seconds);
    Some(Rate { calls, per })
}

/// Numbers of JavaScript may come as `8.0`.
fn whole(value: &Value, path: &[&str], least: u64, most: u64) -> Result<u64, Problem> {
    let number = value.as_u64().or_else(|| {
        let number = value.as_f64().filter(|number| number.fract() == 0.0)?;
        format!("{number}").parse().ok()
    });
    number
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| problem(path, format!("must be a whole number from {least} on")))
}

/// An object with at least one of these members, and no others.
fn object<'v>(
    value: &'v Value,
    at: &str,
    names: &[&str],
    expected: &str,
) -> Result<&'v Members, Problem> {
    let members = value.as_object().ok_or_else(|| problem(&[at], expected))?;
    if let Some(name) = members.keys().find(|name| !names.contains(&name.as_str())) {
        let known = names.join("`, `");
        return Err(problem(
            &[at, name],
            format!("is not known; there are `{known}`"),
        ));
    }
    if !members.values().any(|value| !value.is_null()) {
        return Err(problem(&[at], expected));
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::testing::{config, members};
    use super::*;
    use crate::error::Code;
    use crate::server_config::ServerConfig;

    fn rules(value: Value) -> ToolRules {
        let config = config(value);
        config.rules.map(Arc::unwrap_or_clone).unwrap_or_default()
    }

    #[test]
    fn what_is_read() {
        let rules = rules(json!({
            "tools": { "allow": ["issue_*", "get_me"], "deny": ["issue_delete"] },
            "pinTools": "warn",
            "limits": { "perUser": "60/m", "perServer": "5/s", "concurrency": 8.0, "queue": 0 },
            "maxResultBytes": 1024,
            "overflow": "resource",
        }));
        let tools = rules.tools.unwrap();
        assert_eq!(tools.allow.as_deref().unwrap(), ["issue_*", "get_me"]);
        assert_eq!(tools.deny, ["issue_delete"]);
        assert!(rules.pins == Some(Pinning::Warn) && rules.overflow == Some(Overflow::Resource));
        let limits = rules.limits.unwrap();
        let rates = [limits.per_user, limits.per_server].map(Option::unwrap);
        let rates = rates.map(|rate| (rate.calls, rate.per.as_secs()));
        assert_eq!(rates, [(60, 60), (5, 1)]);
        assert_eq!((limits.concurrency, limits.queue), (Some(8), Some(0)));
        assert_eq!(rules.max_result_bytes.map(NonZeroUsize::get), Some(1024));
    }

    #[test]
    fn what_is_absent() {
        assert!(config(json!({})).rules.is_none());
        let nulls = ToolRules::MEMBERS.map(|name| (name.to_owned(), Value::Null));
        assert!(
            config(Value::Object(nulls.into_iter().collect()))
                .rules
                .is_none()
        );
        let half = rules(json!({ "tools": { "allow": [], "deny": null } }));
        assert_eq!(half.tools.unwrap().allow, Some(Vec::new()));
        assert!(rules(json!({ "pinTools": false })).pins == Some(Pinning::Off));
    }

    #[test]
    fn rules_are_an_operator_s() {
        let of = |more: Value| {
            let mut all = members(json!({ "url": "https://x/", "tools": { "alow": 1 } }));
            all.extend(members(more));
            ServerConfig::from_members(all)
        };
        for theirs in [
            json!({ "source": "user" }),
            json!({ "source": "plugin" }),
            json!({ "source": "odd" }),
            json!({ "dbId": "1" }),
            json!({ "dbId": "1", "source": "yaml" }),
        ] {
            assert!(of(theirs).unwrap().rules.is_none());
        }
        for ours in [
            json!({}),
            json!({ "source": "yaml" }),
            json!({ "source": "config" }),
        ] {
            assert_eq!(of(ours).unwrap_err().code, Code::InvalidConfig);
        }
    }

    #[test]
    fn what_is_wrong() {
        let long = "*".repeat(257);
        let many = vec!["a"; 257];
        for (value, path) in [
            (json!({ "tools": [] }), "tools"),
            (json!({ "tools": true }), "tools"),
            (json!({ "tools": "echo" }), "tools"),
            (json!({ "tools": {} }), "tools"),
            (json!({ "tools": { "allow": null } }), "tools"),
            (json!({ "tools": { "alow": ["a"] } }), "tools.alow"),
            (json!({ "tools": { "allow": ["a"], "": null } }), "tools."),
            (json!({ "tools": { "allow": "a" } }), "tools.allow"),
            (json!({ "tools": { "deny": ["a", ""] } }), "tools.deny.1"),
            (json!({ "tools": { "deny": [1] } }), "tools.deny.0"),
            (json!({ "tools": { "deny": [null] } }), "tools.deny.0"),
            (json!({ "tools": { "deny": [long] } }), "tools.deny.0"),
            (json!({ "tools": { "allow": many } }), "tools.allow"),
            (json!({ "pinTools": "on" }), "pinTools"),
            (json!({ "pinTools": true }), "pinTools"),
            (json!({ "limits": {} }), "limits"),
            (json!({ "limits": 5 }), "limits"),
            (json!({ "limits": { "queue": null } }), "limits"),
            (json!({ "limits": { "peruser": "1/s" } }), "limits.peruser"),
            (
                json!({ "limits": { "concurrency": 0 } }),
                "limits.concurrency",
            ),
            (
                json!({ "limits": { "concurrency": 1.5 } }),
                "limits.concurrency",
            ),
            (
                json!({ "limits": { "concurrency": "8" } }),
                "limits.concurrency",
            ),
            (json!({ "limits": { "queue": -1 } }), "limits.queue"),
            (
                json!({ "limits": { "queue": 4_294_967_296_u64 } }),
                "limits.queue",
            ),
            (json!({ "maxResultBytes": 1023 }), "maxResultBytes"),
            (json!({ "maxResultBytes": 1e300 }), "maxResultBytes"),
            (json!({ "maxResultBytes": "10k" }), "maxResultBytes"),
            (json!({ "overflow": "drop" }), "overflow"),
        ] {
            let error = ServerConfig::from_members(members(value.clone())).unwrap_err();
            let expected = format!("Invalid MCP server config: `{path}` ");
            assert!(error.message.starts_with(&expected), "{value}: {error}");
        }
        for rate in [
            "", "60", "60/", "/m", "60/m ", "+6/m", "-1/s", "0/s", "1.5/s", "6/min", "1/s/s",
        ] {
            let value = json!({ "limits": { "perUser": rate } });
            assert!(
                ServerConfig::from_members(members(value)).is_err(),
                "{rate}"
            );
        }
    }
}
