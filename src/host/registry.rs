//! The server registry.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value};

use crate::abilities::Abilities;
use crate::error::Result;
use crate::network::NetworkRules;
use crate::server_config::{RawConfig, ServerConfig};

/// The rules that hold for a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RulesOfCall {
    pub rules: NetworkRules,
    /// They are those of the caller's tenant or role, and others than the operator's (`resolveAllowlists`).
    pub of_tenant: bool,
}

impl From<NetworkRules> for RulesOfCall {
    fn from(rules: NetworkRules) -> Self {
        Self {
            rules,
            of_tenant: false,
        }
    }
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
    ) -> Result<Option<Arc<RawConfig>>>;
    /// Inspects a server again and returns the config that resulted, where the registry returns it.
    async fn reinspect(
        &self,
        server_name: &str,
        storage: Storage,
        user_id: Option<&str>,
    ) -> Result<Option<Map<String, Value>>>;
    /// Those that hold for the call: asked before every connection, discovery and tool call.
    async fn network_rules(&self) -> Result<RulesOfCall>;
    /// What the host can do.
    async fn abilities(&self) -> Result<Abilities> {
        Ok(Abilities::default())
    }
    /// Whether the config that the call works with is the operator's own, unchanged for a tenant or a user; `None` where
    /// the registry does not tell ([`Abilities::app_server_configs`]).
    async fn is_app_server_config(&self, _server_name: &str) -> Result<Option<bool>> {
        Ok(None)
    }
    /// Whether users share the server of the call by the host's own policy; `None` where the host leaves that to us.
    async fn shares(&self, _server_name: &str) -> Result<Option<bool>> {
        Ok(None)
    }
    /// Hears the challenge that a server answered a request with although its config wants no logins. Whether that changes
    /// the config.
    fn hear_challenge(&self, _server_name: &str, _config: &ServerConfig, _challenge: &str) -> bool {
        false
    }
    /// The challenge that has changed the config of a server.
    fn challenge(&self, _server_name: &str) -> Option<String> {
        None
    }
    /// All servers that a user sees, by name.
    async fn all_server_configs(
        &self,
        user_id: Option<&str>,
    ) -> Result<Vec<(String, Map<String, Value>)>>;
}
