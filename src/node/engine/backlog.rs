//! What a server sends faster than JavaScript hears it: a queue with a bound, in memory and in turns of the event loop.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use super::thread::JsThread;
use super::value::Scope;

/// What waits at the most: the number of messages, and the bytes of their texts unless it is only one.
const LONGEST: usize = 256;
const LARGEST: usize = 1024 * 1024;

type Deliver = dyn for<'env> Fn(Scope<'env>, String) + Send + Sync;

/// JSON texts that wait for JavaScript's thread, which takes one in each job.
pub struct Backlog {
    thread: JsThread,
    waiting: Mutex<Waiting>,
    deliver: Box<Deliver>,
}

#[derive(Default)]
struct Waiting {
    texts: VecDeque<String>,
    bytes: usize,
    /// A job is on its way to JavaScript's thread.
    has_job: bool,
}

impl Backlog {
    /// `deliver` runs on JavaScript's thread.
    pub fn new(
        thread: &JsThread,
        deliver: impl for<'env> Fn(Scope<'env>, String) + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            thread: thread.clone(),
            waiting: Mutex::default(),
            deliver: Box::new(deliver),
        })
    }

    /// Queues a text; where too much waits already, in place of the last one.
    pub fn push_or_replace(self: &Arc<Self>, text: String) {
        let mut waiting = self.waiting.lock();
        if waiting.texts.len() >= LONGEST || waiting.bytes + text.len() > LARGEST {
            waiting.remove_last();
        }
        waiting.add(text);
        self.schedule(&mut waiting);
    }

    fn schedule(self: &Arc<Self>, waiting: &mut Waiting) {
        if !std::mem::replace(&mut waiting.has_job, true) {
            let this = Arc::clone(self);
            self.thread.post(move |scope| this.take(scope));
        }
    }

    /// One text in each job, so that the event loop gets its turn between them.
    fn take(self: &Arc<Self>, scope: Scope<'_>) {
        let text = {
            let mut waiting = self.waiting.lock();
            let text = waiting.remove_first();
            waiting.has_job = false;
            if !waiting.texts.is_empty() {
                self.schedule(&mut waiting);
            }
            text
        };
        if let Some(text) = text {
            (self.deliver)(scope, text);
        }
    }
}

impl Waiting {
    fn add(&mut self, text: String) {
        self.bytes += text.len();
        self.texts.push_back(text);
    }

    fn remove_first(&mut self) -> Option<String> {
        let text = self.texts.pop_front();
        self.bytes -= text.as_ref().map_or(0, String::len);
        text
    }

    fn remove_last(&mut self) {
        let text = self.texts.pop_back();
        self.bytes -= text.as_ref().map_or(0, String::len);
    }
}
