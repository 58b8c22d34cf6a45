//! Answers of the host that may come later.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use super::prelude::Helper;
use super::value::{JsResult, Scope, Thrown, Type, Value};

/// What runs when a promise has settled.
type Continuation = dyn for<'call> FnOnce(Scope<'call>, JsResult<'call>);

impl<'env> Value<'env> {
    /// Calls `done` once, when the value, if it is a promise or thenable, has settled, and at once if it is neither.
    pub fn settled<F>(self, done: F)
    where
        F: 'static + for<'call> FnOnce(Scope<'call>, JsResult<'call>),
    {
        self.settled_boxed(Box::new(done));
    }

    fn settled_boxed(self, done: Box<Continuation>) {
        let done = Rc::new(RefCell::new(Some(done)));
        let subscribe = || -> JsResult<'env, bool> {
            if !matches!(self.kind(), Type::Object | Type::Function)
                || !self.get("then")?.is_function()
            {
                return Ok(false);
            }
            let settled = done.clone();
            let on_settled = self
                .scope()
                .function("onSettled", move |scope, _, arguments| {
                    let argument = |index| scope.at(&arguments, index);
                    let callback = settled.borrow_mut().take();
                    if let Some(callback) = callback {
                        let value = argument(1);
                        let is_fulfilled = argument(0).as_bool() == Some(true);
                        let outcome = if is_fulfilled {
                            Ok(value)
                        } else {
                            Err(Thrown(value))
                        };
                        // As an exception, a panic would reject a promise that nobody has.
                        let _ = catch_unwind(AssertUnwindSafe(|| callback(scope, outcome)));
                    }
                    Ok(scope.undefined())
                })?;
            // Thenables (mongoose queries) become promises, which settle once.
            let settle = self.scope().helper(Helper::Settle)?;
            settle.call(self.scope().undefined(), &[self, on_settled])?;
            Ok(true)
        };
        let outcome = match subscribe() {
            Ok(true) => return,
            Ok(false) => Ok(self),
            Err(thrown) => Err(thrown),
        };
        let callback = done.borrow_mut().take();
        if let Some(callback) = callback {
            callback(self.scope(), outcome);
        }
    }

    /// Takes note of an answer that is of no use, so that it is no unhandled rejection.
    pub fn unheeded(self) {
        self.settled(|_, _| {});
    }
}
