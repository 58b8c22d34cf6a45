//! Errors and loggers that texts of others have got into.

use std::sync::Arc;

use super::{LONGEST, SentSecrets, cut, escape, foreign_text, shorten};
use crate::error::{Cause, Error};
use crate::host::{Level, Log, LogMeta, Logger};
use crate::telemetry::Operation;

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

/// A logger for lines that repeat what a server or a process said, which may be what it was sent.
pub fn foreign_log(
    logger: Logger,
    sent: impl Fn() -> SentSecrets + Send + Sync + 'static,
) -> Logger {
    struct Foreign<F> {
        logger: Logger,
        sent: F,
    }
    impl<F: Fn() -> SentSecrets + Send + Sync> Log for Foreign<F> {
        fn is_heard(&self, level: Level) -> bool {
            self.logger.is_heard(level)
        }

        fn passes_on(&self) -> bool {
            true
        }

        fn log(&self, level: Level, message: String, meta: LogMeta) {
            let sent = (self.sent)();
            let meta = match meta {
                LogMeta::Error(error) => LogMeta::Error(foreign_error(error, &sent)),
                other => other,
            };
            self.logger.with(level, foreign_text(&message, &sent), meta);
        }

        fn finished(&self, operation: Operation) {
            self.logger.finished(operation);
        }
    }
    Logger::new(Arc::new(Foreign { logger, sent }))
}
