//! The host's logger, as the core sees it.

mod foreign;

pub use foreign::foreign_log;

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::error::Error;
use crate::foreign_text::{safe_error, safe_message};
use crate::telemetry::{Metrics, Operation};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// What goes beside a log message.
#[derive(Debug, Clone, Default)]
pub enum LogMeta {
    #[default]
    None,
    Error(Error),
    Fields(Map<String, Value>),
}

/// The host's logger.
pub trait Log: Send + Sync {
    /// Whether somebody reads lines of this level.
    fn is_heard(&self, _level: Level) -> bool {
        true
    }
    /// Whether the lines go on to another logger, as they are written. The last one makes them safe, since what changes them
    /// on the way looks for secrets in them.
    fn passes_on(&self) -> bool {
        false
    }
    fn log(&self, level: Level, message: String, meta: LogMeta);
    /// Whether somebody wants spans of what ends.
    fn wants_spans(&self) -> bool {
        false
    }
    /// Something has ended, for whoever wants events or spans.
    fn finished(&self, _operation: Operation) {}
}

/// The log of one call or connection.
#[derive(Clone)]
pub struct Logger(Arc<dyn Log>);

impl Logger {
    pub fn new(log: Arc<dyn Log>) -> Self {
        Self(log)
    }

    /// Discards everything.
    #[must_use]
    pub fn silent() -> Self {
        struct Silent;
        impl Log for Silent {
            fn is_heard(&self, _: Level) -> bool {
                false
            }
            fn log(&self, _: Level, _: String, _: LogMeta) {}
        }
        Self(Arc::new(Silent))
    }

    /// Begins every line with `prefix`, which is made for the lines that somebody reads.
    #[must_use]
    pub fn prefixed(self, prefix: impl Fn() -> String + Send + Sync + 'static) -> Self {
        struct Prefixed<F>(Logger, F);
        impl<F: Fn() -> String + Send + Sync> Log for Prefixed<F> {
            fn is_heard(&self, level: Level) -> bool {
                self.0.is_heard(level)
            }
            fn passes_on(&self) -> bool {
                true
            }
            fn log(&self, level: Level, message: String, meta: LogMeta) {
                let Self(logger, prefix) = self;
                logger.with(level, format!("{} {message}", prefix()), meta);
            }
            fn wants_spans(&self) -> bool {
                self.0.wants_spans()
            }
            fn finished(&self, operation: Operation) {
                self.0.finished(operation);
            }
        }
        Self(Arc::new(Prefixed(self, prefix)))
    }

    #[must_use]
    pub fn is_heard(&self, level: Level) -> bool {
        self.0.is_heard(level)
    }

    pub fn debug(&self, message: impl Into<String>) {
        self.with(Level::Debug, message, LogMeta::None);
    }

    /// For lines about every call: they are put together for those who read them.
    pub fn debug_with<M: Into<String>>(&self, message: impl FnOnce() -> M) {
        if self.is_heard(Level::Debug) {
            self.debug(message());
        }
    }

    pub fn info(&self, message: impl Into<String>) {
        self.with(Level::Info, message, LogMeta::None);
    }

    pub fn warn(&self, message: impl Into<String>) {
        self.with(Level::Warn, message, LogMeta::None);
    }

    pub fn error(&self, message: impl Into<String>) {
        self.with(Level::Error, message, LogMeta::None);
    }

    #[must_use]
    pub fn wants_spans(&self) -> bool {
        self.0.wants_spans()
    }

    pub fn finished(&self, operation: Operation) {
        self.0.finished(operation);
    }

    /// Every line passes here, so that none can hold what a terminal or a reader would take for something else.
    pub fn with(&self, level: Level, message: impl Into<String>, meta: LogMeta) {
        if !self.is_heard(level) {
            return;
        }
        if self.0.passes_on() {
            return self.0.log(level, message.into(), meta);
        }
        let meta = match meta {
            LogMeta::Error(error) => LogMeta::Error(safe_error(error)),
            other => other,
        };
        self.0.log(level, safe_message(message.into()), meta);
    }
}

/// `[MCP][User: id][server]`, without the user for shared connections.
#[must_use]
pub fn log_prefix(user_id: Option<&str>, server_name: &str) -> String {
    user_id.map_or_else(
        || format!("[MCP][{server_name}]"),
        |user| format!("[MCP][User: {user}][{server_name}]"),
    )
}

// The counters stand below the log, which tells the host of what is counted.
impl Metrics {
    /// Counts an operation and tells the host.
    pub fn record(&self, operation: Operation, logger: &Logger) {
        self.count(&operation);
        logger.finished(operation);
    }
}
