//! What is known of the runtime and its servers without asking anybody.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value as Json;

use super::directory::ConnectionState;
use super::failure::Failure;
use super::key::Key;
use super::state::Manager;
use crate::error::Error;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Health {
    takes_calls: bool,
    servers: BTreeMap<Arc<str>, ServerHealth>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct ServerHealth {
    connections: Connections,
    /// Owners whose breaker refuses attempts.
    blocked: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_failure: Option<Failure>,
}

#[derive(Default, Serialize)]
struct Connections {
    connected: usize,
    connecting: usize,
    error: usize,
}

impl Connections {
    fn count(&mut self, state: ConnectionState) {
        match state {
            ConnectionState::Connected => self.connected += 1,
            ConnectionState::Connecting => self.connecting += 1,
            ConnectionState::Error => self.error += 1,
            ConnectionState::Disconnected => {}
        }
    }
}

impl ServerHealth {
    fn block(&mut self, left: Duration) {
        let left = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        self.blocked += 1;
        self.retry_after_ms = Some(self.retry_after_ms.map_or(left, |other| other.min(left)));
    }
}

impl Manager {
    /// Remembers why connecting failed.
    pub(super) fn note_failure(&self, key: &Key, error: &Error) {
        if let Some(failure) = Failure::of(error) {
            self.0
                .failures
                .insert(Arc::clone(&key.server_name), failure);
        }
    }

    /// `{ takesCalls, servers }`, where `servers` has those that there is something to say of.
    #[must_use]
    pub fn health(&self) -> Json {
        let mut servers: BTreeMap<Arc<str>, ServerHealth> = BTreeMap::new();
        self.each_connection(|key, _, state| {
            let server = servers.entry(Arc::clone(&key.server_name)).or_default();
            server.connections.count(state);
        });
        self.0.breakers.blocked(|key, left| {
            servers
                .entry(Arc::clone(&key.server_name))
                .or_default()
                .block(left);
        });
        self.0.failures.each(|name, failure| {
            let server = servers.entry(Arc::clone(name)).or_default();
            server.last_failure = Some(failure.clone());
        });
        let health = Health {
            takes_calls: self.takes_calls(),
            servers,
        };
        serde_json::to_value(health).unwrap_or_default()
    }
}
