//! The connections that a call has opened for a chat request, on their way to the host.

use std::sync::Arc;

use super::connections::object;
use super::handle::Backing;
use super::request::RequestStore;
use super::state::RuntimeState;
use crate::manager::Owner;
use crate::node::engine::{JsResult, Scope, Value};

/// Hands the host what a call has opened for the request, to dispose of. A request that has been answered meanwhile
/// takes nothing any more. What the host's own object throws is of no concern to us.
pub fn hand_over(shared: &Arc<RuntimeState>, scope: Scope<'_>, request: &RequestStore) {
    let keys = shared.manager.connected_for(request.id());
    if keys.is_empty() {
        return;
    }
    let store = request.store(scope);
    if store.get("cleanupStarted").is_ok_and(Value::is_truthy) {
        let manager = shared.manager.clone();
        shared.manager.spawn(async move {
            for key in keys {
                manager.disconnect(&key).await;
            }
        });
        return;
    }
    let _ = (|| -> JsResult<'_, ()> {
        let connections = store.get("connections")?;
        for key in &keys {
            let (Some(lease), Owner::Request { user, .. }) =
                (shared.manager.existing(key), &key.owner)
            else {
                continue;
            };
            let backing = Backing::existing(&shared.manager, lease);
            let object = object(shared, scope, backing)?;
            let name = scope.string(&format!("{user}:{}", key.server_name))?;
            connections.call_method("set", &[name, object])?.unheeded();
        }
        Ok(())
    })();
}
