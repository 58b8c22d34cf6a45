//! Calls that begin together.

use std::sync::Arc;

use futures::future::BoxFuture;
use parking_lot::Mutex;

use super::executor;
use super::reference::JsRef;
use super::thread::JsThread;
use super::value::{JsResult, Scope};

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
