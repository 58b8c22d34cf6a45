//! Finished operations on their way to JavaScript: as events of `node:diagnostics_channel`, and as spans for the
//! host's tracer. They cross with the log lines of their call and are told in its context, so that a span that is made
//! there gets the call's own as its parent.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::context::CallContext;
use super::listeners::SPAN_LISTENER;
use super::to_js::WithMembers;
use crate::node::engine::{JsResult, Scope, Value};
use crate::telemetry::{Kind, Operation};

/// OpenTelemetry's `SpanKind`.
const INTERNAL: f64 = 0.0;
const CLIENT: f64 = 2.0;
/// OpenTelemetry's `SpanStatusCode`.
const STATUS_UNSET: f64 = 0.0;
const STATUS_ERROR: f64 = 2.0;

impl CallContext {
    /// Tells what has ended. What a listener throws is of no concern to whoever did it.
    pub fn tell(self: &Arc<Self>, scope: Scope<'_>, operations: &[Operation]) {
        let listeners = &self.realm.listeners;
        for operation in operations {
            if let Some((channel, name)) = listeners.channel(scope, operation) {
                self.publish(scope, channel, name, operation);
            }
        }
        if listeners.spans {
            self.inform(scope, SPAN_LISTENER, || {
                let host = self.host(scope);
                let spans: JsResult<'_, Vec<_>> = operations
                    .iter()
                    .map(|operation| span(scope, operation))
                    .collect();
                self.apply(host.get(SPAN_LISTENER)?, host, &[scope.array(&spans?)?])
            });
        }
    }

    /// Calls the subscribers one by one: Node's `publish` ends the process for one that throws, and does not hear of one
    /// that rejects.
    fn publish<'env>(
        self: &Arc<Self>,
        scope: Scope<'env>,
        channel: Value<'env>,
        name: &'static str,
        operation: &Operation,
    ) {
        let subscribers = channel.get("_subscribers").and_then(Value::elements);
        let subscribers = subscribers.unwrap_or_default();
        if subscribers.is_empty() {
            self.inform(scope, name, || {
                let arguments = [event(scope, operation)?];
                self.apply(channel.get("publish")?, channel, &arguments)
            });
        }
        for subscriber in subscribers {
            self.inform(scope, name, || {
                let arguments = [event(scope, operation)?, scope.string(name)?];
                self.apply(subscriber, scope.undefined(), &arguments)
            });
        }
    }
}

/// What subscribers of a channel get.
fn event<'env>(scope: Scope<'env>, operation: &Operation) -> JsResult<'env> {
    let duration = operation.duration.as_secs_f64() * 1000.0;
    scope
        .object()?
        .with("serverName", &operation.server_name)?
        .optional("userId", operation.user_id.as_ref())?
        .optional("transport", operation.transport)?
        .optional("toolName", operation.tool.as_ref())?
        .with("durationMs", duration)?
        .with("outcome", operation.outcome)
}

/// A span in OpenTelemetry's terms (its semantic conventions for MCP, where they have a name).
fn span<'env>(scope: Scope<'env>, operation: &Operation) -> JsResult<'env> {
    let (name, method, kind) = match operation.kind {
        Kind::Reinit => ("mcp reinit", None, INTERNAL),
        Kind::Connect => ("mcp connect", Some("initialize"), CLIENT),
        Kind::Disconnect => ("mcp session", None, INTERNAL),
        Kind::ToolCall => ("tools/call", Some("tools/call"), CLIENT),
        Kind::TokenRefresh => ("oauth refresh", None, CLIENT),
        Kind::TokenExchange => ("obo exchange", None, CLIENT),
    };
    let tool = operation.tool.as_deref();
    let server_name = Some(&operation.server_name).filter(|name| !name.is_empty());
    let failure = operation.failed.then_some(operation.outcome);
    let attributes = scope
        .object()?
        .optional("mcp.server.name", server_name)?
        .optional("mcp.method.name", method)?
        .optional("mcp.transport", operation.transport)?
        .optional("gen_ai.tool.name", tool)?
        .optional("user.id", operation.user_id.as_ref())?
        .with("mcp.outcome", operation.outcome)?
        .optional("error.type", failure)?;
    let code = if operation.failed {
        STATUS_ERROR
    } else {
        STATUS_UNSET
    };
    let status = scope
        .object()?
        .with("code", code)?
        .optional("message", failure)?;
    let name = tool.map_or_else(|| name.to_owned(), |tool| format!("{name} {tool}"));
    let started = milliseconds(operation.started);
    scope
        .object()?
        .with("name", &name)?
        .with("kind", kind)?
        .with("startTime", started)?
        .with(
            "endTime",
            started + operation.duration.as_secs_f64() * 1000.0,
        )?
        .with("attributes", attributes)?
        .with("status", status)
}

/// Since the epoch.
fn milliseconds(time: SystemTime) -> f64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs_f64() * 1000.0
}
