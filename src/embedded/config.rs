//! A `librechat.yaml`, as far as this library needs it: `mcpServers` and `mcpSettings`.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::nesting::too_deep;
use crate::error::{Error, Result};
use crate::network::NetworkRules;
use crate::server_config::{Grant, ToolRules, env_references};

/// Servers by name and the rules for all of them.
#[derive(Debug, Clone, Default)]
pub struct Config {
    pub servers: IndexMap<String, Map<String, Value>>,
    /// Whether there are servers, or the document says that there are none.
    pub names_servers: bool,
    pub rules: NetworkRules,
    /// Of the tools of all servers.
    pub tool_rules: Option<Arc<ToolRules>>,
}

impl Config {
    /// Reads a YAML text; `name` is how errors call it. Merge keys (`<<`) are applied, as by `LibreChat`.
    ///
    /// Fails with [`Code::InvalidConfig`](crate::error::Code::InvalidConfig), with line and column where the text is no
    /// YAML, else with the path of the wrong member.
    pub fn from_yaml(name: &str, text: &str) -> Result<Self> {
        let failed = |problem: yaml_serde::Error| {
            let problem = problem.to_string();
            let problem = problem.lines().next().unwrap_or_default();
            let is_alias = ["alias", "anchor"].iter().any(|it| problem.contains(it));
            let hint = if is_alias {
                "; a text that begins with *, as globs may, needs quotes"
            } else {
                ""
            };
            Error::invalid_config(format!("{name}: {problem}{hint}"))
        };
        if let Some(line) = too_deep(text) {
            let problem = "too many brackets are open";
            return Err(Error::invalid_config(format!(
                "{name}: {problem} at line {line}"
            )));
        }
        let mut document: yaml_serde::Value = yaml_serde::from_str(text).map_err(failed)?;
        document.apply_merge().map_err(failed)?;
        let document = serde_json::to_value(document)
            .map_err(|problem| Error::invalid_config(format!("{name}: {problem}")))?;
        Self::from_value(name, document)
    }

    /// The same from what a YAML text stands for.
    pub fn from_value(name: &str, document: Value) -> Result<Self> {
        let wrong = |path: &str, expected: &str| {
            Error::invalid_config(format!("{name}: `{path}` must be {expected}"))
        };
        let Value::Object(mut document) = document else {
            return Err(Error::invalid_config(format!(
                "{name}: expected an object with `mcpServers`"
            )));
        };
        let mut servers = IndexMap::new();
        let mut names_servers = true;
        match document.remove("mcpServers") {
            None | Some(Value::Null) => names_servers = false,
            Some(Value::Object(members)) => {
                for (server, config) in members {
                    let Value::Object(mut config) = config else {
                        return Err(wrong(&format!("mcpServers.{server}"), "an object"));
                    };
                    config.entry("source").or_insert_with(|| "yaml".into());
                    if asks_for_logins(&config) {
                        config.insert("requiresOAuth".to_owned(), Value::Bool(true));
                    }
                    servers.insert(server, config);
                }
            }
            Some(_) => return Err(wrong("mcpServers", "an object")),
        }
        let settings = match document.remove("mcpSettings") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(settings)) => settings,
            Some(_) => return Err(wrong("mcpSettings", "an object")),
        };
        let list = |member: &str| match settings.get(member) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(value) => texts(value)
                .ok_or_else(|| wrong(&format!("mcpSettings.{member}"), "a list of texts")),
        };
        let allowed_domains = list("allowedDomains")?;
        let tool_rules = ToolRules::of_settings(&settings)
            .map_err(|error| Error::invalid_config(format!("{name}: {}", error.message)))?;
        Ok(Self {
            servers,
            names_servers,
            rules: NetworkRules {
                // As `MCPServersRegistry.shouldEnableSSRFProtection` decides it.
                ssrf_protection: allowed_domains.is_empty(),
                allowed_domains,
                allowed_addresses: list("allowedAddresses")?,
                tls: None,
            },
            tool_rules,
        })
    }

    /// The first server that fails for its rules, and what is wrong with them.
    pub fn wrong_rule(&self) -> Option<String> {
        self.servers.iter().find_map(|(server, config)| {
            let fault = ToolRules::fault_of(config)?;
            Some(format!("`mcpServers.{server}.{fault}"))
        })
    }

    /// Environment variables that the servers' configurations name.
    #[must_use]
    pub fn variables(&self) -> Vec<String> {
        self.servers.values().flat_map(env_references).collect()
    }
}

/// Whether users log in because the config has an `oauth` of their logins. `LibreChat`'s inspector asks such a server,
/// and a host hands on what it found out; whoever wrote this has decided.
fn asks_for_logins(config: &Map<String, Value>) -> bool {
    let has = |name: &str| config.get(name).is_some_and(|value| !value.is_null());
    let oauth = config.get("oauth").and_then(Value::as_object);
    oauth.is_some_and(|oauth| Grant::of(oauth).is_none())
        && !["command", "requiresOAuth", "obo", "apiKey"]
            .into_iter()
            .any(has)
}

