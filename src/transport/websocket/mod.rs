//! WebSocket with the subprotocol `mcp`, as in the TypeScript SDK: one text message is one JSON-RPC message.
//!
//! The connection starts as a request of the hardened HTTP client, so headers, access token, proxy, TLS and address
//! rules are those of every other request (`handshake`); `frames` takes apart what arrives afterwards. There is one
//! request, so headers of a single call cannot apply: the connection's own are all that a server sees.

pub(super) mod frames;
mod handshake;
mod reader;
mod wire;

pub use wire::WebSocketWire;
