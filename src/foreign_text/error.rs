//! Errors that texts of others have got into.

use std::sync::Arc;

use super::characters::{cut, escape, shorten};
use super::{LONGEST, SentSecrets, foreign_text};
use crate::error::{Cause, Error};

/// The error, and those that caused it, with messages as [`foreign_text`] makes them, and challenges without secrets: what
/// a server asks for in one is told to the user and to authorization servers. What the host threw is the host's.
#[must_use]
pub fn foreign_error(error: Error, sent: &SentSecrets) -> Error {
    change(error, &|error| {
        // Hosts know these errors by how they begin, whatever somebody's secret is.
        let begin = error.message.find(": ").filter(|_| error.is_mcp_error());
        let (begin, text) = error.message.split_at(begin.unwrap_or_default());
        Error {
            message: format!("{begin}{}", foreign_text(text, sent)),
            challenge: error
                .challenge
                .map(|challenge| sent.cut_out(cut(&challenge, LONGEST * 2))),
            data: error.data.filter(|data| !sent.are_in(&data.to_string())),
            ..error
        }
    })
}

/// The error with messages that a log or a terminal can take.
#[must_use]
pub fn safe_error(error: Error) -> Error {
    change(error, &|error| Error {
        message: safe_message(error.message),
        ..error
    })
}

/// Changes an error and those that caused it.
fn change(error: Error, one: &dyn Fn(Error) -> Error) -> Error {
    let mut error = one(error);
    if let Some(Cause::Error(inner)) = error.cause {
        let inner = change(Arc::unwrap_or_clone(inner), one);
        error.cause = Some(Cause::Error(Arc::new(inner)));
    }
    error
}

/// A message of ours that a log or a terminal can take, whatever got into it: escaped, and at most 8 KiB.
#[must_use]
pub fn safe_message(message: String) -> String {
    const LONGEST: usize = 8 * 1024;
    let message = match escape(&message) {
        std::borrow::Cow::Borrowed(_) => message,
        std::borrow::Cow::Owned(escaped) => escaped,
    };
    shorten(message, LONGEST)
}
