//! JavaScript's thread, as the rest of the process sees it: a queue of jobs.
//!
//! Threadsafe functions bring drains that run them: many jobs in one, which ends after half a millisecond, so that the
//! event loop is never held for long. They are weak, so they never keep the process alive; a pending promise does, by
//! referencing one for as long as it is pending.

#![expect(unsafe_code, reason = "Node-API is a C interface")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use napi::Status;
use napi::bindgen_prelude::{FromNapiValue, Function};
use napi::sys;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use tokio::sync::oneshot;

use super::api::node_api;
use super::value::{JsResult, Scope, Thrown};
use super::workers;
use crate::error::{Error, Result};
use crate::scheduler::{Drain, JobQueue, SLICE};

type Job = Box<dyn for<'env> FnOnce(Scope<'env>) + Send>;
type DrainFunction = ThreadsafeFunction<Drain<Task>, (), (), Status, false, true>;

/// How long what need not hurry waits where nothing else is to be done.
const REMINDER: Duration = Duration::from_millis(10);

#[derive(Clone)]
pub struct JsThread(Arc<Inner>);

struct Inner {
    /// They alternate: Node goes on at once with what comes to one of them while it is called, and leaves nothing else
    /// the time to happen.
    functions: [DrainFunction; 2],
    drains: AtomicUsize,
    jobs: Arc<JobQueue<Task>>,
    /// Promises handed out and not settled; touched on JavaScript's thread only.
    pending: AtomicUsize,
}

enum Task {
    Run(Job),
    /// Nobody has the reference any more. One that is dropped here the environment deletes itself.
    Delete(RawRef),
}

impl Task {
    fn run(self, scope: Scope<'_>) {
        match self {
            Self::Run(job) => scope.enclosed(job),
            Self::Delete(RawRef(raw)) => {
                node_api!(scope, napi_delete_reference, raw);
            }
        }
    }
}

/// A thread that may have gone.
pub struct WeakJsThread(Weak<Inner>);

impl WeakJsThread {
    /// The environment is being torn down. It says so before it drops its own part of the queue, and nothing that is
    /// queued in between would ever run.
    pub fn end(&self) {
        if let Some(inner) = self.0.upgrade() {
            inner.jobs.end();
        }
    }
}

impl JsThread {
    /// Also starts what work in the background needs.
    pub fn new(scope: Scope<'_>) -> JsResult<'_, Self> {
        workers::start().map_err(|error| scope.failure(&error))?;
        let idle = scope.function("librechatMcpNative", |scope, _, _| Ok(scope.undefined()))?;
        // A drain brings the next one.
        let this: Arc<OnceLock<Weak<Inner>>> = Arc::default();
        let build = || -> napi::Result<DrainFunction> {
            let this = Arc::clone(&this);
            // SAFETY: the value was made in this scope.
            let idle = unsafe { Function::<(), ()>::from_napi_value(scope.raw(), idle.raw()) }?;
            idle.build_threadsafe_function::<Drain<Task>>()
                .callee_handled::<false>()
                .weak::<true>()
                .build_callback(move |context| {
                    let scope = Scope::new(&context.env);
                    let end = Instant::now() + SLICE;
                    let drain = context.value;
                    let next = drain.take(|| Instant::now() >= end, |task| task.run(scope));
                    if let Some(inner) = this.get().and_then(Weak::upgrade) {
                        inner.bring(next);
                    }
                    Ok(())
                })
        };
        match build().and_then(|first| Ok([first, build()?])) {
            Ok(functions) => {
                let inner = Arc::new(Inner {
                    functions,
                    drains: AtomicUsize::new(0),
                    jobs: Arc::default(),
                    pending: AtomicUsize::new(0),
                });
                let _ = this.set(Arc::downgrade(&inner));
                Ok(Self(inner))
            }
            Err(error) => Err(Thrown(scope.error("Error", &error.reason))),
        }
    }

    pub fn downgrade(&self) -> WeakJsThread {
        WeakJsThread(Arc::downgrade(&self.0))
    }

    /// Queues a job. It is dropped unrun when the environment is being torn down.
    pub fn post(&self, job: impl for<'env> FnOnce(Scope<'env>) + Send + 'static) {
        self.0.bring(self.0.jobs.post([Task::Run(Box::new(job))]));
    }

    /// Queues a job for the next drain, whatever it is for; there will be one before long.
    pub fn post_unhurried(&self, job: impl for<'env> FnOnce(Scope<'env>) + Send + 'static) {
        self.post_task_unhurried(Task::Run(Box::new(job)));
    }

    /// Has a reference deleted, before long.
    pub fn discard(&self, reference: RawRef) {
        self.post_task_unhurried(Task::Delete(reference));
    }

    /// One timer for all that comes until it is over.
    fn post_task_unhurried(&self, task: Task) {
        if !self.0.jobs.post_unhurried(task) {
            return;
        }
        let inner = Arc::clone(&self.0);
        workers::spawn(async move {
            tokio::time::sleep(REMINDER).await;
            inner.bring(inner.jobs.remind());
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
        if self.0.jobs.is_over() {
            Error::closed()
        } else {
            Error::internal()
        }
    }

    /// Keeps the process alive until as many [`JsThread::release`] have followed.
    pub fn hold(&self, scope: Scope<'_>) {
        if self.0.pending.fetch_add(1, Ordering::Relaxed) == 0 {
            node_api!(
                scope,
                napi_ref_threadsafe_function,
                self.0.functions[0].raw()
            );
        }
    }

    pub fn release(&self, scope: Scope<'_>) {
        if self.0.pending.fetch_sub(1, Ordering::Relaxed) == 1 {
            node_api!(
                scope,
                napi_unref_threadsafe_function,
                self.0.functions[0].raw()
            );
        }
    }
}

impl Inner {
    /// A drain that Node does not take is dropped, here or when the environment is torn down.
    fn bring(&self, drain: Option<Drain<Task>>) {
        if let Some(drain) = drain {
            let function = &self.functions[self.drains.fetch_add(1, Ordering::Relaxed) % 2];
            function.call(drain, ThreadsafeFunctionCallMode::NonBlocking);
        }
    }
}

pub struct RawRef(pub sys::napi_ref);

// SAFETY: it only travels to JavaScript's thread, to be deleted there.
unsafe impl Send for RawRef {}
