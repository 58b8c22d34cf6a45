//! Errors of a session, in the texts and codes of the TypeScript SDK, which LibreChat matches on.

use crate::error::{Code, Error};
use crate::transport::message::RpcError;

/// JSON-RPC: method not found.
pub(super) const METHOD_NOT_FOUND: i64 = -32601;
/// The SDK's code of a request that was not answered in time.
const REQUEST_TIMEOUT: i64 = -32001;
/// The SDK's code of a connection that is gone.
const CONNECTION_CLOSED: i64 = -32000;

/// A connection that is gone.
pub fn gone() -> Error {
    Error::mcp(Code::ConnectionLost, CONNECTION_CLOSED, "Connection closed")
}

pub(super) fn unanswered() -> Error {
    Error::mcp(Code::Timeout, REQUEST_TIMEOUT, "Request timed out")
}

/// The server's own JSON-RPC error.
pub(super) fn server_error(answer: &RpcError) -> Error {
    Error::mcp(Code::ServerError, answer.code, &answer.message)
}

const SUPERSEDED: &str =
    "The user has signed in anew or out, and the session is of the login before";

/// A request that was not sent, because the tokens of now may be of another login than the session.
pub(super) fn superseded() -> Error {
    Error::new(Code::ConnectionLost, SUPERSEDED)
}

/// Whether a new connection can be asked the same.
#[must_use]
pub fn is_superseded(error: &Error) -> bool {
    let cause = error.innermost();
    cause.code == Code::ConnectionLost && cause.message == SUPERSEDED
}

/// A request that was under way on a session that the server has forgotten.
pub(super) fn replaced() -> Error {
    Error::new(
        Code::ConnectionLost,
        "The server has forgotten the session before it answered",
    )
}
