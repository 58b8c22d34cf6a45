//! What the core needs from outside, as traits and plain data. The Node addon implements them over JavaScript
//! callbacks, `embedded/` without any host.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use indexmap::IndexMap;
use parking_lot::RwLock;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::error::Result;
use crate::secret::Secret;

/// A value of the host that the core carries but cannot look into, such as what a host callback returned.
pub type HostValue = Arc<dyn Any + Send + Sync>;

/// What a host callback threw or rejected with.
#[derive(Clone)]
pub struct HostFault {
    pub message: String,
    /// The thrown value itself.
    pub value: Option<HostValue>,
}

impl fmt::Debug for HostFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("HostFault")
            .field("message", &self.message)
            .finish_non_exhaustive()
    }
}

/// Environment variables as the host process saw them when the call started. Reading the C environment while Node
/// writes to it is a race, so values are copied here on the host's own thread.
#[derive(Clone, Default)]
pub struct Environment(Arc<RwLock<HashMap<String, String>>>);

impl Environment {
    pub fn get(&self, name: &str) -> Option<String> {
        self.0.read().get(name).cloned()
    }

    pub fn set(&self, name: impl Into<String>, value: impl Into<String>) {
        self.0.write().insert(name.into(), value.into());
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(pairs: [(&str, &str); N]) -> Self {
        let environment = Self::default();
        for (name, value) in pairs {
            environment.set(name, value);
        }
        environment
    }
}

/// The fields of a user that the core may read; the caller's own object stays with the host.
#[derive(Debug, Clone, Default)]
pub struct User {
    /// LibreChat's user id; absent for calls without a user.
    pub id: Option<String>,
    /// Present fields that placeholders may name (`name`, `email`, `role`, …), in their text form.
    pub fields: IndexMap<String, String>,
    pub federated_tokens: Option<OpenIdTokens>,
    pub openid_tokens: Option<OpenIdTokens>,
}

/// Tokens of the user's OpenID login (LibreChat's `OIDCTokens`).
#[derive(Debug, Clone, Default)]
pub struct OpenIdTokens {
    pub access_token: Option<Secret>,
    pub id_token: Option<Secret>,
    /// Seconds since the epoch.
    pub expires_at: Option<i64>,
}

/// The registry's network rules: `shouldEnableSSRFProtection()`, `getAllowedDomains()`, `getAllowedAddresses()`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct NetworkRules {
    pub ssrf_protection: bool,
    /// Patterns of LibreChat's allowlist (`example.com`, `*.example.com`, `https://example.com:443`).
    pub allowed_domains: Vec<String>,
    /// `host:port` or `[v6]:port` pairs of private space that are exempt from address checks.
    pub allowed_addresses: Vec<String>,
}

/// Where a config is stored, for `reinspectServer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    Database,
    Cache,
}

/// How a config is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lookup<'a> {
    pub user_id: Option<&'a str>,
    /// Whether the caller's `configServers` count.
    pub config_servers: bool,
}

/// The server registry (LibreChat's `MCPServersRegistry`). A config is the object's known members as JSON.
#[async_trait]
pub trait Registry: Send + Sync {
    async fn server_config(
        &self,
        server_name: &str,
        lookup: Lookup<'_>,
    ) -> Result<Option<Map<String, Value>>>;
    /// Inspects a server again and returns the config that resulted, where the registry returns it.
    async fn reinspect(
        &self,
        server_name: &str,
        storage: Storage,
        user_id: Option<&str>,
    ) -> Result<Option<Map<String, Value>>>;
    async fn network_rules(&self) -> Result<NetworkRules>;
}

/// Tools as the server sent them, a JSON array. Kept as text: they cross into JavaScript as one string.
pub type RawTools = Box<RawValue>;

/// LibreChat's `updateMCPServerTools`: formats the tools, stores them, returns what it made of them.
#[async_trait]
pub trait ToolPublisher: Send + Sync {
    async fn publish(
        &self,
        user_id: &str,
        server_name: &str,
        tools: &Arc<RawTools>,
    ) -> Result<Option<HostValue>>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// What goes beside a log message.
#[derive(Debug, Clone, Default)]
pub enum LogMeta {
    #[default]
    None,
    Error(crate::error::Error),
    Fields(Map<String, Value>),
}

/// The host's logger.
pub trait Log: Send + Sync {
    fn log(&self, level: Level, message: String, meta: LogMeta);
}

/// The log of one call or connection.
#[derive(Clone)]
pub struct Logger(Arc<dyn Log>);

impl Logger {
    pub fn new(log: Arc<dyn Log>) -> Self {
        Self(log)
    }

    /// Discards everything.
    #[must_use]
    pub fn silent() -> Self {
        struct Silent;
        impl Log for Silent {
            fn log(&self, _: Level, _: String, _: LogMeta) {}
        }
        Self(Arc::new(Silent))
    }

    pub fn debug(&self, message: impl Into<String>) {
        self.0.log(Level::Debug, message.into(), LogMeta::None);
    }

    pub fn info(&self, message: impl Into<String>) {
        self.0.log(Level::Info, message.into(), LogMeta::None);
    }

    pub fn warn(&self, message: impl Into<String>) {
        self.0.log(Level::Warn, message.into(), LogMeta::None);
    }

    pub fn error(&self, message: impl Into<String>) {
        self.0.log(Level::Error, message.into(), LogMeta::None);
    }

    pub fn with(&self, level: Level, message: impl Into<String>, meta: LogMeta) {
        self.0.log(level, message.into(), meta);
    }
}

/// The host as one call sees it: callbacks run in that call's context.
#[derive(Clone)]
pub struct Host {
    pub registry: Arc<dyn Registry>,
    /// Absent: tools are formatted natively.
    pub publisher: Option<Arc<dyn ToolPublisher>>,
    pub logger: Logger,
    pub environment: Environment,
}
