//! Many calls at once: JavaScript's thread begins as many as fit into a moment, and the others in turns that follow, so
//! that the event loop is not held for as long as hundreds of calls take to read.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use parking_lot::Mutex;

use super::calls::Shared;
use super::js::{JsResult, Scope, Value};
use super::methods::{Begins, Body, Method};
use super::thread::{JsRef, JsThread};
use super::work;

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

    fn is_over_budget(&self) -> bool {
        self.waiting > 0 || self.spent > BUDGET
    }
}

/// The work of calls that have begun. It starts together, in a microtask: by then hosts that need not wait for their
/// answers have given them, and the threads that do the work are woken once.
pub struct Starts {
    waiting: Arc<Mutex<Vec<BoxFuture<'static, ()>>>>,
    start: JsRef,
}

impl Starts {
    pub fn new<'env>(thread: &JsThread, scope: Scope<'env>) -> JsResult<'env, Self> {
        let waiting = Arc::<Mutex<Vec<BoxFuture<'static, ()>>>>::default();
        let started = Arc::clone(&waiting);
        let start = scope.function("start", move |scope, _, _| {
            let begun = std::mem::take(&mut *started.lock());
            work::start(begun);
            Ok(scope.undefined())
        })?;
        Ok(Self {
            waiting,
            start: JsRef::new(thread, start)?,
        })
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

/// Calls a method, now or in a following turn. Its context and its parameters are those of now.
pub fn begin<'env>(
    shared: &Arc<Shared>,
    scope: Scope<'env>,
    method: Method,
    arguments: &[Value<'env>],
) -> JsResult<'env> {
    let Method { body, begins, .. } = method;
    if begins == Begins::AtOnce {
        return body(shared, scope, arguments);
    }
    if shared.burst.lock().is_over_budget() {
        let mut kept = arguments.to_vec();
        // Callers may use the same object for one call after another. What is in it stays their own.
        if let (Begins::InTurnWithParameters, Some(parameters)) = (begins, kept.first_mut())
            && parameters.is_object()
        {
            *parameters = parameters.copied()?;
        }
        return begin_later(shared, scope, body, &kept);
    }
    let began = Instant::now();
    let outcome = body(shared, scope, arguments);
    shared.burst.lock().spent += began.elapsed();
    outcome
}

fn begin_later<'env>(
    shared: &Arc<Shared>,
    scope: Scope<'env>,
    body: Body,
    arguments: &[Value<'env>],
) -> JsResult<'env> {
    let kept = JsRef::new(&shared.thread, scope.array(arguments)?)?;
    let context = shared.realm.context(&shared.thread, scope)?;
    let (promise, value) = shared.thread.promise(scope)?;
    let shared = Arc::clone(shared);
    shared.burst.lock().waiting += 1;
    promise.settle(move |scope| {
        shared.burst.lock().waiting -= 1;
        let method = scope.function("begin", move |scope, _, _| {
            body(&shared, scope, &kept.get(scope).elements()?)
        })?;
        context.apply(method, scope.undefined(), &[])
    });
    Ok(value)
}