fn texts(value: &Value) -> Option<Vec<String>> {
    let items = value.as_array()?.iter();
    items.map(|item| item.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server_config::Pinning;

    #[test]
    fn what_is_read() {
        let config = Config::from_yaml(
            "librechat.yaml",
            "version: 1.2.8
mcpSettings: { allowedDomains: [example.com], allowedAddresses: ['localhost:3001'] }
shared: &shared { timeout: 1000 }
mcpServers:
  files: { <<: *shared, command: npx, args: [-y, files], env: { TOKEN: '${FILES_TOKEN}' } }
  web: { url: 'https://example.com/mcp', source: config }
",
        )
        .unwrap();
        assert_eq!(config.servers.keys().collect::<Vec<_>>(), ["files", "web"]);
        assert_eq!(config.servers["files"]["timeout"], 1000);
        assert_eq!(config.servers["files"]["source"], "yaml");
        assert_eq!(config.servers["web"]["source"], "config");
        assert!(!config.rules.ssrf_protection);
        assert_eq!(config.rules.allowed_domains, ["example.com"]);
        assert_eq!(config.rules.allowed_addresses, ["localhost:3001"]);
        assert_eq!(config.variables(), ["FILES_TOKEN"]);
    }

    #[test]
    fn whose_users_log_in() {
        for (config, expected) in [
            ("oauth: {}", Value::Bool(true)),
            ("requiresOAuth: , oauth: { scope: a }", Value::Bool(true)),
            ("requiresOAuth: false, oauth: {}", Value::Bool(false)),
            ("oauth: { grant: workload }", Value::Null),
            ("oauth: {}, obo: { scopes: a }", Value::Null),
            ("oauth: {}, apiKey: { source: user }", Value::Null),
            ("oauth: {}, command: npx", Value::Null),
            ("oauth: ", Value::Null),
        ] {
            let text = format!("mcpServers: {{ a: {{ {config} }} }}");
            let read = Config::from_yaml("f", &text).unwrap();
            let decided = read.servers["a"].get("requiresOAuth");
            assert_eq!(decided.unwrap_or(&Value::Null), &expected, "{config}");
        }
    }

    /// `off` is a text here, and `false` to readers of YAML 1.1.
    #[test]
    fn rules_for_the_tools_of_all_servers() {
        let of = |settings: &str| Config::from_yaml("f", &format!("mcpSettings: {settings}"));
        for off in ["off", "'off'", "false"] {
            let rules = of(&format!("{{ pinTools: {off} }}")).unwrap().tool_rules;
            assert!(rules.is_some_and(|rules| rules.pins == Some(Pinning::Off)));
        }
        assert!(
            of("{ allowedDomains: [], tools: }")
                .unwrap()
                .tool_rules
                .is_none()
        );
        let error = of("{ limits: { perUser: 60 } }").err().unwrap();
        assert!(
            error
                .message
                .starts_with("f: `mcpSettings.limits.perUser` must be")
        );
    }

    #[test]
    fn nothing_configured() {
        for text in ["{}", "mcpServers:", "mcpServers: {}\nmcpSettings:\n"] {
            let config = Config::from_yaml("f", text).unwrap();
            assert!(config.servers.is_empty() && config.rules.ssrf_protection);
            assert_eq!(config.names_servers, text.contains("mcpServers: {}"));
        }
    }

    #[test]
    fn what_is_wrong() {
        let deep = format!("mcpServers: {{}}\nx: {}", "[".repeat(200_000));
        let deep_list = format!("mcpServers: {{}}\nx:\n  {}1", "- ".repeat(200_000));
        for (text, expected) in [
            ("mcpServers:\n  a: {\n", "line 3"),
            ("a: 1\nb: [\n- x", "line"),
            ("mcpServers:\n  a: {}\n  a: {}\n", "duplicate"),
            ("", "expected an object"),
            ("[]", "expected an object"),
            (&*deep, "too many brackets are open at line 2"),
            (&*deep_list, "recursion limit exceeded"),
            ("mcpServers: []", "`mcpServers` must be an object"),
            ("mcpServers: { a: 1 }", "`mcpServers.a` must be an object"),
            ("mcpSettings: 1", "`mcpSettings` must be an object"),
            (
                "mcpSettings: { allowedDomains: [1] }",
                "`mcpSettings.allowedDomains` must be a list of texts",
            ),
        ] {
            let error = Config::from_yaml("f.yaml", text).unwrap_err();
            assert!(
                error.message.starts_with("f.yaml: ") && error.message.contains(expected),
                "{text:?}: {error}"
            );
        }
    }
}
