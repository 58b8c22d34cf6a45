//! Texts that come faster than they are heard: a queue with a bound.

use std::collections::VecDeque;

use parking_lot::Mutex;

/// What waits at the most: the number of messages, and the bytes of their texts unless it is only one.
const LONGEST: usize = 256;
const LARGEST: usize = 1024 * 1024;

/// Texts in the order in which they came, for jobs that take one each. While there are some, there is one such job.
#[derive(Default)]
pub struct TextQueue(Mutex<State>);

#[derive(Default)]
struct State {
    texts: VecDeque<String>,
    bytes: usize,
    has_job: bool,
}

impl TextQueue {
    /// Queues a text; where too much waits already, in place of the last one. Where this returns true, a job has to be
    /// posted that takes it.
    #[must_use]
    pub fn push_or_replace(&self, text: String) -> bool {
        let mut state = self.0.lock();
        if state.texts.len() >= LONGEST || state.bytes + text.len() > LARGEST {
            let last = state.texts.pop_back();
            state.bytes -= last.as_ref().map_or(0, String::len);
        }
        state.bytes += text.len();
        state.texts.push_back(text);
        !std::mem::replace(&mut state.has_job, true)
    }

    /// The first text, and whether there has to be another job.
    pub fn take(&self) -> (Option<String>, bool) {
        let mut state = self.0.lock();
        let text = state.texts.pop_front();
        state.bytes -= text.as_ref().map_or(0, String::len);
        state.has_job = !state.texts.is_empty();
        (text, state.has_job)
    }
}
