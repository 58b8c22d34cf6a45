//! A config as its host gave it.

use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};

use super::model::ServerConfig;
use super::references::env_references;
use crate::error::Result;

/// The members of a config, and what they say. Hosts give the same config to one call after another, which share it.
pub struct RawConfig {
    members: Map<String, Value>,
    variables: Vec<String>,
    config: OnceLock<Result<Arc<ServerConfig>>>,
}

impl From<Map<String, Value>> for RawConfig {
    fn from(members: Map<String, Value>) -> Self {
        Self {
            variables: env_references(&members),
            members,
            config: OnceLock::new(),
        }
    }
}

impl RawConfig {
    #[must_use]
    pub fn members(&self) -> &Map<String, Value> {
        &self.members
    }

    /// The environment variables that it names.
    #[must_use]
    pub fn variables(&self) -> &[String] {
        &self.variables
    }

    /// # Errors
    /// As [`ServerConfig::from_members`].
    pub fn config(&self) -> Result<Arc<ServerConfig>> {
        let read = || ServerConfig::from_members(self.members.clone()).map(Arc::new);
        self.config.get_or_init(read).clone()
    }
}
