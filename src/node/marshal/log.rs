//! Log lines on their way to the host's logger.
//!
//! Lines of one call are collected and cross together, in order: before the call's next callback, when it ends, or
//! after a few milliseconds. They are logged in the call's context. Whoever causes more of them than the logger takes
//! loses some: what waits is bounded, and one turn of the event loop writes what fits into a slice of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::context::CallContext;
use super::environment::LOG_VARIABLE;
use super::errors;
use super::log_buffer::Line;
use super::stderr_log::{StderrLog, level_name};
use crate::host::{Environment, Level, Log, LogMeta, Logger};
use crate::log_room::TELL_AGAIN;
use crate::node::engine::workers::spawn;
use crate::node::engine::{JsResult, Present, Scope};
use crate::scheduler::SLICE;
use crate::telemetry::Operation;

/// Lines that are written whatever time it takes, so that those of an ordinary call come before its result.
const LINES_AT_LEAST: usize = 32;

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
    fn is_heard(&self, level: Level) -> bool {
        match &self.lines {
            Lines::Host => true,
            Lines::Stderr(log) => log.is_heard(level),
            Lines::Nowhere => false,
        }
    }

    fn log(&self, level: Level, message: String, meta: LogMeta) {
        match &self.lines {
            Lines::Host => {
                let line = Line::new(level, message, meta);
                self.context.log.add(line, &self.context.realm.log);
                self.context.schedule_log();
            }
            Lines::Stderr(_) => StderrLog::log(level, &message, meta),
            Lines::Nowhere => {}
        }
    }

    fn wants_spans(&self) -> bool {
        self.context.realm.listeners.spans
    }

    fn finished(&self, operation: Operation) {
        if self.context.realm.listeners.want(&operation) {
            self.context.log.add_operation(operation);
            self.context.schedule_log();
        }
    }
}

impl CallContext {
    /// Has what was collected cross soon.
    fn schedule_log(self: &Arc<Self>) {
        if !self.log.scheduled.swap(true, Ordering::AcqRel) {
            let context = Arc::clone(self);
            self.thread
                .post_unhurried(move |scope| context.flush_log(scope));
        }
    }

    /// Gives collected lines to the host's logger, and what has ended to whoever listens: what fits into a slice. The
    /// rest follows in turns of its own.
    pub fn flush_log(self: &Arc<Self>, scope: Scope<'_>) {
        self.log.scheduled.store(false, Ordering::Release);
        let end = Instant::now() + SLICE;
        if self.tell_operations(scope, end) && self.write_lines(scope, end) {
            self.remind_of_dropped();
        } else if !self.log.scheduled.swap(true, Ordering::AcqRel) {
            let context = Arc::clone(self);
            self.thread.post(move |scope| context.flush_log(scope));
        }
    }

    /// Whether all could be told.
    fn tell_operations(self: &Arc<Self>, scope: Scope<'_>, end: Instant) -> bool {
        loop {
            let operations = self.log.next_operations();
            if operations.is_empty() {
                return true;
            }
            self.tell(scope, &operations);
            if Instant::now() >= end {
                return false;
            }
        }
    }

    /// Whether all could be written.
    fn write_lines(self: &Arc<Self>, scope: Scope<'_>, end: Instant) -> bool {
        for count in 1.. {
            let Some(line) = self.log.next(&self.realm.log) else {
                return true;
            };
            self.inform(scope, logger_method(line.level), || {
                self.write(scope, &line)
            });
            if count >= LINES_AT_LEAST && Instant::now() >= end {
                return false;
            }
        }
        true
    }

    /// Lines were dropped a moment after somebody was told: they are told about even if no other line follows.
    fn remind_of_dropped(self: &Arc<Self>) {
        if !self.log.wants_reminder() {
            return;
        }
        let context = Arc::clone(self);
        spawn(async move {
            tokio::time::sleep(TELL_AGAIN).await;
            context.log.is_reminded();
            context.schedule_log();
        });
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

/// The method, as failures of it are counted.
const fn logger_method(level: Level) -> &'static str {
    match level {
        Level::Debug => "logger.debug",
        Level::Info => "logger.info",
        Level::Warn => "logger.warn",
        Level::Error => "logger.error",
    }
}

/// The host's logger, in the context of the call; else stderr, where the variable asks for it.
pub fn logger_of(
    services: Present,
    context: &Arc<CallContext>,
    environment: &Environment,
) -> Logger {
    let lines = if services.has("logger") {
        Lines::Host
    } else {
        StderrLog::from_variable(environment.get(LOG_VARIABLE).as_deref())
            .map_or(Lines::Nowhere, Lines::Stderr)
    };
    Logger::new(Arc::new(NodeLog {
        context: Arc::clone(context),
        lines,
    }))
}
