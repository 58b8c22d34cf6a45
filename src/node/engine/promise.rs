//! Promises that Rust settles, from any thread.

#![expect(unsafe_code, reason = "Node-API is a C interface")]

use std::ptr;

use napi::sys;

use super::api::node_api;
use super::exceptions::unpanicked;
use super::reference::JsRef;
use super::thread::JsThread;
use super::value::{JsResult, Scope, Thrown, Value};
use crate::error::Error;

/// A promise that Rust settles later.
pub struct Deferred(sys::napi_deferred);

// SAFETY: the handle is only used through a `Scope` of the environment that made it.
unsafe impl Send for Deferred {}

impl<'env> Scope<'env> {
    pub fn promise(self) -> JsResult<'env, (Deferred, Value<'env>)> {
        let mut deferred = ptr::null_mut();
        let promise =
            self.make(|result| node_api!(self, napi_create_promise, &raw mut deferred, result))?;
        Ok((Deferred(deferred), promise))
    }

    pub fn settle(self, Deferred(deferred): Deferred, outcome: JsResult<'env>) {
        match outcome {
            Ok(value) => node_api!(self, napi_resolve_deferred, deferred, value.raw()),
            Err(Thrown(value)) => node_api!(self, napi_reject_deferred, deferred, value.raw()),
        };
    }
}

impl JsThread {
    /// A promise that stays pending, and keeps the process alive, until [`Promise::settle`].
    pub fn promise<'env>(&self, scope: Scope<'env>) -> JsResult<'env, (Promise, Value<'env>)> {
        let (deferred, value) = scope.promise()?;
        self.hold(scope);
        Ok((
            Promise {
                thread: self.clone(),
                deferred: Some(deferred),
            },
            value,
        ))
    }
}

/// The Rust end of a promise. One that is dropped rejects: whatever should have settled it has panicked.
pub struct Promise {
    thread: JsThread,
    deferred: Option<Deferred>,
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
        mut self,
        make: impl for<'env> FnOnce(Scope<'env>) -> JsResult<'env> + Send + 'static,
    ) {
        self.settle_once(make);
    }

    fn settle_once(
        &mut self,
        make: impl for<'env> FnOnce(Scope<'env>) -> JsResult<'env> + Send + 'static,
    ) {
        let Some(deferred) = self.deferred.take() else {
            return;
        };
        let thread = self.thread.clone();
        self.thread.post(move |scope| {
            let outcome = unpanicked(scope, || make(scope));
            scope.settle(deferred, outcome);
            thread.release(scope);
        });
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.settle_once(|scope| Err(scope.failure(&Error::internal())));
    }
}
