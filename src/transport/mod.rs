//! Bytes to messages.

mod bearer;
mod events;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;

mod inbox;
mod lane;
mod limits;
mod log_limit;
pub mod message;
mod outbox;
mod oversized;
mod refusal;
mod remote;
mod sse;
pub mod stdio;
mod streamable_http;
mod websocket;

pub use bearer::Bearer;
pub use events::{EventLimits, EventParser, Found};
pub use lane::{Failure, Lane, Loss, Receiver, Reply, Sending, Waiting, Wire};
pub use log_limit::LogLimit;
pub use refusal::{forgotten, mentions_session, words};
pub use remote::Remote;
pub use sse::{SseTimeouts, SseWire};
pub use streamable_http::{HttpSession, Posted, StreamRefusal, StreamableHttp};
pub use websocket::WebSocketWire;

use crate::error::{Code, Error};

/// JSON-RPC code of the errors that stand for an answer over a limit, as in the reference.
const TRANSPORT_RPC_CODE: i64 = -32000;

/// What stands for an answer that can no longer come.
#[must_use]
pub fn lost() -> Error {
    Error::mcp(
        Code::ConnectionLost,
        TRANSPORT_RPC_CODE,
        "The connection to the server was lost before it answered",
    )
}
