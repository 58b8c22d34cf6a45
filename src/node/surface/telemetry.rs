//! `runtime.stats()` and `runtime.metrics()`.

use std::sync::Arc;

use super::state::RuntimeState;
use crate::node::engine::{JsResult, Scope, Value};

/// `runtime.stats()`: the counters as an object.
pub fn stats<'env>(
    shared: &Arc<RuntimeState>,
    scope: Scope<'env>,
    _: &[Value<'env>],
) -> JsResult<'env> {
    let manager = &shared.manager;
    scope.json(&manager.metrics().to_value(&manager.gauges()))
}

/// `runtime.metrics()`: the same as Prometheus' text.
pub fn metrics<'env>(
    shared: &Arc<RuntimeState>,
    scope: Scope<'env>,
    _: &[Value<'env>],
) -> JsResult<'env> {
    let manager = &shared.manager;
    scope.string(&manager.metrics().to_text(&manager.gauges()))
}
