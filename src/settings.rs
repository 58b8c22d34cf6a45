//! What operators set through environment variables. Names, defaults and arithmetic are `LibreChat`'s.

mod authorization;
mod math;

use std::time::Duration;

use crate::environment::Environment;

pub use math::math;

/// The longest time that a JavaScript timer can wait. Longer ones are cut to it, so that no sum with an instant
/// overflows.
pub(crate) const LONGEST_TIMEOUT: Duration = Duration::from_millis(i32::MAX as u64);

const MIB: usize = 1024 * 1024;

/// When connections to one server are held back (`MCP_CB_*`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Connect and disconnect cycles within [`Self::cycle_window`] that trip the breaker.
    pub max_cycles: u32,
    pub cycle_window: Duration,
    pub cycle_cooldown: Duration,
    /// Failed rounds within [`Self::failed_window`] after which backoff starts.
    pub max_failed_rounds: u32,
    pub failed_window: Duration,
    pub base_backoff: Duration,
    pub max_backoff: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            max_cycles: 7,
            cycle_window: Duration::from_secs(45),
            cycle_cooldown: Duration::from_secs(15),
            max_failed_rounds: 3,
            failed_window: Duration::from_mins(2),
            base_backoff: Duration::from_secs(30),
            max_backoff: Duration::from_mins(5),
        }
    }
}

/// How much of a paginated `tools/list` is read (`MCP_TOOLS_LIST_*`). Every budget is at least 1, as in `LibreChat`;
/// none can be switched off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolsListBudget {
    pub max_pages: usize,
    pub max_tools: usize,
    pub max_bytes: usize,
    pub timeout: Duration,
}

impl Default for ToolsListBudget {
    fn default() -> Self {
        Self {
            max_pages: 50,
            max_tools: 1000,
            max_bytes: 5 * MIB,
            timeout: Duration::from_secs(30),
        }
    }
}

/// Limits of what a server may answer (`MCP_STREAMABLE_HTTP_MAX_*`). 0 is off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseLimits {
    pub max_response_bytes: usize,
    pub max_line_bytes: usize,
}

impl Default for ResponseLimits {
    fn default() -> Self {
        Self {
            max_response_bytes: 16 * MIB,
            max_line_bytes: 5 * MIB,
        }
    }
}

/// The operator's settings, as they were when a runtime was created or a call started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long a connection counts as alive after a successful ping.
    pub connection_check_ttl: Duration,
    /// After which a user's connections are closed when unused.
    pub user_idle_timeout: Duration,
    /// How long the registry may take to inspect a server when the host starts.
    pub registry_init_timeout: Duration,
    pub breaker: BreakerSettings,
    pub tools_list: ToolsListBudget,
    pub response: ResponseLimits,
    /// Whether a 401 or 403 without further hints means OAuth.
    pub oauth_on_auth_error: bool,
    pub oauth_detection_timeout: Duration,
    /// How long a user has to authorize, where the operator says so.
    pub oauth_handling_timeout: Option<Duration>,
    /// How long flows are kept, at least.
    pub oauth_flow_ttl: Duration,
    /// Accept authorization servers that do not announce S256.
    pub skip_code_challenge_check: bool,
    /// Where `LibreChat` is reachable, for OAuth redirect URIs.
    pub domain_server: String,
    /// Scopes of the token behind `{{LIBRECHAT_GRAPH_ACCESS_TOKEN}}`.
    pub graph_scopes: String,
    /// Largest image in a tool result that is passed on.
    pub image_data_max_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connection_check_ttl: Duration::from_mins(1),
            user_idle_timeout: Duration::from_mins(15),
            registry_init_timeout: Duration::from_secs(30),
            breaker: BreakerSettings::default(),
            tools_list: ToolsListBudget::default(),
            response: ResponseLimits::default(),
            oauth_on_auth_error: true,
            oauth_detection_timeout: Duration::from_secs(5),
            oauth_handling_timeout: None,
            oauth_flow_ttl: Duration::from_mins(15),
            skip_code_challenge_check: false,
            domain_server: "http://localhost:3080".to_owned(),
            graph_scopes: "https://graph.microsoft.com/.default".to_owned(),
            image_data_max_bytes: 10 * MIB,
        }
    }
}

