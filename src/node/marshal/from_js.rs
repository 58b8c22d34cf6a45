//! What the host's functions answer: JavaScript values as the core's data.

use std::sync::Arc;

use super::context::CallContext;
use super::convert::{self, JsonObject};
use crate::node::engine::{JsRef, JsResult, Thrown, Value};

/// Data that is read from what the host answers.
pub trait FromJs: Sized {
    fn from_js<'env>(context: &Arc<CallContext>, value: Value<'env>) -> JsResult<'env, Self>;
}

/// Whatever the host answers.
impl FromJs for () {
    fn from_js<'env>(_: &Arc<CallContext>, _: Value<'env>) -> JsResult<'env, Self> {
        Ok(())
    }
}

/// As JavaScript's `if` sees it.
impl FromJs for bool {
    fn from_js<'env>(_: &Arc<CallContext>, value: Value<'env>) -> JsResult<'env, Self> {
        Ok(value.is_truthy())
    }
}

impl FromJs for Option<String> {
    fn from_js<'env>(_: &Arc<CallContext>, value: Value<'env>) -> JsResult<'env, Self> {
        Ok(value.as_string())
    }
}

impl FromJs for Option<JsonObject> {
    fn from_js<'env>(_: &Arc<CallContext>, value: Value<'env>) -> JsResult<'env, Self> {
        convert::members(value)
    }
}

/// A function, which is kept; anything else is none.
impl FromJs for Option<Arc<JsRef>> {
    fn from_js<'env>(context: &Arc<CallContext>, value: Value<'env>) -> JsResult<'env, Self> {
        context.keep_function(value)
    }
}

/// What a function is told that answers something of another type.
pub fn wrong_answer<'env>(value: Value<'env>, function: &str, expected: &str) -> Thrown<'env> {
    let message = format!("{function} must resolve to {expected}");
    value.scope().type_error(&message)
}
