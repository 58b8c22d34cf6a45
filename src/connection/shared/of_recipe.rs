//! Which sessions processes share, by what a connection is made from.

use std::sync::Arc;

use super::epoch::EpochMark;
use super::key::Subject;
use super::store::{SharedSession, Sharing};
use crate::connection::connect::client_of;
use crate::connection::recipe::Recipe;
use crate::host::SessionStore;
use crate::secret::Secret;
use crate::server_config::TransportKind;

impl SharedSession {
    /// The session of a connection of this recipe. Only those of Streamable HTTP do not end with their process or socket.
    #[must_use]
    pub fn of(
        recipe: &Recipe,
        store: &Arc<dyn SessionStore>,
        credentials_key: &Secret,
        sharing: &Arc<Sharing>,
    ) -> Option<Arc<Self>> {
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
        Self::new(&subject, credentials_key, idle, (store, sharing), logger)
            .ok()
            .map(Arc::new)
    }
}

impl EpochMark {
    /// That of a connection of this recipe; `None` where it is no user's.
    #[must_use]
    pub fn of(
        recipe: &Recipe,
        store: &Arc<dyn SessionStore>,
        sharing: &Arc<Sharing>,
    ) -> Option<Arc<Self>> {
        let whose = (recipe.user_id.as_deref()?, &*recipe.server_name);
        let idle = recipe.settings.user_idle_timeout;
        Some(Self::new(store, sharing, whose, idle, &recipe.logger))
    }
}
