//! JavaScript's thread, as the rest of the process sees it: a queue of jobs.
//!
//! Threadsafe functions bring turns to run them: many jobs in one turn, which ends after half a millisecond, so that the
//! event loop is never held for long. They are weak, so they never keep the process alive; a pending promise does, by
//! referencing one for as long as it is pending.

#![expect(unsafe_code, reason = "Node-API is a C interface")]

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use napi::Status;
use napi::bindgen_prelude::{FromNapiValue, Function};
use napi::sys;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::api::node_api;
use super::value::{JsResult, Scope, Thrown};
use super::workers;
use crate::error::{Error, Result};

pub type Job = Box<dyn for<'env> FnOnce(Scope<'env>) + Send>;
type Queue = ThreadsafeFunction<Drain, (), (), Status, false, true>;

/// How long jobs hold the event loop before it gets to do something else.
pub const SLICE: Duration = Duration::from_micros(500);

/// How long what need not hurry waits where nothing else is to be done.
const REMINDER: Duration = Duration::from_millis(10);

#[derive(Clone)]
pub struct JsThread(Arc<Inner>);

struct Inner {
    /// They take turns: Node goes on at once with what comes to one of them while it is called, and leaves nothing else
    /// the time to happen.
    queues: [Queue; 2],
    turns: AtomicUsize,
    jobs: Arc<Mutex<Jobs>>,
    /// Promises handed out and not settled; touched on JavaScript's thread only.
    pending: AtomicUsize,
}

#[derive(Default)]
struct Jobs {
    waiting: VecDeque<Job>,
    /// Jobs for the next turn, which they alone do not ask for at once.
    unhurried: Vec<Job>,
    /// References that nobody has any more, to be deleted then.
    unused: Vec<RawRef>,
    /// Somebody will ask for a turn if there is none before.
    has_reminder: bool,
    /// A turn is on its way to JavaScript's thread, or is being taken.
    has_turn: bool,
    /// No turn will ever come again.
    is_over: bool,
}

/// A chance to run jobs. One that is dropped untaken was the last: the environment is being torn down.
struct Drain {
    jobs: Arc<Mutex<Jobs>>,
    is_taken: bool,
}

impl Drain {
    /// Runs what is queued, and says whether something is left for another turn.
    fn take(mut self, scope: Scope<'_>) -> bool {
        self.is_taken = true;
        let unused = {
            let mut jobs = self.jobs.lock();
            let unhurried = std::mem::take(&mut jobs.unhurried);
            jobs.waiting.extend(unhurried);
            std::mem::take(&mut jobs.unused)
        };
        for RawRef(raw) in unused {
            node_api!(scope, napi_delete_reference, raw);
        }
        let end = Instant::now() + SLICE;
        loop {
            let job = {
                let mut jobs = self.jobs.lock();
                let Some(job) = jobs.waiting.pop_front() else {
                    jobs.has_turn = false;
                    return false;
                };
                job
            };
            // Jobs turn exceptions into results themselves; a panic must not cross into Node.
            scope.enclosed(|scope| {
                if catch_unwind(AssertUnwindSafe(|| job(scope))).is_err() {
                    tracing::error!("a job on the JavaScript thread panicked");
                }
            });
            if Instant::now() >= end {
                return true;
            }
        }
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        if self.is_taken {
            return;
        }
        end(&self.jobs);
    }
}

/// No job runs any more. Whoever waits for one hears of it, since what it would have answered with is dropped.
fn end(jobs: &Mutex<Jobs>) {
    let mut jobs = jobs.lock();
    jobs.is_over = true;
    let waiting = std::mem::take(&mut jobs.waiting);
    let unhurried = std::mem::take(&mut jobs.unhurried);
    // The environment deletes the references itself.
    jobs.unused.clear();
    drop(jobs);
    // What jobs hold may queue others when it is dropped.
    drop((waiting, unhurried));
}

/// A thread that may have gone.
pub struct WeakJsThread(Weak<Inner>);

impl WeakJsThread {
    /// The environment is being torn down. It says so before it drops its own part of the queue, and nothing that is
    /// queued in between would ever run.
    pub fn end(&self) {
        if let Some(inner) = self.0.upgrade() {
            end(&inner.jobs);
        }
    }
}

