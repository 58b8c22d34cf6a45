//! Connections that belong to one chat request, because its fields are part of what they are made from
//! (`requestScopedConnections` of newer LibreChat, `packages/api/src/mcp/request.ts`).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{CallScope, Key, Manager, Owner};
use crate::server_config::ServerConfig;

/// Ends a connection that nobody but the call knows, when the call has ended.
pub struct Disposal {
    manager: Manager,
    key: Key,
}

impl Drop for Disposal {
    fn drop(&mut self) {
        let (manager, key) = (self.manager.clone(), self.key.clone());
        self.manager
            .spawn(async move { manager.disconnect(&key).await });
    }
}

impl Manager {
    /// A number for a chat request that several calls belong to.
    #[must_use]
    pub fn next_request(&self) -> u64 {
        self.0.requests.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The user, or one of their requests. Fields of the chat request in headers alone need no connection of their own:
    /// headers belong to each call. A host that keeps connections by request gets one for these too, as newer LibreChat
    /// does.
    pub(super) fn user_owner(
        &self,
        call: &CallScope<'_>,
        user_id: &str,
        config: &ServerConfig,
    ) -> Owner {
        let user = Arc::from(user_id);
        let is_of_request = config.is_bound_to_request()
            || call.request.is_some() && !config.body_placeholders().is_empty();
        if is_of_request {
            let id = call.request.unwrap_or_else(|| self.next_request());
            Owner::Request { user, id }
        } else {
            Owner::User(user)
        }
    }

    /// Ends the connection of a call with the call, where it is the call's alone.
    pub(crate) fn disposal(&self, call: &CallScope<'_>, key: &Key) -> Option<Disposal> {
        let is_alone = matches!(key.owner, Owner::Request { .. }) && call.request.is_none();
        is_alone.then(|| Disposal {
            manager: self.clone(),
            key: key.clone(),
        })
    }
}
