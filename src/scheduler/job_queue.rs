//! Jobs that any thread queues, and one takes.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parking_lot::Mutex;

/// Jobs in the order in which they came. While there are some, there is one [`Drain`]: whoever is given it has to bring it
/// to the thread that runs them.
pub struct JobQueue<J>(Mutex<State<J>>);

struct State<J> {
    waiting: VecDeque<J>,
    /// Jobs for the next drain, for which they alone do not ask.
    unhurried: Vec<J>,
    /// Somebody will ask for a drain if there is none before.
    has_reminder: bool,
    /// A drain is on its way, or under way.
    has_drain: bool,
    /// There will be no drain again.
    is_over: bool,
}

/// The right and the duty to run what waits. One that is dropped was the last: nothing runs jobs any more.
#[must_use]
pub struct Drain<J>(Option<Arc<JobQueue<J>>>);

impl<J> Default for JobQueue<J> {
    fn default() -> Self {
        Self(Mutex::new(State {
            waiting: VecDeque::new(),
            unhurried: Vec::new(),
            has_reminder: false,
            has_drain: false,
            is_over: false,
        }))
    }
}

impl<J> JobQueue<J> {
    /// Queues jobs. They are dropped unrun when the queue is over.
    pub fn post(self: &Arc<Self>, jobs: impl IntoIterator<Item = J>) -> Option<Drain<J>> {
        let mut state = self.0.lock();
        if state.is_over {
            // What jobs hold may queue others when it is dropped.
            drop(state);
            return None;
        }
        state.waiting.extend(jobs);
        self.ask(&mut state)
    }

    /// Queues a job for the next drain, whatever that is for. Where this returns true, somebody has to call
    /// [`JobQueue::remind`] before long.
    #[must_use]
    pub fn post_unhurried(&self, job: J) -> bool {
        let mut state = self.0.lock();
        if state.is_over {
            drop(state);
            return false;
        }
        state.unhurried.push(job);
        !std::mem::replace(&mut state.has_reminder, true)
    }

    /// Asks for a drain if a job for the next one still waits.
    pub fn remind(self: &Arc<Self>) -> Option<Drain<J>> {
        let mut state = self.0.lock();
        state.has_reminder = false;
        state.move_unhurried();
        self.ask(&mut state)
    }

    fn ask(self: &Arc<Self>, state: &mut State<J>) -> Option<Drain<J>> {
        if state.has_drain || state.waiting.is_empty() {
            return None;
        }
        state.has_drain = true;
        Some(Drain(Some(Arc::clone(self))))
    }

    /// No job runs any more. Whoever waits for one hears of it, since what it would have answered with is dropped.
    pub fn end(&self) {
        let mut state = self.0.lock();
        state.is_over = true;
        let waiting = std::mem::take(&mut state.waiting);
        let unhurried = std::mem::take(&mut state.unhurried);
        drop(state);
        // What jobs hold may queue others when it is dropped.
        drop((waiting, unhurried));
    }

    pub fn is_over(&self) -> bool {
        self.0.lock().is_over
    }
}

impl<J> State<J> {
    fn move_unhurried(&mut self) {
        self.waiting
            .append(&mut std::mem::take(&mut self.unhurried).into());
    }
}

impl<J> Drain<J> {
    /// Runs jobs, one at least, until `is_spent` says that no other fits in. Where some are left, another drain has to
    /// be brought to the thread.
    pub fn take(
        mut self,
        mut is_spent: impl FnMut() -> bool,
        mut run: impl FnMut(J),
    ) -> Option<Self> {
        let queue = self.0.take()?;
        let mut state = queue.0.lock();
        state.move_unhurried();
        while let Some(job) = state.waiting.pop_front() {
            drop(state);
            // Jobs turn errors into results themselves; a panic ends one job, and neither the thread nor the queue.
            // What it says has gone to stderr before.
            let _ = catch_unwind(AssertUnwindSafe(|| run(job)));
            let is_spent = is_spent();
            state = queue.0.lock();
            if is_spent && !state.waiting.is_empty() {
                drop(state);
                return Some(Self(Some(queue)));
            }
        }
        state.has_drain = false;
        None
    }
}

impl<J> Drop for Drain<J> {
    fn drop(&mut self) {
        if let Some(queue) = self.0.take() {
            queue.end();
        }
    }
}
