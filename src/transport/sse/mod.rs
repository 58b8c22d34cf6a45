//! HTTP with server-sent events, the transport of MCP 2024-11-05: answers arrive on one stream, and messages are
//! posted to the endpoint that the stream names.
//!
//! `source` opens the stream, `reader` is the task that reads it and opens it again when it is lost, `link` is what it
//! shares with the wire that sends. The transport belongs to `initialize`; no later generation of the protocol uses it.

mod link;
mod reader;
mod source;
mod wire;

pub use link::SseTimeouts;
pub use wire::SseWire;
