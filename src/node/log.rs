//! Log lines on their way to the host's logger.
//!
//! Lines of one call are collected and cross together, in order: before the call's next callback, when it ends, or
//! after a few milliseconds. They are logged in the call's context.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::call::CallContext;
use super::errors;
use super::js::{JsResult, Scope};
use crate::host::{Level, Log, LogMeta};
use crate::telemetry::Operation;

struct Line {
    level: Level,
    message: String,
    meta: LogMeta,
}

#[derive(Default)]
pub struct LogBuffer {
    lines: Mutex<Vec<Line>>,
    operations: Mutex<Vec<Operation>>,
    scheduled: AtomicBool,
}

/// The logger of a call.
pub struct NodeLog {
    pub context: Arc<CallContext>,
    pub lines: Lines,
}

/// Where log lines go.
pub enum Lines {
    /// To the host's logger.
    Host,
    Stderr(StderrLog),
    Nowhere,
}

impl Log for NodeLog {
    fn log(&self, level: Level, message: String, meta: LogMeta) {
        match &self.lines {
            Lines::Host => {
                self.context.log.lines.lock().push(Line {
                    level,
                    message,
                    meta,
                });
                self.schedule();
            }
            Lines::Stderr(log) => log.log(level, &message, meta),
            Lines::Nowhere => {}
        }
    }

    fn finished(&self, operation: Operation) {
        if self.context.realm.listeners.want(&operation) {
            self.context.log.operations.lock().push(operation);
            self.schedule();
        }
    }
}

impl NodeLog {
    /// Has what was collected cross soon.
    fn schedule(&self) {
        let buffer = &self.context.log;
        if buffer.scheduled.swap(true, Ordering::AcqRel) {
            return;
        }
        let context = Arc::clone(&self.context);
        self.context
            .thread
            .post_unhurried(move |scope| context.flush_log(scope));
    }
}

impl CallContext {
    /// Gives all collected lines to the host's logger, and what has ended to whoever listens.
    pub fn flush_log(self: &Arc<Self>, scope: Scope<'_>) {
        self.log.scheduled.store(false, Ordering::Release);
        let operations = std::mem::take(&mut *self.log.operations.lock());
        if !operations.is_empty() {
            self.tell(scope, &operations);
        }
        let lines = std::mem::take(&mut *self.log.lines.lock());
        if lines.is_empty() {
            return;
        }
        for line in lines {
            self.inform(scope, logger_method(line.level), || {
                self.write(scope, &line)
            });
        }
    }

    fn write<'env>(&self, scope: Scope<'env>, line: &Line) -> JsResult<'env> {
        let logger = self.host(scope).get("logger")?;
        let method = logger.get(level_name(line.level))?;
        let message = scope.string(&line.message)?;
        match &line.meta {
            LogMeta::None => self.apply(method, logger, &[message]),
            LogMeta::Error(error) => {
                self.apply(method, logger, &[message, errors::for_log(scope, error)])
            }
            LogMeta::Fields(fields) => {
                let fields = scope.json(&serde_json::Value::Object(fields.clone()))?;
                self.apply(method, logger, &[message, fields])
            }
        }
    }
}

const fn level_name(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}

/// The method, as failures of it are counted.
const fn logger_method(level: Level) -> &'static str {
    match level {
        Level::Debug => "logger.debug",
        Level::Info => "logger.info",
        Level::Warn => "logger.warn",
        Level::Error => "logger.error",
    }
}

/// Without a host logger: to stderr, from the level in `MCP_NATIVE_LOG` on.
pub struct StderrLog(Level);

impl StderrLog {
    /// `None` where the variable is unset or names no level.
    pub fn from_variable(value: Option<&str>) -> Option<Self> {
        Some(Self(match value?.to_ascii_lowercase().as_str() {
            "debug" | "trace" | "1" | "true" => Level::Debug,
            "info" => Level::Info,
            "warn" => Level::Warn,
            "error" => Level::Error,
            _ => return None,
        }))
    }
}

impl StderrLog {
    fn log(&self, level: Level, message: &str, meta: LogMeta) {
        if level < self.0 {
            return;
        }
        let detail = match meta {
            LogMeta::None => String::new(),
            LogMeta::Error(error) => format!(" {error}"),
            LogMeta::Fields(fields) => format!(" {}", serde_json::Value::Object(fields)),
        };
        eprintln!("{} {message}{detail}", level_name(level));
    }
}
