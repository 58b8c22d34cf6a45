//! When the work of calls starts, on the threads of the runtime.

use std::sync::{Arc, LazyLock};

use futures::future::BoxFuture;
use parking_lot::Mutex;

use super::reference::JsRef;
use super::thread::JsThread;
use super::value::{JsResult, Scope};
use super::workers;
use crate::scheduler::JobQueue;

type Work = BoxFuture<'static, ()>;

/// The work of calls that have begun. It starts together, in a microtask: by then hosts that need not wait for their
/// answers have given them, and the threads that do the work are woken once.
pub struct StartBatch {
    waiting: Arc<Mutex<Vec<Work>>>,
    start: JsRef,
}

impl StartBatch {
    pub fn new<'env>(thread: &JsThread, scope: Scope<'env>) -> JsResult<'env, Self> {
        let waiting = Arc::<Mutex<Vec<Work>>>::default();
        let started = Arc::clone(&waiting);
        let start = scope.function("start", move |scope, _, _| {
            let works = std::mem::take(&mut *started.lock());
            start_in_groups(works);
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

    pub fn add<'env>(&self, scope: Scope<'env>, work: Work) -> JsResult<'env, ()> {
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

/// Work that has yet to start.
static START_QUEUE: LazyLock<Arc<JobQueue<Work>>> = LazyLock::new(Arc::default);

/// How many start together. More of them share turns of JavaScript's thread and looks at events, fewer of them take less
/// memory and connections at a time.
const GROUP: usize = 4;

/// Starts the work of calls, as soon as nothing of what is under way can go on: hundreds of calls at once take half the
/// time one after another that they take side by side. Nobody waits for a server that somebody else waits for.
fn start_in_groups(works: Vec<Work>) {
    let Some(mut drain) = START_QUEUE.post(works) else {
        return;
    };
    workers::spawn(async move {
        loop {
            let mut room = GROUP;
            let is_full = || {
                room -= 1;
                room == 0
            };
            let Some(next) = drain.take(is_full, workers::spawn) else {
                return;
            };
            drain = next;
            // Tokio comes back to a task that yields when it has no other to run and has looked for events, or when it
            // has run many.
            tokio::task::yield_now().await;
        }
    });
}
