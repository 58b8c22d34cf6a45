//! Log lines on their way to the host's logger.
//!
//! Lines of one call are collected and cross together, in order: before the call's next callback, when it ends, or
//! after a few milliseconds. They are logged in the call's context. Whoever causes more of them than the logger takes
//! loses some: what waits is bounded, and one turn of the event loop writes what fits into a slice of it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::call::CallContext;
use super::errors;
use super::js::{JsResult, Scope, Value};
use super::runtime::spawn;
use super::stderr_log::StderrLog;
use super::thread::SLICE;
use crate::host::{Level, Log, LogMeta};
use crate::telemetry::Operation;

/// What may wait for the host's logger, of one call or connection and of a runtime: lines, and bytes of them.
const OF_CALL: (usize, usize) = (1000, 1024 * 1024);
const OF_RUNTIME: (usize, usize) = (10_000, 8 * 1024 * 1024);
/// How many operations of one call may wait for their listeners.
const OPERATIONS: usize = 1000;
/// How many are told together.
const OPERATIONS_AT_ONCE: usize = 32;
/// Lines that are written whatever time it takes, so that those of an ordinary call come before its result.
const LINES_AT_LEAST: usize = 32;
/// Between two warnings about what was dropped.
pub const TELL_AGAIN: Duration = Duration::from_secs(1);

struct Line {
    level: Level,
    message: String,
    meta: LogMeta,
    /// In bytes, about.
    size: usize,
}

/// How much waits somewhere, and how much may. Warnings and errors may fill all of it, other lines half.
pub struct Room {
    most: (usize, usize),
    lines: AtomicUsize,
    bytes: AtomicUsize,
}

impl Room {
    pub const fn new(most: (usize, usize)) -> Self {
        Self {
            most,
            lines: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
        }
    }

    pub const fn of_runtime() -> Self {
        Self::new(OF_RUNTIME)
    }

    /// Takes room for one line, where there is some.
    pub fn take(&self, level: Level, size: usize) -> bool {
        let share = if level >= Level::Warn { 1 } else { 2 };
        let (lines, bytes) = self.most;
        let before = (
            self.lines.fetch_add(1, Ordering::Relaxed),
            self.bytes.fetch_add(size, Ordering::Relaxed),
        );
        let fits = before.0 < lines / share && before.1.saturating_add(size) <= bytes / share;
        if !fits {
            self.give_back(size);
        }
        fits
    }

    pub fn give_back(&self, size: usize) {
        self.lines.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(size, Ordering::Relaxed);
    }

    pub fn is_empty(&self) -> bool {
        self.lines.load(Ordering::Relaxed) == 0
    }
}

/// What was dropped, and when somebody was told.
#[derive(Default)]
pub struct Dropped {
    count: u64,
    told: Option<Instant>,
}

impl Dropped {
    pub const fn none() -> Self {
        Self {
            count: 0,
            told: None,
        }
    }

    pub const fn add(&mut self) {
        self.count = self.count.saturating_add(1);
    }

