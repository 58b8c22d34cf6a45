//! What goes over a wire to a server, and who takes what comes.

use async_trait::async_trait;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::value::RawValue;

use super::message::{Incoming, RpcError};
use crate::error::{Error, Result};

/// A wire on which one stream carries all answers. Dropping it ends everything.
#[async_trait]
pub trait Wire: Send + Sync {
    /// Resolves when the server has taken the message, or the system has for it.
    async fn send(&self, sending: Sending<'_>) -> Result<(), Failure>;
    /// The server has forgotten the session: what has to be done before another handshake, where the session is the wire's.
    async fn reset(&self) -> Result<()> {
        Ok(())
    }
    /// Ends it in order, within a bound.
    async fn close(&self);
}

/// Whoever takes what a server sends.
pub trait Receiver: Send + Sync {
    /// One message. `during`: the request on whose answer's stream it came.
    fn receive(&self, message: Incoming<'_>, during: Option<u64>);
    /// Whether this request waits no more.
    fn has_answer(&self, id: u64) -> bool;
    /// The answer to this request cannot come, or not be taken.
    fn fail(&self, id: u64, error: Error);
    /// Which requests wait for an answer.
    fn waiting(&self) -> Waiting;
    /// The requests that wait for an answer.
    fn awaited(&self) -> Vec<u64>;
    /// Answers to these requests were on their way and do not come; the wire goes on.
    fn lost(&self, awaited: &[u64]);
    /// The server knows nothing of the session any more, and wants a new handshake.
    fn forgotten(&self);
    /// The server refuses another GET stream because it holds on to the one before (409), though that is lost.
    fn conflicted(&self);
    /// The wire has ended.
    fn over(&self);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    Nobody,
    One(u64),
    Several,
}

/// A message on its way to the server.
pub struct Sending<'a> {
    pub text: Vec<u8>,
    /// Of a request; notifications and answers have none.
    pub id: Option<u64>,
    /// Headers of one call, over those of the connection.
    pub call: Option<&'a HeaderMap>,
    /// What the protocol wants as headers (SEP-2243), and the host's traces, in place of the connection's.
    pub standard: Vec<(HeaderName, HeaderValue)>,
    /// Whether the server may be sent it twice: a tool may not be run again.
    pub is_repeatable: bool,
}

/// What a server answers to a request.
#[derive(Debug)]
pub enum Reply {
    Result(Box<RawValue>),
    Error(RpcError),
    /// An answer with neither of both.
    Empty,
}

/// Why a request has no reply.
#[derive(Debug, Clone)]
pub struct Failure {
    pub error: Error,
    pub loss: Loss,
    /// What the server wrote, hashed, where that is how it may refuse whatever names the session. No error quotes it.
    pub words: Option<u64>,
    /// The server's own JSON-RPC error to this request, in the body of an HTTP 400 or 404.
    pub answer: Option<Box<RpcError>>,
}

/// Whether the server has forgotten the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    No,
    /// The refusal may be one of this request alone.
    Perhaps,
    /// The request was refused for its session, and has not been looked at.
    Certain,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            error,
            loss: Loss::No,
            words: None,
            answer: None,
        }
    }
}