impl Settings {
    /// Every variable that [`Settings::from_environment`] reads, for the host to copy.
    pub const NAMES: &'static [&'static str] = &[
        "DOMAIN_SERVER",
        "GRAPH_API_SCOPES",
        "MCP_CB_BASE_BACKOFF_MS",
        "MCP_CB_CYCLE_COOLDOWN_MS",
        "MCP_CB_CYCLE_WINDOW_MS",
        "MCP_CB_FAILED_WINDOW_MS",
        "MCP_CB_MAX_BACKOFF_MS",
        "MCP_CB_MAX_CYCLES",
        "MCP_CB_MAX_FAILED_ROUNDS",
        "MCP_CONNECTION_CHECK_TTL",
        "MCP_IMAGE_DATA_MAX_BYTES",
        "MCP_INIT_TIMEOUT_MS",
        "MCP_OAUTH_DETECTION_TIMEOUT",
        "MCP_OAUTH_FLOW_TTL",
        "MCP_OAUTH_HANDLING_TIMEOUT",
        "MCP_OAUTH_ON_AUTH_ERROR",
        "MCP_SKIP_CODE_CHALLENGE_CHECK",
        "MCP_STREAMABLE_HTTP_MAX_LINE_BYTES",
        "MCP_STREAMABLE_HTTP_MAX_RESPONSE_BYTES",
        "MCP_TOOLS_LIST_MAX_BYTES",
        "MCP_TOOLS_LIST_MAX_PAGES",
        "MCP_TOOLS_LIST_MAX_TOOLS",
        "MCP_TOOLS_LIST_TIMEOUT_MS",
        "MCP_USER_CONNECTION_IDLE_TIMEOUT",
    ];

    /// Reads the settings. What is unset or invalid is the default, where `LibreChat` may refuse to start.
    #[must_use]
    pub fn from_environment(environment: &Environment) -> Self {
        let read = Reader(environment);
        let default = Self::default();
        Self {
            connection_check_ttl: read
                .millis("MCP_CONNECTION_CHECK_TTL", default.connection_check_ttl),
            user_idle_timeout: read.millis(
                "MCP_USER_CONNECTION_IDLE_TIMEOUT",
                default.user_idle_timeout,
            ),
            registry_init_timeout: Some(
                read.millis("MCP_INIT_TIMEOUT_MS", default.registry_init_timeout),
            )
            .filter(|limit| !limit.is_zero())
            .unwrap_or(default.registry_init_timeout),
            breaker: read.breaker(&default.breaker),
            tools_list: read.tools_list(&default.tools_list),
            response: ResponseLimits {
                max_response_bytes: read
                    .digits("MCP_STREAMABLE_HTTP_MAX_RESPONSE_BYTES")
                    .unwrap_or(default.response.max_response_bytes),
                max_line_bytes: read
                    .digits("MCP_STREAMABLE_HTTP_MAX_LINE_BYTES")
                    .unwrap_or(default.response.max_line_bytes),
            },
            oauth_on_auth_error: environment
                .get("MCP_OAUTH_ON_AUTH_ERROR")
                .map_or(default.oauth_on_auth_error, |value| {
                    value.trim().eq_ignore_ascii_case("true")
                }),
            oauth_detection_timeout: read.millis(
                "MCP_OAUTH_DETECTION_TIMEOUT",
                default.oauth_detection_timeout,
            ),
            oauth_handling_timeout: read.number("MCP_OAUTH_HANDLING_TIMEOUT").and_then(duration),
            oauth_flow_ttl: read.millis("MCP_OAUTH_FLOW_TTL", default.oauth_flow_ttl),
            skip_code_challenge_check: environment
                .get("MCP_SKIP_CODE_CHALLENGE_CHECK")
                .is_some_and(|value| value == "true"),
            domain_server: read.text("DOMAIN_SERVER", default.domain_server),
            graph_scopes: read.text("GRAPH_API_SCOPES", default.graph_scopes),
            image_data_max_bytes: read
                .digits("MCP_IMAGE_DATA_MAX_BYTES")
                .filter(|bytes| *bytes > 0)
                .unwrap_or(default.image_data_max_bytes),
        }
    }
}

