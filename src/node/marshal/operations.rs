//! Finished operations on their way to JavaScript: as events of `node:diagnostics_channel`, and as spans for the
//! host's tracer. They cross with the log lines of their call and are told in its context, so that a span that is made
//! there gets the call's own as its parent.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::context::CallContext;
use super::listeners::SPAN_LISTENER;
use super::to_js::WithMembers;
use crate::node::engine::{JsResult, Scope, Value};
use crate::telemetry::{Details, Kind, Operation};

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

/// A span in OpenTelemetry's terms: its semantic conventions for MCP, where they have a name.
fn span<'env>(scope: Scope<'env>, operation: &Operation) -> JsResult<'env> {
    let (name, method, kind) = match operation.kind {
        Kind::Reinit => ("mcp reinit", None, INTERNAL),
        Kind::Connect => ("mcp connect", Some("initialize"), CLIENT),
        Kind::Disconnect => ("mcp session", None, INTERNAL),
        Kind::ToolCall | Kind::Request => (operation.method, Some(operation.method), CLIENT),
        Kind::TokenRefresh => ("oauth refresh", None, CLIENT),
        Kind::TokenExchange => ("obo exchange", None, CLIENT),
    };
    let details = operation.details.as_deref();
    let rpc_code = details.and_then(|details| details.rpc_code);
    let rpc_code = rpc_code.map(|code| code.to_string());
    let failure = operation.failed.then_some(operation.outcome);
    let failure = failure.map(|outcome| rpc_code.as_deref().unwrap_or(outcome));
    let message = details.and_then(|details| details.message.as_deref());
    let tool = operation.tool.as_deref();
    let prompt = details.filter(|_| operation.method == "prompts/get");
    let prompt = prompt.and_then(|details| details.target.as_deref());
    let server_name = Some(&operation.server_name).filter(|name| !name.is_empty());
    let (transport, protocol) = network(operation.transport);
    let attributes = scope
        .object()?
        .optional("mcp.server.name", server_name)?
        .optional("mcp.method.name", method)?
        .optional("gen_ai.operation.name", tool.map(|_| "execute_tool"))?
        .optional("gen_ai.tool.name", tool)?
        .optional("gen_ai.prompt.name", prompt)?
        .optional("network.transport", transport)?
        .optional("network.protocol.name", protocol)?
        .optional("user.id", operation.user_id.as_ref())?
        .optional("rpc.response.status_code", rpc_code.as_deref())?
        .optional("error.type", failure)?;
    let attributes = match details {
        Some(details) => detailed(attributes, details, prompt.is_some())?,
        None => attributes,
    };
    let code = if operation.failed {
        STATUS_ERROR
    } else {
        STATUS_UNSET
    };
    let status = scope
        .object()?
        .with("code", code)?
        .optional("message", failure.map(|failure| message.unwrap_or(failure)))?;
    let target = tool.or(prompt);
    let name = target.map_or_else(|| name.to_owned(), |target| format!("{name} {target}"));
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

/// What is known of who answered.
fn detailed<'env>(attributes: Value<'env>, details: &Details, is_prompt: bool) -> JsResult<'env> {
    let (address, port) = match &details.server {
        Some((address, port)) => (Some(address), *port),
        None => (None, None),
    };
    let uri = details.target.as_ref().filter(|_| !is_prompt);
    let request_id = details.request_id.map(|id| id.to_string());
    attributes
        .optional("mcp.session.id", details.session_id.as_ref())?
        .optional("mcp.protocol.version", details.protocol_version.as_ref())?
        .optional("mcp.resource.uri", uri)?
        .optional("jsonrpc.request.id", request_id)?
        .optional("server.address", address)?
        .optional("server.port", port.map(f64::from))
}

/// `network.transport` and `network.protocol.name`.
fn network(transport: Option<&str>) -> (Option<&'static str>, Option<&'static str>) {
    match transport {
        None => (None, None),
        Some("stdio") => (Some("pipe"), None),
        Some("websocket") => (Some("tcp"), Some("websocket")),
        Some(_) => (Some("tcp"), Some("http")),
    }
}

/// Since the epoch.
fn milliseconds(time: SystemTime) -> f64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs_f64() * 1000.0
}
