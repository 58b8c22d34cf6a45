//! Who listens to finished operations: subscribers of `node:diagnostics_channel`, and the host's tracer.
//!
//! Where nobody listens nothing crosses. That is looked up when a call begins; the end of a connection, which is rare
//! and belongs to no call, is looked up for itself.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::node::engine::{JsRef, JsResult, JsThread, Scope, Value};
use crate::telemetry::{Kind, Operation};

/// The channels that are documented in `docs/operations.md`.
const CHANNELS: [(Kind, &str); 4] = [
    (Kind::Connect, "librechat-mcp-native:connect"),
    (Kind::Disconnect, "librechat-mcp-native:disconnect"),
    (Kind::ToolCall, "librechat-mcp-native:tool-call"),
    (Kind::TokenRefresh, "librechat-mcp-native:token-refresh"),
];

pub const SPAN_LISTENER: &str = "onSpans";

/// Whoever wants to know.
pub struct Listeners {
    /// An array, in the order of [`CHANNELS`].
    channels: JsRef,
    /// Whether a channel had subscribers when somebody last looked.
    subscribed: AtomicBool,
    /// The host has `onSpans`.
    pub spans: bool,
}

impl Listeners {
    /// `module` is `node:diagnostics_channel`.
    pub fn new<'env>(
        thread: &JsThread,
        module: Value<'env>,
        host: Value<'env>,
    ) -> JsResult<'env, Self> {
        let open = |(_, name): (Kind, &str)| {
            let name = module.scope().string(name)?;
            module.call_method("channel", &[name])
        };
        let channels: JsResult<'env, Vec<_>> = CHANNELS.into_iter().map(open).collect();
        Ok(Self {
            channels: JsRef::new(thread, module.scope().array(&channels?)?)?,
            subscribed: AtomicBool::new(false),
            spans: host.get(SPAN_LISTENER)?.is_function(),
        })
    }

    /// Looks whether anybody has subscribed.
    pub fn look(&self, scope: Scope<'_>) {
        let subscribed = self.channels.get(scope).any_subscribed();
        self.subscribed
            .store(subscribed.unwrap_or_default(), Ordering::Relaxed);
    }

    pub fn want(&self, operation: &Operation) -> bool {
        self.spans
            || operation.kind == Kind::Disconnect
            || self.subscribed.load(Ordering::Relaxed)
                && CHANNELS.iter().any(|(kind, _)| *kind == operation.kind)
    }

    /// The channel of an operation, and its name, where it has subscribers.
    pub fn channel<'env>(
        &self,
        scope: Scope<'env>,
        operation: &Operation,
    ) -> Option<(Value<'env>, &'static str)> {
        let channels = self.channels.get(scope).elements().ok()?;
        let mut known = CHANNELS.iter().zip(channels);
        let ((_, name), channel) = known.find(|((kind, _), _)| *kind == operation.kind)?;
        let has_subscribers = channel.get("hasSubscribers").is_ok_and(Value::is_truthy);
        has_subscribers.then_some((channel, *name))
    }
}
