//! Which sessions processes share, by what a connection is made from.

use std::sync::Arc;

use super::key::Subject;
use super::store::{SharedSession, Sharing};
use crate::connection::connect::client_of;
use crate::connection::recipe::Recipe;
use crate::host::Host;
use crate::server_config::TransportKind;

impl SharedSession {
    /// The session of a connection of this recipe, where the host has a store and a key to encrypt with. Only Streamable HTTP
    /// has sessions that do not end with their process or socket.
    #[must_use]
    pub fn of(recipe: &Recipe, host: &Host, sharing: &Arc<Sharing>) -> Option<Arc<Self>> {
        let store = host.shared_sessions.as_ref()?;
        let key = host.credentials_key.key().ok()??;
        if recipe.config.transport.kind() != TransportKind::StreamableHttp {
            return None;
        }
        let client = client_of(recipe, &recipe.logger).describe();
        let subject = Subject {
            user_id: recipe.user_id.as_deref(),
            server_name: &recipe.server_name,
            endpoint: &recipe.config.endpoint(),
            fingerprint: &recipe.fingerprint.to_text(),
            client: &serde_json::to_string(&client.capabilities).ok()?,
        };
        let idle = recipe.settings.user_idle_timeout;
        let logger = recipe.logger.clone();
        Self::new(&subject, &key, idle, (store, sharing), logger)
            .ok()
            .map(Arc::new)
    }
}
