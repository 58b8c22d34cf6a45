//! A logger that texts of others get into.

use std::sync::Arc;

use super::{Level, Log, LogMeta, Logger};
use crate::foreign_text::{SentSecrets, foreign_error, foreign_text};
use crate::telemetry::Operation;

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

        fn wants_spans(&self) -> bool {
            self.logger.wants_spans()
        }

        fn finished(&self, operation: Operation) {
            self.logger.finished(operation);
        }
    }
    Logger::new(Arc::new(Foreign { logger, sent }))
}
