//! The object of `manager.getCatalogRecoveryTracker`.

use std::sync::Arc;

use super::methods::Invocation;
use super::state::RuntimeState;
use crate::node::engine::{JsRef, JsResult, Scope};

fn tracker<'env>(shared: &Arc<RuntimeState>, scope: Scope<'env>) -> JsResult<'env> {
    if let Some(tracker) = shared.catalog_recovery.tracker().get() {
        return Ok(tracker.get(scope));
    }
    let limits = shared.catalog_recovery.limits();
    // The tracker is the runtime's, so it must not keep the runtime.
    let runtime = Arc::downgrade(shared);
    let warn = scope.function("warn", move |scope, _, _| {
        if let Some(shared) = runtime.upgrade() {
            let (context, logger) = shared.logger(scope)?;
            let message = format!(
                "[MCP catalog recovery] Released discoveries still running reached the limit of {}; starting no new discovery until one settles",
                limits.detached
            );
            logger.warn(message);
            context.flush_log(scope);
        }
        Ok(scope.undefined())
    })?;
    let arguments = [
        scope.number(limits.states)?,
        scope.number(limits.detached)?,
        warn,
    ];
    let tracker = scope
        .run_script(include_str!("catalog_recovery.js"))?
        .call(scope.undefined(), &arguments)?;
    let kept = JsRef::new(&shared.thread, tracker)?;
    shared.catalog_recovery.tracker().get_or_init(|| kept);
    Ok(tracker)
}

/// The tracker, for LibreChat's `loadMCPServerCatalogs`.
pub fn get_catalog_recovery_tracker<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    tracker(&invocation.runtime, invocation.scope)
}

/// `(userId, serverName?, generation?, capabilityProfile?)`.
pub fn clear_catalog_recovery_state<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    let recovery = &invocation.runtime.catalog_recovery;
    recovery.clear(invocation.scope, &invocation.values)?;
    Ok(invocation.scope.undefined())
}
