//! What a server sends faster than JavaScript hears it: a queue with a bound, in memory and in turns of the event loop.

use std::sync::Arc;

use super::thread::JsThread;
use super::value::Scope;
use crate::scheduler::TextQueue;

type Deliver = dyn for<'env> Fn(Scope<'env>, String) + Send + Sync;

/// JSON texts that wait for JavaScript's thread, which takes one in each job.
pub struct Backlog {
    thread: JsThread,
    texts: TextQueue,
    deliver: Box<Deliver>,
}

impl Backlog {
    /// `deliver` runs on JavaScript's thread.
    pub fn new(
        thread: &JsThread,
        deliver: impl for<'env> Fn(Scope<'env>, String) + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            thread: thread.clone(),
            texts: TextQueue::default(),
            deliver: Box::new(deliver),
        })
    }

    /// Queues a text; where too much waits already, in place of the last one.
    pub fn push_or_replace(self: &Arc<Self>, text: String) {
        if self.texts.push_or_replace(text) {
            self.post();
        }
    }

    /// One text in each job, so that the event loop gets its turn between them.
    fn post(self: &Arc<Self>) {
        let this = Arc::clone(self);
        self.thread.post(move |scope| {
            let (text, has_more) = this.texts.take();
            if has_more {
                this.post();
            }
            if let Some(text) = text {
                (this.deliver)(scope, text);
            }
        });
    }
}
