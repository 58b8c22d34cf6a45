//! Names of tools as models see them: LibreChat's keys, `TOOL_mcp_SERVER`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::error::Result;
use crate::host::Host;
use crate::lru_map::LruMap;
use crate::server_config::normalize_server_name;

/// Joins a tool's name and its server's name (LibreChat's `Constants.mcp_delimiter`).
pub(super) const DELIMITER: &str = "_mcp_";

/// What LibreChat's actions have between their name and their domain.
const ACTION_DELIMITER: &str = "_action_";

/// Names that mean something else to LibreChat, alone and before the delimiter: all tools of a server, the server itself,
/// and its OAuth flow.
const RESERVED: [&str; 3] = ["sys__all__sys", "sys__server__sys", "oauth"];

/// Names under these belong to settings of servers and to handing over to other agents.
const RESERVED_PREFIXES: [&str; 2] = ["mcp_", "lc_transfer_to_"];

/// How keys are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// As a LibreChat of June 2026 keeps them in its agents: both names as they are.
    AsSent,
    /// As one of August keeps them: the server's name with letters only that every provider takes.
    Normalized,
    /// As one of autumn keeps them: and without the server's name at the beginning of the tool's, which would have it
    /// twice.
    Stripped,
}

impl Naming {
    /// A host that formats tools itself also finds them again by the keys that it knows. Others take what they get.
    pub async fn of(host: &Host) -> Result<Self> {
        if host.publisher.is_none() {
            return Ok(Self::Stripped);
        }
        let abilities = host.registry.abilities().await?;
        Ok(if abilities.recovers_catalogs {
            Self::Stripped
        } else if abilities.is_current() {
            Self::Normalized
        } else {
            Self::AsSent
        })
    }

    /// The server's part of a key.
    pub(super) fn server(self, server_name: &str) -> String {
        if self == Self::AsSent {
            server_name.to_owned()
        } else {
            normalize_server_name(server_name)
        }
    }

    /// The tools' parts of keys, for each of `tools`.
    pub(super) fn tools<'a>(self, server_name: &str, tools: &[&'a str]) -> Vec<&'a str> {
        if self == Self::Stripped {
            stripped(tools, &normalize_server_name(server_name))
        } else {
            tools.to_vec()
        }
    }
}

/// What a server calls the tools that models know by another name.
pub(super) type WireNames = Arc<HashMap<String, String>>;

/// The names of servers' tools, by user and server.
pub(super) type KnownNames = LruMap<(Option<String>, String), WireNames>;

/// Names without the server's at their beginning. Names that would be the same, or another's as it was sent, keep it.
fn stripped<'a>(tools: &[&'a str], server: &str) -> Vec<&'a str> {
    let sent: HashSet<&str> = tools.iter().copied().collect();
    let mut shown: HashMap<&str, &'a str> = HashMap::with_capacity(tools.len());
    for tool in tools {
        let without = without_prefix(tool, server);
        let is_free = without == *tool || !sent.contains(without);
        shown.insert(tool, if is_free { without } else { tool });
    }
    // What keeps its prefix is a name as it was sent, which none of the others became: nothing new collides.
    let mut users: HashMap<&str, usize> = HashMap::with_capacity(shown.len());
    for name in shown.values() {
        *users.entry(name).or_default() += 1;
    }
    let chosen = tools.iter().map(|tool| {
        let name = shown.get(tool).copied().unwrap_or(tool);
        if users.get(name).is_some_and(|users| *users > 1) {
            tool
        } else {
            name
        }
    });
    chosen.collect()
}

fn without_prefix<'a>(tool: &'a str, server: &str) -> &'a str {
    let prefix = tool.get(..server.len());
    let is_prefixed = prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(server));
    let rest = tool.get(server.len()..).filter(|_| is_prefixed);
    let rest = rest.and_then(|rest| rest.strip_prefix('_'));
    let Some(rest) = rest.filter(|rest| !rest.is_empty()) else {
        return tool;
    };
    let names = |name: &str| {
        rest.strip_prefix(name)
            .is_some_and(|after| after.is_empty() || after.starts_with(DELIMITER))
    };
    let is_reserved = RESERVED.into_iter().any(names)
        || RESERVED_PREFIXES
            .iter()
            .any(|prefix| rest.starts_with(prefix));
    if is_reserved || is_action(rest, server) != is_action(tool, server) {
        return tool;
    }
    rest
}

/// Whether LibreChat takes the key of a tool for an action.
fn is_action(tool: &str, server: &str) -> bool {
    let key = format!("{tool}{DELIMITER}{server}");
    match (key.find(ACTION_DELIMITER), key.find(DELIMITER)) {
        (Some(action), Some(delimiter)) => action < delimiter,
        (action, _) => action.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_go() {
        for (tool, server, expected) in [
            ("acme_trace_operations", "acme", "trace_operations"),
            ("acme_list_services", "Acme", "list_services"),
            ("github_create_issue", "acme", "github_create_issue"),
            ("acmecorp_tool", "acme", "acmecorp_tool"),
            ("acme", "acme", "acme"),
            ("acme_", "acme", "acme_"),
            ("äcme_x", "acme", "äcme_x"),
            ("acme_oauth", "acme", "acme_oauth"),
            ("acme_oauths", "acme", "oauths"),
            ("acme_oauth_mcp_reset", "acme", "acme_oauth_mcp_reset"),
            ("acme_sys__all__sys", "acme", "acme_sys__all__sys"),
            (
                "acme_sys__server__sys_mcp_x",
                "acme",
                "acme_sys__server__sys_mcp_x",
            ),
            ("acme_mcp_status", "acme", "acme_mcp_status"),
            ("acme_lc_transfer_to_x", "acme", "acme_lc_transfer_to_x"),
            (
                "svc_action_v1_report",
                "svc_action_v1",
                "svc_action_v1_report",
            ),
            ("acme_do_action_thing", "acme", "do_action_thing"),
        ] {
            assert_eq!(stripped(&[tool], server), [expected]);
        }
    }

    #[test]
    fn no_two_tools_get_one_name() {
        for (tools, expected) in [
            (
                vec!["search", "acme_search", "acme_trace"],
                vec!["search", "acme_search", "trace"],
            ),
            (vec!["acme_Foo", "Acme_Foo"], vec!["acme_Foo", "Acme_Foo"]),
            (
                vec!["acme_foo", "acme_acme_foo"],
                vec!["foo", "acme_acme_foo"],
            ),
            (
                vec!["foo", "acme_foo", "acme_acme_foo"],
                vec!["foo", "acme_foo", "acme_acme_foo"],
            ),
            (vec!["acme_x", "acme_x"], vec!["x", "x"]),
        ] {
            assert_eq!(stripped(&tools, "acme"), expected);
        }
    }
}