    /// The warning that is due: at most one a second.
    pub fn warning(&mut self) -> Option<String> {
        if self.count == 0 || self.told.is_some_and(|at| at.elapsed() < TELL_AGAIN) {
            return None;
        }
        self.told = Some(Instant::now());
        let count = std::mem::take(&mut self.count);
        Some(format!(
            "[MCP] {count} log lines were dropped: they came faster than they could be written"
        ))
    }
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
    fn log(&self, level: Level, message: String, meta: LogMeta) {
        match &self.lines {
            Lines::Host => {
                let line = Line::new(level, message, meta);
                self.context.log.add(line, &self.context.realm.log);
                self.context.schedule_log();
            }
            Lines::Stderr(log) => log.log(level, &message, meta),
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
    fn tell_operations(&self, scope: Scope<'_>, end: Instant) -> bool {
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
    fn write_lines(&self, scope: Scope<'_>, end: Instant) -> bool {
        let mut logger = None;
        for count in 1.. {
            let Some(line) = self.log.next(&self.realm.log) else {
                return true;
            };
            if logger.is_none() {
                logger = self.host(scope).get("logger").ok();
            }
            // A logger that throws must not break what is logged.
            if let Some(logger) = logger {
                let _ = self.write(scope, logger, &line);
            }
            if count >= LINES_AT_LEAST && Instant::now() >= end {
                return false;
            }
        }
        true
    }

    /// Lines were dropped a moment after somebody was told: they are told about even if no other line follows.
    fn remind_of_dropped(self: &Arc<Self>) {
        let mut waiting = self.log.waiting.lock();
        if waiting.dropped.count == 0 || std::mem::replace(&mut waiting.has_reminder, true) {
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

    fn write<'env>(
        &self,
        scope: Scope<'env>,
        logger: Value<'env>,
        line: &Line,
    ) -> JsResult<'env, ()> {
        let method = logger.get(level_name(line.level))?;
        let message = scope.string(&line.message)?;
        match &line.meta {
            LogMeta::None => self.apply(method, logger, &[message])?,
            LogMeta::Error(error) => {
                self.apply(method, logger, &[message, errors::for_log(scope, error)])?
            }
            LogMeta::Fields(fields) => {
                let fields = scope.json(&serde_json::Value::Object(fields.clone()))?;
                self.apply(method, logger, &[message, fields])?
            }
        };
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(buffer: &LogBuffer, of_runtime: &Room, level: Level, count: usize) {
        for number in 0..count {
            let line = Line::new(level, number.to_string(), LogMeta::None);
            buffer.add(line, of_runtime);
        }
    }

    fn drain(buffer: &LogBuffer, of_runtime: &Room) -> Vec<(Level, String)> {
        std::iter::from_fn(|| buffer.next(of_runtime))
            .map(|line| (line.level, line.message))
            .collect()
    }

    #[test]
    fn a_flood_of_lines_is_bounded_and_leaves_room_for_warnings() {
        let (buffer, of_runtime) = (LogBuffer::default(), Room::of_runtime());
        fill(&buffer, &of_runtime, Level::Debug, 100_000);
        fill(&buffer, &of_runtime, Level::Error, 10);
        let lines = drain(&buffer, &of_runtime);
        assert_eq!(lines.len(), 1 + OF_CALL.0 / 2 + 10);
        let (level, warning) = &lines[0];
        assert_eq!(*level, Level::Warn);
        assert!(
            warning.contains(" 99500 log lines were dropped"),
            "{warning}"
        );
        assert_eq!(lines[1], (Level::Debug, "0".to_owned()));
        assert_eq!(lines[lines.len() - 1], (Level::Error, "9".to_owned()));
        assert!(buffer.room.is_empty() && of_runtime.is_empty());
        fill(&buffer, &of_runtime, Level::Debug, 100_000);
        let again = drain(&buffer, &of_runtime);
        assert_eq!(again.len(), OF_CALL.0 / 2, "told a moment ago");
    }

    #[test]
    fn a_runtime_holds_less_than_its_calls_together() {
        let of_runtime = Room::of_runtime();
        let buffers: Vec<_> = (0..100).map(|_| LogBuffer::default()).collect();
        for buffer in &buffers {
            fill(buffer, &of_runtime, Level::Warn, OF_CALL.0);
        }
        let held: usize = buffers
            .iter()
            .map(|one| one.waiting.lock().lines.len())
            .sum();
        assert_eq!(held, OF_RUNTIME.0);
    }

    #[test]
    fn long_lines_take_more_room() {
        let (buffer, of_runtime) = (LogBuffer::default(), Room::of_runtime());
        for _ in 0..100 {
            let line = Line::new(Level::Debug, "x".repeat(100_000), LogMeta::None);
            buffer.add(line, &of_runtime);
        }
        let held = buffer.waiting.lock().lines.len();
        assert!((2..=5).contains(&held), "{held}");
    }
}