impl JsThread {
    /// Also starts what work in the background needs.
    pub fn new(scope: Scope<'_>) -> JsResult<'_, Self> {
        workers::start().map_err(|error| scope.failure(&error))?;
        let idle = scope.function("librechatMcpNative", |scope, _, _| Ok(scope.undefined()))?;
        // A turn asks for the next one.
        let again: Arc<OnceLock<Weak<Inner>>> = Arc::default();
        let build = || -> napi::Result<Queue> {
            let this = Arc::clone(&again);
            // SAFETY: the value was made in this scope.
            let idle = unsafe { Function::<(), ()>::from_napi_value(scope.raw(), idle.raw()) }?;
            idle.build_threadsafe_function::<Drain>()
                .callee_handled::<false>()
                .weak::<true>()
                .build_callback(move |context| {
                    let scope = Scope::new(&context.env);
                    let has_more = context.value.take(scope);
                    if let (true, Some(inner)) = (has_more, this.get().and_then(Weak::upgrade)) {
                        inner.ask_for_turn();
                    }
                    Ok(())
                })
        };
        match build().and_then(|first| Ok([first, build()?])) {
            Ok(queues) => {
                let inner = Arc::new(Inner {
                    queues,
                    turns: AtomicUsize::new(0),
                    jobs: Arc::default(),
                    pending: AtomicUsize::new(0),
                });
                let _ = again.set(Arc::downgrade(&inner));
                Ok(Self(inner))
            }
            Err(error) => Err(Thrown(scope.error("Error", &error.reason))),
        }
    }

    pub fn downgrade(&self) -> WeakJsThread {
        WeakJsThread(Arc::downgrade(&self.0))
    }

    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Queues a job. It is dropped unrun when the environment is being torn down.
    pub fn post(&self, job: impl for<'env> FnOnce(Scope<'env>) + Send + 'static) {
        self.post_boxed(Box::new(job));
    }

    pub fn post_boxed(&self, job: Job) {
        let mut jobs = self.0.jobs.lock();
        if jobs.is_over {
            // What it holds may queue jobs when it is dropped.
            drop(jobs);
            return;
        }
        jobs.waiting.push_back(job);
        let has_turn = std::mem::replace(&mut jobs.has_turn, true);
        drop(jobs);
        if !has_turn {
            self.0.ask_for_turn();
        }
    }

    /// Queues a job for the next turn, whatever it is for; there will be one before long.
    pub fn post_unhurried(&self, job: impl for<'env> FnOnce(Scope<'env>) + Send + 'static) {
        self.remind(|jobs| jobs.unhurried.push(Box::new(job)));
    }

    /// Has a reference deleted, before long.
    pub fn discard(&self, reference: RawRef) {
        self.remind(|jobs| jobs.unused.push(reference));
    }

    /// One timer for all that comes until it is over.
    fn remind(&self, add: impl FnOnce(&mut Jobs)) {
        let mut jobs = self.0.jobs.lock();
        if jobs.is_over {
            return;
        }
        add(&mut jobs);
        if std::mem::replace(&mut jobs.has_reminder, true) {
            return;
        }
        drop(jobs);
        let inner = Arc::clone(&self.0);
        workers::spawn(async move {
            tokio::time::sleep(REMINDER).await;
            let mut jobs = inner.jobs.lock();
            jobs.has_reminder = false;
            let is_left = !(jobs.unused.is_empty() && jobs.unhurried.is_empty());
            let wants_turn = is_left && !jobs.has_turn;
            jobs.has_turn |= wants_turn;
            drop(jobs);
            if wants_turn {
                inner.ask_for_turn();
            }
        });
    }

    /// Runs a job and returns what it answers through the sender it is given, now or later.
    pub async fn ask<T: Send + 'static>(
        &self,
        job: impl for<'env> FnOnce(Scope<'env>, oneshot::Sender<T>) + Send + 'static,
    ) -> Result<T> {
        let (sender, receiver) = oneshot::channel();
        self.post(move |scope| job(scope, sender));
        receiver.await.map_err(|_| self.unanswered())
    }

    /// Why a job has not answered.
    pub fn unanswered(&self) -> Error {
        if self.0.jobs.lock().is_over {
            Error::closed()
        } else {
            Error::internal()
        }
    }

    /// Keeps the process alive until as many [`JsThread::release`] have followed.
    pub fn hold(&self, scope: Scope<'_>) {
        if self.0.pending.fetch_add(1, Ordering::Relaxed) == 0 {
            node_api!(scope, napi_ref_threadsafe_function, self.0.queues[0].raw());
        }
    }

    pub fn release(&self, scope: Scope<'_>) {
        if self.0.pending.fetch_sub(1, Ordering::Relaxed) == 1 {
            node_api!(
                scope,
                napi_unref_threadsafe_function,
                self.0.queues[0].raw()
            );
        }
    }
}

impl Inner {
    fn ask_for_turn(&self) {
        let turn = Drain {
            jobs: Arc::clone(&self.jobs),
            is_taken: false,
        };
        let queue = &self.queues[self.turns.fetch_add(1, Ordering::Relaxed) % 2];
        // A turn that Node does not take is dropped, here or when the queue is torn down.
        queue.call(turn, ThreadsafeFunctionCallMode::NonBlocking);
    }
}

pub struct RawRef(pub sys::napi_ref);

// SAFETY: as above; it travels to JavaScript's thread to be deleted there.
unsafe impl Send for RawRef {}
