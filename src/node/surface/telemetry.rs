//! `runtime.stats()` and `runtime.metrics()`.

use super::methods::Invocation;
use crate::node::engine::JsResult;

/// `runtime.stats()`: the counters as an object.
pub fn stats<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    let manager = &invocation.runtime.manager;
    let counters = manager.metrics().to_value(&manager.gauges());
    invocation.scope.json(&counters)
}

/// `runtime.metrics()`: the same as Prometheus' text.
pub fn metrics<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    let manager = &invocation.runtime.manager;
    let text = manager.metrics().to_text(&manager.gauges());
    invocation.scope.string(&text)
}
