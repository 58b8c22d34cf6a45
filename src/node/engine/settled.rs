//! Answers of the host that may come later.

#![expect(unsafe_code, reason = "Node-API is a C interface")]

use std::cell::RefCell;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;

use napi::sys;

use super::api::node_api;
use super::prelude::Helper;
use super::value::{JsResult, Scope, Thrown, Type, Value};

/// What runs when a promise has settled.
type Continuation = dyn for<'call> FnOnce(Scope<'call>, JsResult<'call>);

/// One that has yet to run.
type Waiting = RefCell<Option<Box<Continuation>>>;

impl<'env> Value<'env> {
    /// Calls `done` once, when the value, if it is a promise or thenable, has settled, and at once if it is neither.
    pub fn settled<F>(self, done: F)
    where
        F: 'static + for<'call> FnOnce(Scope<'call>, JsResult<'call>),
    {
        self.settled_boxed(Box::new(done));
    }

    fn settled_boxed(self, done: Box<Continuation>) {
        let waiting: Rc<Waiting> = Rc::new(RefCell::new(Some(done)));
        let subscribe = || -> JsResult<'env, bool> {
            if !matches!(self.kind(), Type::Object | Type::Function)
                || !self.get("then")?.is_function()
            {
                return Ok(false);
            }
            let scope = self.scope();
            let make = || {
                scope.function("onSettled", |scope, _, arguments| {
                    go_on(scope, arguments);
                    Ok(scope.undefined())
                })
            };
            let on_settled = scope.on_settled(make)?;
            // Thenables (mongoose queries) become promises, which settle once.
            let settle = scope.helper(Helper::Settle)?;
            let arguments = [self, on_settled, scope.external(Rc::clone(&waiting))?];
            settle.call(scope.undefined(), &arguments)?;
            Ok(true)
        };
        let outcome = match subscribe() {
            Ok(true) => return,
            Ok(false) => Ok(self),
            Err(thrown) => Err(thrown),
        };
        let callback = waiting.borrow_mut().take();
        if let Some(callback) = callback {
            callback(self.scope(), outcome);
        }
    }

    /// Takes note of an answer that is of no use, so that it is no unhandled rejection.
    pub fn unheeded(self) {
        self.settled(|_, _| {});
    }
}

/// Runs what waits: `waiting, isFulfilled, value`.
fn go_on<'call>(scope: Scope<'call>, arguments: Vec<Value<'call>>) {
    let mut arguments = arguments.into_iter();
    let mut next = || arguments.next().unwrap_or_else(|| scope.undefined());
    let (waiting, is_fulfilled, value) = (next(), next(), next());
    let outcome = if is_fulfilled.as_bool() == Some(true) {
        Ok(value)
    } else {
        Err(Thrown(value))
    };
    if let Some(callback) = waiting.take_waiting() {
        // As an exception, a panic would reject a promise that nobody has.
        let _ = catch_unwind(AssertUnwindSafe(|| callback(scope, outcome)));
    }
}

impl<'env> Scope<'env> {
    /// A value that stands for what waits, and drops it when JavaScript has it no more.
    fn external(self, waiting: Rc<Waiting>) -> JsResult<'env> {
        let data = Rc::into_raw(waiting).cast_mut().cast::<c_void>();
        let made = self.make(|result| {
            node_api!(
                self,
                napi_create_external,
                data,
                Some(forget),
                ptr::null_mut(),
                result
            )
        });
        if made.is_err() {
            // SAFETY: from `Rc::into_raw`, and nobody else has it.
            drop(unsafe { Rc::from_raw(data.cast::<Waiting>()) });
        }
        made
    }
}

unsafe extern "C" fn forget(_: sys::napi_env, data: *mut c_void, _: *mut c_void) {
    // SAFETY: from `Rc::into_raw`, and given back once.
    drop(unsafe { Rc::from_raw(data.cast::<Waiting>()) });
}

impl Value<'_> {
    /// What still waits behind a value of [`Scope::external`].
    fn take_waiting(self) -> Option<Box<Continuation>> {
        let mut data = ptr::null_mut();
        node_api!(
            self.scope(),
            napi_get_value_external,
            self.raw(),
            &raw mut data
        );
        // SAFETY: only functions of `prelude.js` have the function that calls this, and give it no other externals. This
        // one lives at least as long as its value here.
        let waiting = unsafe { data.cast::<Waiting>().as_ref() }?;
        waiting.borrow_mut().take()
    }
}
