//! `runtime.stats()` and `runtime.metrics()`.

use super::methods::Invocation;
use crate::node::engine::JsResult;
use crate::node::marshal::to_js::ToJs;

/// `runtime.stats()`: the counters as an object.
pub fn stats<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    let manager = &invocation.runtime.manager;
    let counters = manager.metrics().to_value(&manager.gauges());
    invocation.scope.json(&counters)
}

/// `runtime.health()`.
pub fn health<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    let mut health = invocation.runtime.manager.health();
    let config = invocation.runtime.embedded.as_ref();
    if let Some(problem) = config.and_then(|config| config.problem()) {
        health["configProblem"] = problem.into();
    }
    health.to_js(invocation.scope)
}

/// `runtime.metrics()`: the same as Prometheus' text.
pub fn metrics<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    let manager = &invocation.runtime.manager;
    let text = manager.metrics().to_text(&manager.gauges());
    invocation.scope.string(&text)
}
