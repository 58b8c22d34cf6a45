//! What may wait for a log that is written more slowly than it is filled.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::log::Level;

/// Between two warnings about what was dropped.
pub const TELL_AGAIN: Duration = Duration::from_secs(1);

/// How much waits somewhere, and how much may. Warnings and errors may fill all of it, other lines half.
pub struct Room {
    most: (usize, usize),
    lines: AtomicUsize,
    bytes: AtomicUsize,
}

impl Room {
    #[must_use]
    /// At most so many lines, and bytes of them.
    pub const fn new(most: (usize, usize)) -> Self {
        Self {
            most,
            lines: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
        }
    }

    /// Takes room for one line, where there is some.
    #[must_use]
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

    /// Gives the room of a line back.
    pub fn give_back(&self, size: usize) {
        self.lines.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(size, Ordering::Relaxed);
    }

    #[must_use]
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
    #[must_use]
    /// Nothing was dropped yet.
    pub const fn none() -> Self {
        Self {
            count: 0,
            told: None,
        }
    }

    /// One more line.
    pub const fn add(&mut self) {
        self.count = self.count.saturating_add(1);
    }

    /// Whether somebody has yet to be told.
    #[must_use]
    pub const fn is_untold(&self) -> bool {
        self.count > 0
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

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(room: &Room, level: Level, size: usize) -> usize {
        (0..1000).filter(|_| room.take(level, size)).count()
    }

    #[test]
    fn warnings_find_room_where_other_lines_find_none() {
        let room = Room::new((100, 10_000));
        assert_eq!(taken(&room, Level::Debug, 10), 50);
        assert_eq!(taken(&room, Level::Info, 10), 0);
        assert_eq!(taken(&room, Level::Error, 10), 50);
        assert_eq!(taken(&room, Level::Warn, 10), 0);
        (0..100).for_each(|_| room.give_back(10));
        assert!(room.is_empty());
        assert_eq!(taken(&room, Level::Warn, 10), 100);
    }

    #[test]
    fn long_lines_take_more_room() {
        let room = Room::new((100, 10_000));
        assert_eq!(taken(&room, Level::Debug, 1000), 5);
        assert_eq!(taken(&room, Level::Error, 1000), 5);
        assert!(!room.take(Level::Error, usize::MAX));
    }

    #[test]
    fn what_was_dropped_is_told_once() {
        let mut dropped = Dropped::default();
        assert_eq!(dropped.warning(), None);
        dropped.add();
        dropped.add();
        let warning = dropped.warning().unwrap();
        assert!(warning.starts_with("[MCP] 2 log lines were dropped"));
        dropped.add();
        assert_eq!(dropped.warning(), None, "told a moment ago");
        assert!(dropped.is_untold());
    }
}
