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

/// A request that was under way on a session that the server has forgotten.
pub(super) fn replaced() -> Error {
    Error::new(
        Code::ConnectionLost,
        "The server has forgotten the session before it answered",
    )
}