struct Reader<'a>(&'a Environment);

impl Reader<'_> {
    fn breaker(&self, default: &BreakerSettings) -> BreakerSettings {
        BreakerSettings {
            max_cycles: self.count("MCP_CB_MAX_CYCLES", default.max_cycles),
            cycle_window: self.millis("MCP_CB_CYCLE_WINDOW_MS", default.cycle_window),
            cycle_cooldown: self.millis("MCP_CB_CYCLE_COOLDOWN_MS", default.cycle_cooldown),
            max_failed_rounds: self.count("MCP_CB_MAX_FAILED_ROUNDS", default.max_failed_rounds),
            failed_window: self.millis("MCP_CB_FAILED_WINDOW_MS", default.failed_window),
            base_backoff: self.millis("MCP_CB_BASE_BACKOFF_MS", default.base_backoff),
            max_backoff: self.millis("MCP_CB_MAX_BACKOFF_MS", default.max_backoff),
        }
    }

    fn tools_list(&self, default: &ToolsListBudget) -> ToolsListBudget {
        let budget = |name, default| {
            self.number(name)
                .map_or(default, |value| whole(value.max(1.0)))
        };
        let timeout = self
            .number("MCP_TOOLS_LIST_TIMEOUT_MS")
            .and_then(|value| duration(value.max(1.0)));
        ToolsListBudget {
            max_pages: budget("MCP_TOOLS_LIST_MAX_PAGES", default.max_pages),
            max_tools: budget("MCP_TOOLS_LIST_MAX_TOOLS", default.max_tools),
            max_bytes: budget("MCP_TOOLS_LIST_MAX_BYTES", default.max_bytes),
            timeout: timeout.unwrap_or(default.timeout),
        }
    }

    fn number(&self, name: &str) -> Option<f64> {
        self.0
            .get(name)
            .and_then(|expression| math(&expression))
            .filter(|value| !value.is_nan())
    }

    fn millis(&self, name: &str, default: Duration) -> Duration {
        self.number(name).and_then(duration).unwrap_or(default)
    }

    fn count(&self, name: &str, default: u32) -> u32 {
        self.number(name)
            .filter(|value| *value >= 0.0)
            .map_or(default, |value| {
                u32::try_from(whole(value)).unwrap_or(u32::MAX)
            })
    }

    /// A plain number without arithmetic, as `LibreChat`'s byte limits want it.
    fn digits(&self, name: &str) -> Option<usize> {
        let value = self.0.get(name)?;
        let value = value.trim();
        // `parse` alone would take a leading plus.
        if !value.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        value.parse().ok()
    }

    fn text(&self, name: &str, default: String) -> String {
        self.0
            .get(name)
            .filter(|value| !value.is_empty())
            .unwrap_or(default)
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float-to-integer cast saturates, which is what a limit of this kind should do"
)]
fn whole(value: f64) -> usize {
    value as usize
}

