//! Bytes to messages.

mod bearer;
mod boxed;
mod events;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;

mod get_stream;
mod inbox;
mod ledger;
mod limits;
mod log_limit;
mod outbox;
mod oversized;
mod pending;
mod remote;
mod sse;
pub mod stdio;
mod streamable_http;
mod tap;
mod websocket;

pub use bearer::Bearer;
pub use boxed::BoxTransport;
pub use events::{EventLimits, EventParser, Found};
pub use get_stream::{Kept, Listener, StreamRefusal};
pub use ledger::HttpSession;
pub use remote::{CallHeaders, Remote};
pub use sse::{SseTimeouts, SseTransport};
pub use streamable_http::{Conflict, McpHttp};
pub use tap::{RawResult, Tap};
pub use websocket::WebSocketTransport;

/// JSON-RPC code of the errors that a transport puts in place of an answer, as in the reference: an answer over a
/// limit, or one that can no longer come.
pub const TRANSPORT_RPC_CODE: i32 = -32000;

/// The message of a JSON-RPC error that stands for an answer that can no longer come.
pub const LOST_MESSAGE: &str = "The connection to the server was lost before it answered";
