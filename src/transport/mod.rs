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
mod no_answer;
mod outbox;
mod oversized;
mod refusal;
mod remote;
mod sse;
pub mod stdio;
mod streamable_http;
mod websocket;
mod wire;

pub use bearer::Bearer;
pub use events::{EventLimits, EventParser, Found};
pub use lane::Lane;
pub use log_limit::LogLimit;
pub use no_answer::lost;
pub use refusal::{forgotten, mentions_session, words};
pub use remote::Remote;
pub use sse::{SseTimeouts, SseWire};
pub use streamable_http::{HttpSession, Posted, StreamRefusal, StreamableHttp};
pub use websocket::WebSocketWire;
pub use wire::{Failure, Loss, Receiver, Reply, Sending, Waiting, Wire};
