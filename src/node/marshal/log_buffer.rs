//! What waits for the host's logger and for whoever listens to operations. It is bounded; what is dropped is counted.

use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;

use parking_lot::Mutex;

use crate::host::{Level, LogMeta};
use crate::log_room::{Dropped, Room};
use crate::telemetry::Operation;

/// What may wait for the host's logger, of one call or connection and of a runtime: lines, and bytes of them.
const OF_CALL: (usize, usize) = (1000, 1024 * 1024);
pub const OF_RUNTIME: (usize, usize) = (10_000, 8 * 1024 * 1024);
/// How many operations of one call may wait for their listeners.
const OPERATIONS: usize = 1000;
/// How many are told together.
const OPERATIONS_AT_ONCE: usize = 32;

pub struct Line {
    pub level: Level,
    pub message: String,
    pub meta: LogMeta,
    /// In bytes, about.
    size: usize,
}

pub struct LogBuffer {
    waiting: Mutex<Waiting>,
    room: Room,
    pub scheduled: AtomicBool,
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
    pub fn add(&self, line: Line, of_runtime: &Room) {
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

    pub fn next(&self, of_runtime: &Room) -> Option<Line> {
        let mut waiting = self.waiting.lock();
        if let Some(message) = waiting.dropped.warning() {
            return Some(Line::new(Level::Warn, message, LogMeta::None));
        }
        let line = waiting.lines.pop_front()?;
        self.room.give_back(line.size);
        of_runtime.give_back(line.size);
        Some(line)
    }

    pub fn add_operation(&self, operation: Operation) {
        let mut waiting = self.waiting.lock();
        if waiting.operations.len() < OPERATIONS {
            waiting.operations.push_back(operation);
        } else {
            waiting.dropped.add();
        }
    }

    /// Whether somebody has to come back for what was dropped, and nobody does yet.
    pub fn wants_reminder(&self) -> bool {
        let mut waiting = self.waiting.lock();
        waiting.dropped.is_untold() && !std::mem::replace(&mut waiting.has_reminder, true)
    }

    /// Somebody comes back.
    pub fn is_reminded(&self) {
        self.waiting.lock().has_reminder = false;
    }

    pub fn next_operations(&self) -> Vec<Operation> {
        let mut waiting = self.waiting.lock();
        let count = waiting.operations.len().min(OPERATIONS_AT_ONCE);
        waiting.operations.drain(..count).collect()
    }
}

impl Line {
    pub fn new(level: Level, message: String, meta: LogMeta) -> Self {
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
