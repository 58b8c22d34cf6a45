//! Where a call belongs in the host's traces, for the host's `traceContext` and `traceHeaders`.

use std::sync::Arc;

use crate::host::TraceContext;
use crate::node::engine::{JsResult, Present, Scope};
use crate::node::marshal::context::CallContext;

const TRACE_CONTEXT: &str = "traceContext";

/// Asks the host, in the context of the call that begins now. A host that fails traces nothing.
pub fn ask(
    context: &Arc<CallContext>,
    scope: Scope<'_>,
    services: Present,
) -> Option<Arc<TraceContext>> {
    if !services.has(TRACE_CONTEXT) {
        return None;
    }
    let mut trace = None;
    context.inform(scope, TRACE_CONTEXT, || {
        let host = context.host(scope);
        let answer = context.apply(host.get(TRACE_CONTEXT)?, host, &[])?;
        if answer.is_object() {
            let text = |name| -> JsResult<'_, _> { Ok(answer.get(name)?.as_string()) };
            let as_headers = host.get("traceHeaders")?.as_bool() == Some(true);
            trace = TraceContext::of(
                text("traceparent")?,
                text("tracestate")?,
                text("baggage")?,
                as_headers,
            );
        }
        Ok(answer)
    });
    trace.map(Arc::new)
}
