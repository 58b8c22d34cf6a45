//! Many calls at once: JavaScript's thread begins as many as fit into a moment, and the others in turns that follow, so
//! that the event loop is not held for as long as hundreds of calls take to read.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use parking_lot::Mutex;

use super::executor;
use super::reference::JsRef;
use super::thread::JsThread;
use super::value::{JsResult, Scope};

/// How long calls that start without a pause are begun at once.
const BUDGET: Duration = Duration::from_micros(500);

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

    pub fn is_over_budget(&self) -> bool {
        self.waiting > 0 || self.spent > BUDGET
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

/// The work of calls that have begun. It starts together, in a microtask: by then hosts that need not wait for their
/// answers have given them, and the threads that do the work are woken once.
pub struct StartBatch {
    waiting: Arc<Mutex<Vec<BoxFuture<'static, ()>>>>,
    start: JsRef,
}

impl StartBatch {
    pub fn new<'env>(thread: &JsThread, scope: Scope<'env>) -> JsResult<'env, Self> {
        let waiting = Arc::<Mutex<Vec<BoxFuture<'static, ()>>>>::default();
        let started = Arc::clone(&waiting);
        let start = scope.function("start", move |scope, _, _| {
            let begun = std::mem::take(&mut *started.lock());
            executor::start(begun);
            Ok(scope.undefined())
        })?;
        Ok(Self {
            waiting,
            start: JsRef::new(thread, start)?,
        })
    }

    /// Drops what has yet to start. Nothing else would, since work holds what it belongs to.
    pub fn clear(&self) {
        let waiting = std::mem::take(&mut *self.waiting.lock());
        drop(waiting);
    }

    pub fn add<'env>(
        &self,
        scope: Scope<'env>,
        work: BoxFuture<'static, ()>,
    ) -> JsResult<'env, ()> {
        let is_first = {
            let mut waiting = self.waiting.lock();
            waiting.push(work);
            waiting.len() == 1
        };
        if is_first {
            self.start.get(scope).soon()?;
        }
        Ok(())
    }
}
