//! JavaScript values that Rust keeps.

#![expect(unsafe_code, reason = "Node-API is a C interface")]

use std::ptr;

use napi::sys;

use super::api::node_api;
use super::thread::{JsThread, RawRef};
use super::value::{JsResult, Scope, Thrown, Type, Value};

/// A JavaScript value kept from any thread. Dropping it releases the value on JavaScript's thread.
pub struct JsRef {
    raw: sys::napi_ref,
    /// The value is the element of an array: only objects and functions can be referenced themselves.
    is_in_array: bool,
    thread: JsThread,
}

// SAFETY: the reference is only read and deleted in a `Scope`, on JavaScript's thread.
unsafe impl Send for JsRef {}
// SAFETY: as above.
unsafe impl Sync for JsRef {}

impl JsRef {
    /// A reference that keeps nothing: once an object is gone, [`JsRef::get`] is `undefined`.
    pub fn weak<'env>(thread: &JsThread, object: Value<'env>) -> JsResult<'env, Self> {
        Self::create(thread, object, false, 0)
    }

    pub fn new<'env>(thread: &JsThread, value: Value<'env>) -> JsResult<'env, Self> {
        let scope = value.scope();
        let is_in_array = !matches!(value.kind(), Type::Object | Type::Function);
        let object = if is_in_array {
            scope.array(&[value])?
        } else {
            value
        };
        Self::create(thread, object, is_in_array, 1)
    }

    fn create<'env>(
        thread: &JsThread,
        object: Value<'env>,
        is_in_array: bool,
        count: u32,
    ) -> JsResult<'env, Self> {
        let (scope, mut raw) = (object.scope(), ptr::null_mut());
        node_api!(
            scope,
            napi_create_reference,
            object.raw(),
            count,
            &raw mut raw
        );
        if raw.is_null() {
            return Err(Thrown(
                scope.error("Error", "Could not keep a JavaScript value"),
            ));
        }
        Ok(Self {
            raw,
            is_in_array,
            thread: thread.clone(),
        })
    }

    pub fn get<'env>(&self, scope: Scope<'env>) -> Value<'env> {
        let (mut object, mut value) = (ptr::null_mut(), ptr::null_mut());
        node_api!(scope, napi_get_reference_value, self.raw, &raw mut object);
        if object.is_null() {
            return scope.undefined();
        }
        if !self.is_in_array {
            return scope.value(object);
        }
        if node_api!(scope, napi_get_element, object, 0, &raw mut value) != sys::Status::napi_ok {
            return scope.undefined();
        }
        scope.value(value)
    }
}

impl Drop for JsRef {
    fn drop(&mut self) {
        self.thread.discard(RawRef(self.raw));
    }
}
