//! Errors that stand for answers.

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

/// What stands for an answer over a limit.
pub(super) fn too_large(message: &str) -> Error {
    Error::mcp(Code::ResponseTooLarge, TRANSPORT_RPC_CODE, message)
}
