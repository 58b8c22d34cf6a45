//! Many calls at once: JavaScript's thread begins as many as fit into a moment, and the others in turns that follow, so
//! that the event loop is not held for as long as hundreds of calls take to read.

use std::time::Duration;

/// How long jobs hold the event loop before it gets to do something else, and calls that start without a pause.
pub const SLICE: Duration = Duration::from_micros(500);

/// What JavaScript has begun since its last pause.
#[derive(Default)]
pub struct Burst {
    spent: Duration,
    /// Calls that have yet to begin.
    waiting: usize,
}

impl Burst {
    /// JavaScript makes a pause.
    pub fn pause(&mut self) {
        self.spent = Duration::ZERO;
    }

    /// Calls begin in the order in which they are made: one that comes while others wait has to wait as well.
    #[must_use]
    pub fn is_over_budget(&self) -> bool {
        self.waiting > 0 || self.spent > SLICE
    }

    /// A call has begun, for which JavaScript's thread took this long.
    pub fn spend(&mut self, time: Duration) {
        self.spent += time;
    }

    /// A call is to begin in a following turn.
    pub fn postpone(&mut self) {
        self.waiting += 1;
    }

    /// It begins.
    pub fn admit(&mut self) {
        self.waiting -= 1;
    }
}
