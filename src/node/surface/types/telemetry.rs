//! `runtime.stats()` and spans.

use napi_derive::napi;

/// Counters since the runtime was made, and what is there now. Objects have members for what has happened only.
#[napi(
    object,
    js_name = "MCPRuntimeStats",
    object_from_js = false,
    object_to_js = false
)]
pub struct McpRuntimeStats {
    /// By transport and state (`connected`, `connecting`, `error`).
    #[napi(ts_type = "Record<string, Record<string, number>>")]
    pub connections: (),
    /// Users with connections of their own.
    pub users: f64,
    /// Circuit breakers by state.
    #[napi(ts_type = "{ open: number; closed: number }")]
    pub breakers: (),
    /// By outcome: `ok`, the `failureReason`, or `undefined`.
    #[napi(ts_type = "Record<string, number>")]
    pub reinits: (),
    /// By server, transport and outcome: `ok`, or the error code.
    #[napi(ts_type = "Record<string, Record<string, Record<string, number>>>")]
    pub connects: (),
    /// By server and outcome: `closed`, or `lost`.
    #[napi(ts_type = "Record<string, Record<string, number>>")]
    pub disconnects: (),
    /// By server and outcome: `ok`, `tool_error` (the result has `isError`), or the error code.
    #[napi(ts_type = "Record<string, Record<string, number>>")]
    pub tool_calls: (),
    /// How many calls there were, and how long they took together.
    #[napi(ts_type = "{ count: number; seconds: number }")]
    pub tool_call_duration: (),
    /// By outcome: `ok`, or the error code.
    #[napi(js_name = "oauthRefreshes", ts_type = "Record<string, number>")]
    pub oauth_refreshes: (),
    /// By result: `hit`, `shared_hit` (the host's `exchangedTokens`), or `miss`.
    #[napi(ts_type = "Record<string, number>")]
    pub obo_cache_lookups: (),
    /// By outcome: `ok`, or the error code.
    #[napi(ts_type = "Record<string, number>")]
    pub obo_exchanges: (),
    /// How many exchanges there were, and how long they took together.
    #[napi(ts_type = "{ count: number; seconds: number }")]
    pub obo_exchange_duration: (),
    /// Callbacks that nobody waits for and that threw or rejected, by name: `onLogMessage`, `onSpans`, `onprogress`,
    /// `logger.warn`, the name of an event or of a diagnostics channel, and so on.
    #[napi(ts_type = "Record<string, number>")]
    pub callback_failures: (),
    /// Of JSON-RPC messages, by transport.
    #[napi(ts_type = "Record<string, { sent: number; received: number }>")]
    pub bytes: (),
}

/// A finished span in OpenTelemetry's terms: `tracer.startSpan(name, { kind, startTime, attributes })`, then
/// `setStatus(status)` and `end(endTime)`. Times in milliseconds since the epoch.
#[napi(
    object,
    js_name = "MCPSpan",
    object_from_js = false,
    object_to_js = false
)]
pub struct McpSpan {
    /// What was done.
    pub name: String,
    /// `SpanKind`: internal or client.
    #[napi(ts_type = "0 | 2")]
    pub kind: (),
    /// Milliseconds since the epoch.
    pub start_time: f64,
    /// Milliseconds since the epoch.
    pub end_time: f64,
    /// By the names of the OpenTelemetry conventions.
    #[napi(ts_type = "Record<string, string>")]
    pub attributes: (),
    /// `SpanStatusCode`: unset or error.
    #[napi(ts_type = "{ code: 0 | 2; message?: string }")]
    pub status: (),
}
