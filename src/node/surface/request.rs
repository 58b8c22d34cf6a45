//! `requestScopedConnections`: where newer LibreChat keeps the connections of a chat request, and disposes of them when
//! it has been answered (`packages/api/src/mcp/request.ts`).

use crate::manager::Manager;
use crate::node::engine::{JsRef, JsResult, Scope, Value};
use crate::node::marshal::context::CallContext;

/// `{ connections: Map, pending: Map, cleanupStarted? }`, and the number that stands for it here.
pub struct RequestStore {
    store: JsRef,
    id: u64,
}

impl RequestStore {
    pub fn of<'env>(
        context: &CallContext,
        manager: &Manager,
        store: Value<'env>,
    ) -> JsResult<'env, Self> {
        let scope = store.scope();
        let known = context.realm.requests.get(scope);
        let id = known.call_method("get", &[store])?.as_number();
        let id = if let Some(id) = id {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a number that was given here"
            )]
            let id = id as u64;
            id
        } else {
            let id = manager.next_request();
            #[expect(clippy::cast_precision_loss, reason = "counts requests")]
            let number = scope.number(id as f64)?;
            known.call_method("set", &[store, number])?;
            id
        };
        Ok(Self {
            store: JsRef::new(&context.thread, store)?,
            id,
        })
    }

    pub fn id(&self) -> u64 {
        self.id
    }

    pub fn store<'env>(&self, scope: Scope<'env>) -> Value<'env> {
        self.store.get(scope)
    }
}
