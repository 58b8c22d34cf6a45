//! `requestScopedConnections`: where newer LibreChat keeps the connections of a chat request, and disposes of them when
//! it has been answered (`packages/api/src/mcp/request.ts`).

use std::sync::Arc;

use super::calls::Shared;
use super::handle::Held;
use super::js::{JsResult, Scope, Value};
use super::thread::JsRef;
use crate::manager::Owner;

/// `{ connections: Map, pending: Map, cleanupStarted? }`, and the number that stands for it here.
pub struct RequestStore {
    store: JsRef,
    id: u64,
}

impl RequestStore {
    pub fn of<'env>(shared: &Shared, store: Value<'env>) -> JsResult<'env, Self> {
        let scope = store.scope();
        let known = shared.realm.requests.get(scope);
        let id = known.get("get")?.call(known, &[store])?.as_number();
        let id = if let Some(id) = id {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a number that was given here"
            )]
            let id = id as u64;
            id
        } else {
            let id = shared.manager.next_request();
            #[expect(clippy::cast_precision_loss, reason = "counts requests")]
            let number = scope.number(id as f64)?;
            known.get("set")?.call(known, &[store, number])?;
            id
        };
        Ok(Self {
            store: JsRef::new(&shared.thread, store)?,
            id,
        })
    }

    pub fn id(&self) -> u64 {
        self.id
    }

    /// Hands the host what a call has opened for the request, to dispose of. A request that has been answered meanwhile
    /// takes nothing any more. What the host's own object throws is of no concern to us.
    pub fn keep(&self, scope: Scope<'_>, shared: &Arc<Shared>) {
        let keys = shared.manager.connected_for(self.id);
        if keys.is_empty() {
            return;
        }
        let store = self.store.get(scope);
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
                let held = Held::existing(&shared.manager, lease);
                let object = shared.connections.object(scope, shared, held)?;
                let name = scope.string(&format!("{user}:{}", key.server_name))?;
                connections
                    .get("set")?
                    .call(connections, &[name, object])?
                    .unheeded();
            }
            Ok(())
        })();
    }
}
