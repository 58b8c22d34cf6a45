//! Log lines on their way to the host's logger.
//!
//! Lines of one call are collected and cross together, in order: before the call's next callback, when it ends, or
//! after a few milliseconds. They are logged in the call's context. Whoever causes more of them than the logger takes
//! loses some: what waits is bounded, and one turn of the event loop writes what fits into a slice of it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use super::call::CallContext;
use super::environment::LOG_VARIABLE;
use super::errors;
use super::js::{JsResult, Scope};
use super::prelude::Present;
use super::runtime::spawn;
use super::stderr_log::StderrLog;
use super::thread::SLICE;
use crate::host::{Environment, Level, Log, LogMeta, Logger};
use crate::log_room::{Dropped, Room, TELL_AGAIN};
use crate::telemetry::Operation;

/// What may wait for the host's logger, of one call or connection and of a runtime: lines, and bytes of them.
const OF_CALL: (usize, usize) = (1000, 1024 * 1024);
pub const OF_RUNTIME: (usize, usize) = (10_000, 8 * 1024 * 1024);
/// How many operations of one call may wait for their listeners.
const OPERATIONS: usize = 1000;
/// How many are told together.
const OPERATIONS_AT_ONCE: usize = 32;
/// Lines that are written whatever time it takes, so that those of an ordinary call come before its result.
const LINES_AT_LEAST: usize = 32;
struct Line {
    level: Level,
    message: String,
    meta: LogMeta,
    /// In bytes, about.
    size: usize,
}

pub struct LogBuffer {
    waiting: Mutex<Waiting>,
    room: Room,
    scheduled: AtomicBool,
}

#[derive(Default)]
struct Waiting {
    lines: VecDeque<Line>,
    operations: VecDeque<Operation>,
    dropped: Dropped,
    /// Somebody will come back for a warning that is not due yet.
    has_reminder: bool,
}

impl Default for LogBuffer {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            room: Room::new(OF_CALL),
            scheduled: AtomicBool::new(false),
        }
    }
}

impl LogBuffer {
    fn add(&self, line: Line, of_runtime: &Room) {
        let (level, size) = (line.level, line.size);
        let mut waiting = self.waiting.lock();
        if !self.room.take(level, size) {
            waiting.dropped.add();
        } else if of_runtime.take(level, size) {
            waiting.lines.push_back(line);
        } else {
            self.room.give_back(size);
            waiting.dropped.add();
        }
    }

    fn next(&self, of_runtime: &Room) -> Option<Line> {
        let mut waiting = self.waiting.lock();
        if let Some(message) = waiting.dropped.warning() {
            return Some(Line::new(Level::Warn, message, LogMeta::None));
        }
        let line = waiting.lines.pop_front()?;
        self.room.give_back(line.size);
        of_runtime.give_back(line.size);
        Some(line)
    }

    fn next_operations(&self) -> Vec<Operation> {
        let mut waiting = self.waiting.lock();
        let count = waiting.operations.len().min(OPERATIONS_AT_ONCE);
        waiting.operations.drain(..count).collect()
    }
}

impl Line {
    fn new(level: Level, message: String, meta: LogMeta) -> Self {
        let beside = match &meta {
            LogMeta::None => 0,
            LogMeta::Error(error) => error.message.len(),
            LogMeta::Fields(fields) => serde_json::to_string(fields).map_or(0, |text| text.len()),
        };
        let size = size_of::<Self>() + message.len() + beside;
        Self {
            level,
            message,
            meta,
            size,
        }
    }
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

    fn finished(&self, operation: Operation) {
        if self.context.realm.listeners.want(&operation) {
            let mut waiting = self.context.log.waiting.lock();
            if waiting.operations.len() < OPERATIONS {
                waiting.operations.push_back(operation);
            } else {
                waiting.dropped.add();
            }
            drop(waiting);
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
        let mut waiting = self.log.waiting.lock();
        if !waiting.dropped.is_untold() || std::mem::replace(&mut waiting.has_reminder, true) {
            return;
        }
        drop(waiting);
        let context = Arc::clone(self);
        spawn(async move {
            tokio::time::sleep(TELL_AGAIN).await;
            context.log.waiting.lock().has_reminder = false;
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

pub const fn level_name(level: Level) -> &'static str {
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
