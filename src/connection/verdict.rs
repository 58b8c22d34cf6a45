//! What the outcome of a transmission says of the session.

use super::engine::Agreed;
use super::failures::METHOD_NOT_FOUND;
use super::generation::Generation;
use super::url_elicitation::error_of;
use crate::error::{Code, Error, Result};
use crate::transport::message::RpcError;
use crate::transport::{Failure, Loss, Reply, mentions_session, words};

/// JSON-RPC: the implementation's own errors begin here, with what no other code says.
const SERVER_ERROR: i64 = -32000;
/// JSON-RPC: invalid request.
const INVALID_REQUEST: i64 = -32600;
/// What servers that follow the TypeScript SDK answer for a session that they do not know.
const SESSION_NOT_FOUND: i64 = -32001;
/// JSON-RPC: invalid params, which some servers answer to a ping.
pub(super) const INVALID_PARAMS: i64 = -32602;

/// What the outcome of a transmission says of the session.
pub(super) fn verdict(
    agreed: &Agreed,
    method: &str,
    outcome: Result<Reply, Failure>,
) -> Result<Reply, Box<Failure>> {
    let mut failure = match outcome {
        Ok(Reply::Error(error)) => Failure {
            error: error_of(&error, &agreed.described.version),
            loss: loss_of(method, &error),
            words: words(&error.message),
            answer: None,
        },
        Ok(reply) => return Ok(reply),
        Err(failure) => failure,
    };
    if failure.error.code == Code::InvalidResponse && agreed.http.id.is_some() {
        failure.loss = Loss::Perhaps;
    }
    Err(Box::new(failure))
}

/// What a request has failed with, once it was judged. A server of 2026-07-28 gives its own errors an HTTP status, too; what
/// older ones refuse with a status is the transport's.
pub(super) fn error_for(agreed: &Agreed, failure: Failure) -> Error {
    let is_modern = agreed.described.generation() == Generation::Discover;
    match failure.answer.filter(|_| is_modern) {
        Some(answer) => Error {
            status: failure.error.status,
            ..error_of(&answer, &agreed.described.version)
        },
        None => failure.error,
    }
}

/// What a JSON-RPC error says of the session.
fn loss_of(method: &str, error: &RpcError) -> Loss {
    let is_suspicious = mentions_session(&error.message)
        || match error.code {
            METHOD_NOT_FOUND => false,
            INVALID_PARAMS => is_list(method),
            SESSION_NOT_FOUND | SERVER_ERROR | INVALID_REQUEST => true,
            _ => is_list(method) || method == "ping",
        };
    if is_suspicious {
        Loss::Perhaps
    } else {
        Loss::No
    }
}

/// Whether a server that has not forgotten the session may fail to list like this.
pub(super) fn is_fault_of_list(method: &str, error: &Error) -> bool {
    let is_suspicious = mentions_session(&error.message)
        || match (error.rpc_code, error.status) {
            (Some(code), _) => matches!(
                code,
                SESSION_NOT_FOUND | SERVER_ERROR | INVALID_REQUEST | INVALID_PARAMS
            ),
            (None, status) => status.is_none_or(|status| status < 500),
        };
    is_list(method) && !is_suspicious
}

fn is_list(method: &str) -> bool {
    method.ends_with("/list")
}

/// Whether a request was refused as everything is that names the forgotten session.
pub(super) fn is_refused_like(known: &Failure, failure: &Failure) -> bool {
    let (refusal, error) = (&known.error, &failure.error);
    // The message of an HTTP failure has what the server said, in which the id is another for each request.
    let says_same = error.rpc_code.is_none() || refusal.message == error.message;
    let is_same = (refusal.code, refusal.status, refusal.rpc_code)
        == (error.code, error.status, error.rpc_code)
        && says_same;
    let has_same_words = known.words.is_some() && known.words == failure.words;
    is_same && has_same_words && error.status.is_none_or(|status| status < 500)
}
