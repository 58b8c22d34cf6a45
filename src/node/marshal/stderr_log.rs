//! Without a logger of the host: lines to stderr, from a level on.
//!
//! One thread writes them. Stderr may be a pipe that nobody reads, and whoever writes to that waits forever; the threads
//! that work for calls must not.

use std::io::{ErrorKind, Write};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::host::{Level, LogMeta};
use crate::log_room::{Dropped, Room};

/// What may wait to be written: lines, and bytes of them.
const MOST: (usize, usize) = (10_000, 4 * 1024 * 1024);
/// How long what waits may hold up the end of the process.
const LAST_WRITES: Duration = Duration::from_millis(200);
/// Between two attempts where stderr takes nothing, and does not wait.
const AGAIN: Duration = Duration::from_millis(5);

pub struct StderrLog(Level);

static ROOM: Room = Room::new(MOST);
static LINES: Mutex<Option<Sender<String>>> = Mutex::new(None);
static DROPPED: Mutex<Dropped> = Mutex::new(Dropped::none());

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

    pub fn is_heard(&self, level: Level) -> bool {
        level >= self.0
    }

    /// Writes a line of a level that is heard.
    pub fn log(level: Level, message: &str, meta: LogMeta) {
        let detail = match meta {
            LogMeta::None => String::new(),
            LogMeta::Error(error) => format!(" {error}"),
            LogMeta::Fields(fields) => format!(" {}", serde_json::Value::Object(fields)),
        };
        let line = format!("{} {message}{detail}\n", level_name(level));
        let size = line.len();
        if !ROOM.take(level, size) {
            DROPPED.lock().add();
        } else if !hand_over(line) {
            ROOM.give_back(size);
            DROPPED.lock().add();
        }
    }
}

/// Whether there is a thread that writes the line.
fn hand_over(line: String) -> bool {
    let mut lines = LINES.lock();
    let sender = match &*lines {
        Some(sender) => sender,
        None => match start() {
            Ok(sender) => lines.insert(sender),
            // The next line tries again.
            Err(_) => return false,
        },
    };
    sender.send(line).is_ok()
}

fn start() -> std::io::Result<Sender<String>> {
    let (sender, lines) = mpsc::channel();
    thread::Builder::new()
        .name("mcp-log".to_owned())
        .spawn(move || write_all(&lines))?;
    Ok(sender)
}

fn write_all(lines: &Receiver<String>) {
    for line in lines {
        write(&line);
        ROOM.give_back(line.len());
        let warning = DROPPED.lock().warning();
        if let Some(warning) = warning {
            write(&format!("{} {warning}\n", level_name(Level::Warn)));
        }
    }
}

/// A stderr that is closed loses the line, and nothing else.
fn write(line: &str) {
    let mut rest = line.as_bytes();
    while !rest.is_empty() {
        match std::io::stderr().write(rest) {
            Ok(0) => return,
            Ok(written) => rest = &rest[written..],
            // Node may have set the pipe so.
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(AGAIN),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// Blocks until what waits is written, for a moment at most: the process is about to end.
pub fn finish() {
    let until = Instant::now() + LAST_WRITES;
    while !ROOM.is_empty() && Instant::now() < until {
        thread::sleep(Duration::from_millis(1));
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