/// Milliseconds as a duration; `None` for what cannot be a time to wait.
pub(crate) fn duration(millis: f64) -> Option<Duration> {
    if millis.is_nan() || millis < 0.0 {
        return None;
    }
    Some(
        Duration::try_from_secs_f64(millis / 1000.0)
            .unwrap_or(LONGEST_TIMEOUT)
            .min(LONGEST_TIMEOUT),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unset_and_invalid_are_the_default() {
        let default = Settings::default();
        assert_eq!(Settings::from_environment(&Environment::default()), default);

        for invalid in ["", "soon", "1 2", "-5", "0/0"] {
            let environment = Environment::from([
                ("MCP_CONNECTION_CHECK_TTL", invalid),
                ("MCP_CB_MAX_CYCLES", invalid),
                ("MCP_CB_CYCLE_WINDOW_MS", invalid),
                ("MCP_STREAMABLE_HTTP_MAX_RESPONSE_BYTES", invalid),
                ("MCP_IMAGE_DATA_MAX_BYTES", invalid),
            ]);
            assert_eq!(
                Settings::from_environment(&environment),
                default,
                "{invalid:?}"
            );
        }
    }

    /// The host copies the variables in `NAMES` and no others, so each of them must count, and no other may.
    #[test]
    fn every_name_counts() {
        for name in Settings::NAMES {
            let value = match *name {
                "MCP_OAUTH_ON_AUTH_ERROR" => "false",
                "MCP_SKIP_CODE_CHALLENGE_CHECK" => "true",
                _ => "77",
            };
            let settings = Settings::from_environment(&Environment::from([(*name, value)]));
            assert_ne!(settings, Settings::default(), "{name}");
        }
        let source = include_str!("settings.rs");
        let implementation = source.split("pub fn from_environment").nth(1).unwrap();
        let implementation = implementation.split("mod tests").next().unwrap();
        for quoted in implementation.split('"').skip(1).step_by(2) {
            let is_name = quoted
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte == b'_');
            assert!(!is_name || Settings::NAMES.contains(&quoted), "{quoted}");
        }
    }

    #[test]
    fn every_name_is_documented() {
        let page = include_str!("../docs/configuration.md");
        let others = crate::embedded::VARIABLES.iter();
        let names = Settings::NAMES.iter().chain(others);
        for name in names.chain(crate::network::VARIABLES) {
            // Proxy variables stand there once, in lower case.
            let lower = format!("`{}`", name.to_lowercase());
            let is_there = page.contains(&format!("`{name}`")) || page.contains(&lower);
            assert!(is_there, "{name}");
        }
    }

    #[test]
    fn arithmetic_and_limits() {
        let settings = Settings::from_environment(&Environment::from([
            ("MCP_USER_CONNECTION_IDLE_TIMEOUT", "20*60*1000"),
            ("MCP_CONNECTION_CHECK_TTL", "0"),
            ("MCP_CB_MAX_CYCLES", "1/0"),
            ("MCP_CB_MAX_BACKOFF_MS", "1/0"),
            ("MCP_TOOLS_LIST_MAX_PAGES", "0"),
            ("MCP_TOOLS_LIST_MAX_TOOLS", "-3"),
            ("MCP_TOOLS_LIST_MAX_BYTES", "2 * 1024"),
            ("MCP_TOOLS_LIST_TIMEOUT_MS", "0"),
            ("MCP_STREAMABLE_HTTP_MAX_RESPONSE_BYTES", " 0 "),
            ("MCP_STREAMABLE_HTTP_MAX_LINE_BYTES", "2*1024"),
            ("MCP_OAUTH_ON_AUTH_ERROR", " TRUE "),
        ]));
        assert_eq!(settings.user_idle_timeout, Duration::from_mins(20));
        assert_eq!(settings.connection_check_ttl, Duration::ZERO);
        assert_eq!(settings.breaker.max_cycles, u32::MAX);
        assert_eq!(settings.breaker.max_backoff, LONGEST_TIMEOUT);
        assert_eq!(
            settings.tools_list,
            ToolsListBudget {
                max_pages: 1,
                max_tools: 1,
                max_bytes: 2048,
                timeout: Duration::from_millis(1)
            }
        );
        assert_eq!(settings.response.max_response_bytes, 0);
        assert_eq!(
            settings.response.max_line_bytes,
            5 * MIB,
            "byte limits take no arithmetic"
        );
        assert!(settings.oauth_on_auth_error);
    }
}
