//! JavaScript's thread, as the rest of the process sees it: a queue of jobs.
//!
//! One threadsafe function per runtime carries all of them. It is weak, so it never keeps the process alive; a
//! pending promise does, by referencing it for as long as it is pending.

#![expect(unsafe_code, reason = "Node-API is a C interface")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use napi::Status;
use napi::bindgen_prelude::{FromNapiValue, Function};
use napi::sys;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use tokio::sync::oneshot;

use super::js::{Deferred, JsResult, Scope, Thrown, Value};
use crate::error::{Error, Result};

type Job = Box<dyn for<'env> FnOnce(Scope<'env>) + Send>;
type Queue = ThreadsafeFunction<Job, (), (), Status, false, true>;

#[derive(Clone)]
pub struct JsThread(Arc<Inner>);

struct Inner {
    queue: Queue,
    /// Promises handed out and not settled; touched on JavaScript's thread only.
    pending: AtomicUsize,
}

impl JsThread {
    pub fn new(scope: Scope<'_>) -> JsResult<'_, Self> {
        let idle = scope.function("librechatMcpNative", |scope, _, _| Ok(scope.undefined()))?;
        let build = || -> napi::Result<Queue> {
            let idle = unsafe { Function::<(), ()>::from_napi_value(scope.raw(), idle.raw()) }?;
            idle.build_threadsafe_function::<Job>()
                .callee_handled::<false>()
                .weak::<true>()
                .build_callback(|context| {
                    let scope = Scope::new(&context.env);
                    // Jobs turn exceptions into results themselves; a panic must not cross into Node.
                    let job = context.value;
                    if catch_unwind(AssertUnwindSafe(|| job(scope))).is_err() {
                        tracing::error!("a job on the JavaScript thread panicked");
                    }
                    Ok(())
                })
        };
        match build() {
            Ok(queue) => Ok(Self(Arc::new(Inner {
                queue,
                pending: AtomicUsize::new(0),
            }))),
            Err(error) => Err(Thrown(scope.error("Error", &error.reason))),
        }
    }

    /// Queues a job. It is dropped unrun when the environment is being torn down.
    pub fn post(&self, job: impl for<'env> FnOnce(Scope<'env>) + Send + 'static) {
        self.0
            .queue
            .call(Box::new(job), ThreadsafeFunctionCallMode::NonBlocking);
    }

    /// Runs a job and returns what it answers through the sender it is given, now or later.
    pub async fn ask<T: Send + 'static>(
        &self,
        job: impl for<'env> FnOnce(Scope<'env>, oneshot::Sender<T>) + Send + 'static,
    ) -> Result<T> {
        let (sender, receiver) = oneshot::channel();
        self.post(move |scope| job(scope, sender));
        receiver.await.map_err(|_| Error::closed())
    }

    /// A promise that stays pending, and keeps the process alive, until [`Promise::settle`].
    pub fn promise<'env>(&self, scope: Scope<'env>) -> JsResult<'env, (Promise, Value<'env>)> {
        let (deferred, value) = scope.promise()?;
        if self.0.pending.fetch_add(1, Ordering::Relaxed) == 0 {
            unsafe { sys::napi_ref_threadsafe_function(scope.raw(), self.0.queue.raw()) };
        }
        Ok((
            Promise {
                thread: self.clone(),
                deferred,
            },
            value,
        ))
    }
}

/// The Rust end of a promise.
pub struct Promise {
    thread: JsThread,
    deferred: Deferred,
}

impl Promise {
    /// Rejects the promise with what was thrown before its work began.
    pub fn reject<'env>(self, Thrown(thrown): &Thrown<'env>) -> JsResult<'env, ()> {
        let thrown = JsRef::new(&self.thread, *thrown)?;
        self.settle(move |scope| Err(Thrown(thrown.get(scope))));
        Ok(())
    }

    /// Settles the promise with what `make` builds on JavaScript's thread.
    pub fn settle(
        self,
        make: impl for<'env> FnOnce(Scope<'env>) -> JsResult<'env> + Send + 'static,
    ) {
        let Self { thread, deferred } = self;
        let inner = thread.clone();
        thread.post(move |scope| {
            let outcome = catch_unwind(AssertUnwindSafe(|| make(scope)))
                .unwrap_or_else(|_| Err(Thrown(scope.error("Error", "Internal error"))));
            scope.settle(deferred, outcome);
            if inner.0.pending.fetch_sub(1, Ordering::Relaxed) == 1 {
                unsafe { sys::napi_unref_threadsafe_function(scope.raw(), inner.0.queue.raw()) };
            }
        });
    }
}

/// A JavaScript value kept from any thread. Dropping it releases the value on JavaScript's thread.
pub struct JsRef {
    raw: sys::napi_ref,
    thread: JsThread,
}

// SAFETY: the reference is only read and deleted in a `Scope`, on JavaScript's thread.
unsafe impl Send for JsRef {}
unsafe impl Sync for JsRef {}

struct RawRef(sys::napi_ref);

// SAFETY: as above; it travels to JavaScript's thread to be deleted there.
unsafe impl Send for RawRef {}

impl JsRef {
    /// Keeps an object or function. Other values live in a holder object.
    pub fn new<'env>(thread: &JsThread, value: Value<'env>) -> JsResult<'env, Self> {
        let scope = value.scope();
        let holder = scope.array(&[value])?;
        let mut raw = ptr::null_mut();
        unsafe { sys::napi_create_reference(scope.raw(), holder.raw(), 1, &raw mut raw) };
        if raw.is_null() {
            return Err(Thrown(
                scope.error("Error", "Could not keep a JavaScript value"),
            ));
        }
        Ok(Self {
            raw,
            thread: thread.clone(),
        })
    }

    pub fn get<'env>(&self, scope: Scope<'env>) -> Value<'env> {
        let (mut holder, mut value) = (ptr::null_mut(), ptr::null_mut());
        unsafe {
            sys::napi_get_reference_value(scope.raw(), self.raw, &raw mut holder);
            if holder.is_null()
                || sys::napi_get_element(scope.raw(), holder, 0, &raw mut value)
                    != sys::Status::napi_ok
            {
                return scope.undefined();
            }
        }
        scope.value(value)
    }
}

impl Drop for JsRef {
    fn drop(&mut self) {
        let raw = RawRef(self.raw);
        self.thread.post(move |scope| {
            let RawRef(raw) = { raw };
            unsafe { sys::napi_delete_reference(scope.raw(), raw) };
        });
    }
}
