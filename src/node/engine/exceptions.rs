//! What our own code throws.

#![expect(unsafe_code, reason = "Node-API is a C interface")]

use std::panic::{AssertUnwindSafe, catch_unwind};

use napi::bindgen_prelude::{FromNapiValue, Unknown};

use super::api::node_api;
use super::value::{JsResult, Scope, Thrown, Value};
use crate::error::{Code, Error};

impl<'env> Scope<'env> {
    /// An instance of one of JavaScript's own error classes.
    pub fn error(self, class: &str, message: &str) -> Value<'env> {
        let made = || -> JsResult<'env> {
            let constructor = self.global()?.get(class)?;
            constructor.construct(&[self.string(message)?])
        };
        made().unwrap_or_else(|Thrown(value)| value)
    }

    /// A parameter or a host service of the wrong shape, with the `code` that every error has.
    pub fn type_error(self, message: &str) -> Thrown<'env> {
        Thrown(self.coded("TypeError", message, Code::InvalidArgument, false))
    }

    /// An error without more than its text, `code` and `retryable`.
    pub fn failure(self, error: &Error) -> Thrown<'env> {
        Thrown(self.coded("Error", &error.message, error.code, error.retryable))
    }

    fn coded(self, class: &str, message: &str, code: Code, retryable: bool) -> Value<'env> {
        let error = self.error(class, message);
        let marked = || -> JsResult<'env, ()> {
            error.set("code", self.string(code.as_str())?)?;
            error.set("retryable", self.boolean(retryable)?)
        };
        marked().map_or_else(|Thrown(value)| value, |()| error)
    }
}

/// Runs our code where JavaScript called it, or is to get its outcome: a panic in it becomes an exception.
pub fn unpanicked<'env>(
    scope: Scope<'env>,
    body: impl FnOnce() -> JsResult<'env>,
) -> JsResult<'env> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| Err(scope.failure(&Error::internal())))
}

/// Runs a function of the module and hands its result to napi: an exception becomes the pending one, a panic an exception.
pub fn raise<'env, 'any>(
    scope: Scope<'env>,
    body: impl FnOnce() -> JsResult<'env>,
) -> napi::Result<Unknown<'any>> {
    match unpanicked(scope, body) {
        // SAFETY: the value is of this scope.
        Ok(value) => unsafe { Unknown::from_napi_value(scope.raw(), value.raw()) },
        Err(Thrown(value)) => {
            node_api!(scope, napi_throw, value.raw());
            Err(napi::Error::from_status(napi::Status::PendingException))
        }
    }
}
