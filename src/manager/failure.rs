//! What is remembered of a server that could not be reached.

use std::sync::Arc;

use serde::Serialize;

use crate::clock::now_ms;
use crate::error::{Code, Error};
use crate::foreign_text::safe_message;

/// Why the last attempt to connect to a server failed that did.
#[derive(Clone, Serialize)]
pub(super) struct Failure {
    /// In milliseconds since the epoch.
    at: i64,
    code: &'static str,
    message: Arc<str>,
}

impl Failure {
    /// A user who has to authorize, or leaves, is no failure of the server's, and a breaker that refuses says nothing new.
    pub fn of(error: &Error) -> Option<Self> {
        let says_nothing = matches!(error.code, Code::Aborted | Code::Closed | Code::CircuitOpen);
        (!says_nothing && !error.wants_user()).then(|| Self {
            at: now_ms(),
            code: error.code.as_str(),
            message: safe_message(error.message.clone()).into(),
        })
    }
}
