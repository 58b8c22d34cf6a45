//! The configuration between one change of its file and the next.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::config::Config;
use super::detections::Detections;
use super::inspections::Inspections;
use crate::server_config::{ServerConfig, ToolRules};

/// A configuration, and what was found out about its servers. A call sees one from its start to its end.
pub struct Edition {
    pub config: Config,
    pub detections: Detections,
    pub inspections: Inspections,
    /// Environment variables that the configuration names.
    pub variables: Vec<String>,
}

/// In what an edition differs from that before: names of servers, and whether the rules for all of them do.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Difference {
    pub added: Vec<String>,
    pub changed: Vec<String>,
    pub removed: Vec<String>,
    pub rules: bool,
    /// On which tools there are. Servers without such rules of their own are among the changed ones.
    pub listing: bool,
}

impl Edition {
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            variables: config.variables(),
            config,
            detections: Detections::default(),
            inspections: Inspections::default(),
        }
    }

    /// The edition after this. What was found out under the same rules of a server that is the same still counts.
    #[must_use]
    pub fn followed_by(&self, config: Config) -> (Self, Difference) {
        let (before_all, all) = (
            self.config.tool_rules.as_deref(),
            config.tool_rules.as_deref(),
        );
        let lists_otherwise = |own: Option<&ToolRules>| {
            ToolRules::listing(own, before_all) != ToolRules::listing(own, all)
        };
        let mut difference = Difference {
            rules: config.rules != self.config.rules,
            listing: lists_otherwise(None),
            ..Difference::default()
        };
        let mut same = Vec::new();
        for (name, members) in &config.servers {
            match self.config.servers.get(name) {
                None => difference.added.push(name.clone()),
                Some(before)
                    if is_same(before, members)
                        && !(difference.listing
                            && lists_otherwise(own_rules(members).as_deref())) =>
                {
                    same.push(name.as_str());
                }
                Some(_) => difference.changed.push(name.clone()),
            }
        }
        for name in self.config.servers.keys() {
            if !config.servers.contains_key(name) {
                difference.removed.push(name.clone());
            }
        }
        if difference.rules {
            same.clear();
        }
        let detections = self.detections.of(&same);
        // They have the config in them.
        same.retain(|name| self.config.servers.get(*name) == config.servers.get(*name));
        let inspections = self.inspections.of(&same);
        let edition = Self {
            detections,
            inspections,
            ..Self::new(config)
        };
        (edition, difference)
    }
}

/// Rules of calls are no part of what a connection is made from.
fn is_same(before: &Map<String, Value>, now: &Map<String, Value>) -> bool {
    let counts = |(name, _): &(&String, &Value)| !ToolRules::OF_CALLS.contains(&name.as_str());
    let of = |members: &'_ Map<String, Value>| members.iter().filter(counts).count();
    of(before) == of(now)
        && now
            .iter()
            .filter(counts)
            .all(|(name, value)| before.get(name) == Some(value))
}

/// A config that cannot be read has none.
fn own_rules(members: &Map<String, Value>) -> Option<Arc<ToolRules>> {
    ServerConfig::from_members(members.clone()).ok()?.rules
}

impl Difference {
    /// For people.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (what, names) in [
            ("added", &self.added),
            ("changed", &self.changed),
            ("removed", &self.removed),
        ] {
            if !names.is_empty() {
                let _ = write!(text, "; {what}: {}", names.join(", "));
            }
        }
        if self.rules {
            text.push_str("; other network rules");
        }
        if self.listing {
            text.push_str("; other rules of tools");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::embedded::detections::Detected;

    const FIRST: &str = "mcpServers: { a: { command: x, args: [] }, b: { url: x }, c: { url: x } }";

    fn config(text: &str) -> Config {
        Config::from_yaml("f", text).unwrap()
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().copied().map(str::to_owned).collect()
    }

    #[test]
    fn what_differs() {
        let second = "mcpServers: { d: {}, b: { url: y }, a: { args: [], command: x } }";
        let (second, difference) = Edition::new(config(FIRST)).followed_by(config(second));
        let expected = Difference {
            added: names(&["d"]),
            changed: names(&["b"]),
            removed: names(&["c"]),
            rules: false,
            listing: false,
        };
        assert_eq!(difference, expected);
        assert_eq!(difference.to_text(), "; added: d; changed: b; removed: c");

        let mut config = second.config.clone();
        assert_eq!(second.followed_by(config.clone()).1, Difference::default());
        config.rules.allowed_addresses = names(&["localhost:1"]);
        let difference = second.followed_by(config).1;
        assert_eq!(difference.to_text(), "; other network rules");
    }

    /// A server's own rule takes the place of that for all, unless it is not an operator's.
    #[test]
    fn other_rules_of_tools_change_the_servers_that_stand_under_them() {
        let difference = |before: &str, now: &str| {
            let of = |settings: &str| {
                config(&format!(
                    "mcpServers: {{ bare: {{ url: x }}, own: {{ url: x, tools: {{ deny: [a] }} }}, \
                     users: {{ url: x, source: user, tools: {{ deny: [a] }} }} }}\nmcpSettings: {{ {settings} }}"
                ))
            };
            let difference = Edition::new(of(before)).followed_by(of(now)).1;
            difference.to_text()
        };
        for (before, now, expected) in [
            ("tools: { deny: [b] }", "tools: { deny: [b] }", ""),
            ("pinTools: warn", "pinTools: warn, limits: { queue: 1 }", ""),
            (
                "",
                "tools: { deny: [b] }",
                "; changed: bare, users; other rules of tools",
            ),
            (
                "tools: { deny: [b] }",
                "tools: { allow: [b] }",
                "; changed: bare, users; other rules of tools",
            ),
            (
                "pinTools: block",
                "",
                "; changed: bare, own, users; other rules of tools",
            ),
        ] {
            assert_eq!(difference(before, now), expected, "{before} -> {now}");
        }
    }

    #[test]
    fn what_was_found_out_counts_for_what_is_the_same() {
        let first = Edition::new(config(FIRST));
        for name in ["a", "b", "c"] {
            let detected = Detected {
                requires_oauth: true,
                at: Instant::now(),
                challenge: None,
            };
            first
                .detections
                .known
                .lock()
                .insert(name.to_owned(), detected);
        }
        let known = |text: &str| {
            let detections = first.followed_by(config(text)).0.detections;
            ["a", "b", "c"].map(|name| detections.known(name).is_some())
        };
        assert_eq!(known(FIRST), [true; 3]);
        let others = "mcpServers: { a: { command: x, args: [] }, b: { url: y } }";
        assert_eq!(known(others), [true, false, false]);
        let rules = format!("{FIRST}\nmcpSettings: {{ allowedDomains: [a.test] }}");
        assert_eq!(known(&rules), [false; 3]);
    }
}
