//! JSON-RPC 2.0 over text.

mod incoming;
mod outgoing;

pub use incoming::{
    Answer, AnswerTo, BYTE_ORDER_MARK, Incoming, NoMessage, Outcome, Request, RpcError, read,
    text_of,
};
pub use outgoing::{Meta, Params, answer, notification, request};
