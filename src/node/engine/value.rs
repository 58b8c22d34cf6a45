//! JavaScript values on their own thread, over Node-API.
//!
//! A [`Scope`] exists only while JavaScript's thread runs our code, so holding one proves that values may be touched.
//! What JavaScript throws is an ordinary [`Thrown`] value here and keeps its identity.

#![expect(unsafe_code, reason = "Node-API is a C interface")]

use std::ffi::c_char;
use std::marker::PhantomData;
use std::ptr;

use napi::{JsValue, sys};

use super::api::node_api;

/// A text that has fewer bytes is read in one call, without asking for its length.
const SHORT: usize = 128;

#[derive(Clone, Copy)]
pub struct Scope<'env> {
    env: sys::napi_env,
    lifetime: PhantomData<&'env ()>,
}

#[derive(Clone, Copy)]
pub struct Value<'env> {
    raw: sys::napi_value,
    scope: Scope<'env>,
}

/// What JavaScript threw.
#[derive(Clone, Copy)]
pub struct Thrown<'env>(pub Value<'env>);

pub type JsResult<'env, T = Value<'env>> = Result<T, Thrown<'env>>;

impl<'env> Scope<'env> {
    pub fn new(env: &'env napi::Env) -> Self {
        Self {
            env: env.raw(),
            lifetime: PhantomData,
        }
    }

    pub fn raw(self) -> sys::napi_env {
        self.env
    }

    /// `raw` must be a value of this scope.
    pub(super) fn value(self, raw: sys::napi_value) -> Value<'env> {
        Value { raw, scope: self }
    }

    /// A value that napi hands over.
    pub fn wrap<'any>(self, value: &impl JsValue<'any>) -> Value<'env> {
        self.value(value.raw())
    }

    pub fn check(self, status: sys::napi_status) -> JsResult<'env, ()> {
        if status == sys::Status::napi_ok {
            return Ok(());
        }
        let mut pending = false;
        let mut raw = ptr::null_mut();
        node_api!(self, napi_is_exception_pending, &raw mut pending);
        if pending
            && node_api!(self, napi_get_and_clear_last_exception, &raw mut raw)
                == sys::Status::napi_ok
        {
            return Err(Thrown(self.value(raw)));
        }
        // Not `Scope::error`: in an environment that is going away every call fails, this one included.
        Err(Thrown(self.undefined()))
    }

    pub fn make(
        self,
        create: impl FnOnce(*mut sys::napi_value) -> sys::napi_status,
    ) -> JsResult<'env> {
        let mut raw = ptr::null_mut();
        self.check(create(&raw mut raw))?;
        Ok(self.value(raw))
    }

    /// Runs `work` with handles of its own, which are given back afterwards, also where it panics.
    pub fn enclosed(self, work: impl for<'inner> FnOnce(Scope<'inner>)) {
        struct Handles<'env>(Scope<'env>, sys::napi_handle_scope);
        impl Drop for Handles<'_> {
            fn drop(&mut self) {
                if !self.1.is_null() {
                    node_api!(self.0, napi_close_handle_scope, self.1);
                }
            }
        }
        let mut handles = Handles(self, ptr::null_mut());
        node_api!(self, napi_open_handle_scope, &raw mut handles.1);
        work(Scope {
            env: self.env,
            lifetime: PhantomData,
        });
    }

    /// The value at this place of a list; `undefined` where there is none.
    pub fn at(self, values: &[Value<'env>], index: usize) -> Value<'env> {
        let value = values.get(index).copied();
        value.unwrap_or_else(|| self.undefined())
    }

    pub fn undefined(self) -> Value<'env> {
        let mut raw = ptr::null_mut();
        node_api!(self, napi_get_undefined, &raw mut raw);
        self.value(raw)
    }

    pub fn null(self) -> Value<'env> {
        let mut raw = ptr::null_mut();
        node_api!(self, napi_get_null, &raw mut raw);
        self.value(raw)
    }

    pub fn boolean(self, value: bool) -> JsResult<'env> {
        self.make(|result| node_api!(self, napi_get_boolean, value, result))
    }

    pub fn number(self, value: f64) -> JsResult<'env> {
        self.make(|result| node_api!(self, napi_create_double, value, result))
    }

    /// A time in milliseconds since the epoch.
    #[expect(clippy::cast_precision_loss, reason = "exact until the year 287396")]
    pub fn milliseconds(self, time: i64) -> JsResult<'env> {
        self.number(time as f64)
    }

    pub fn string(self, text: &str) -> JsResult<'env> {
        let (bytes, length) = (text.as_ptr().cast(), text.len().cast_signed());
        // V8 keeps ASCII as it is, and has to look at UTF-8 byte by byte.
        if text.is_ascii() {
            self.make(|result| node_api!(self, napi_create_string_latin1, bytes, length, result))
        } else {
            self.make(|result| node_api!(self, napi_create_string_utf8, bytes, length, result))
        }
    }

    pub fn optional_string(self, text: Option<&str>) -> JsResult<'env> {
        text.map_or(Ok(self.undefined()), |text| self.string(text))
    }

    pub fn object(self) -> JsResult<'env> {
        self.make(|result| node_api!(self, napi_create_object, result))
    }

    pub fn array(self, items: &[Value<'env>]) -> JsResult<'env> {
        let array = self
            .make(|result| node_api!(self, napi_create_array_with_length, items.len(), result))?;
        for (index, item) in (0u32..).zip(items) {
            self.check(node_api!(
                self,
                napi_set_element,
                array.raw,
                index,
                item.raw
            ))?;
        }
        Ok(array)
    }

    pub fn global(self) -> JsResult<'env> {
        self.make(|result| node_api!(self, napi_get_global, result))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Type {
    Undefined,
    Null,
    Boolean,
    Number,
    String,
    Object,
    Function,
    Other,
}

impl<'env> Value<'env> {
    pub fn raw(self) -> sys::napi_value {
        self.raw
    }

    pub fn scope(self) -> Scope<'env> {
        self.scope
    }

    pub fn kind(self) -> Type {
        let mut kind = 0;
        node_api!(self.scope, napi_typeof, self.raw, &raw mut kind);
        match kind {
            sys::ValueType::napi_undefined => Type::Undefined,
            sys::ValueType::napi_null => Type::Null,
            sys::ValueType::napi_boolean => Type::Boolean,
            sys::ValueType::napi_number => Type::Number,
            sys::ValueType::napi_string => Type::String,
            sys::ValueType::napi_object => Type::Object,
            sys::ValueType::napi_function => Type::Function,
            _ => Type::Other,
        }
    }

    pub fn is_function(self) -> bool {
        self.kind() == Type::Function
    }

    pub fn is_object(self) -> bool {
        self.kind() == Type::Object
    }

    pub fn is_undefined(self) -> bool {
        self.kind() == Type::Undefined
    }

    /// Neither `undefined` nor `null`.
    pub fn present(self) -> Option<Self> {
        (!matches!(self.kind(), Type::Undefined | Type::Null)).then_some(self)
    }

    pub fn get(self, name: &str) -> JsResult<'env> {
        let key = self.scope.string(name)?;
        self.scope
            .make(|result| node_api!(self.scope, napi_get_property, self.raw, key.raw, result))
    }

    /// A member of the object itself; `undefined` for what it inherits.
    pub fn get_own(self, name: &str) -> JsResult<'env> {
        let key = self.scope.string(name)?;
        let mut found = false;
        self.scope.check(node_api!(
            self.scope,
            napi_has_own_property,
            self.raw,
            key.raw,
            &raw mut found
        ))?;
        if found {
            self.get(name)
        } else {
            Ok(self.scope.undefined())
        }
    }

    pub fn has(self, name: &str) -> bool {
        let Ok(key) = self.scope.string(name) else {
            return false;
        };
        let mut found = false;
        node_api!(
            self.scope,
            napi_has_property,
            self.raw,
            key.raw,
            &raw mut found
        );
        found
    }

    pub fn set(self, name: &str, value: Value<'env>) -> JsResult<'env, ()> {
        let key = self.scope.string(name)?;
        self.scope.check(node_api!(
            self.scope,
            napi_set_property,
            self.raw,
            key.raw,
            value.raw
        ))
    }

    pub fn call(self, this: Value<'env>, arguments: &[Value<'env>]) -> JsResult<'env> {
        let raw: Vec<_> = arguments.iter().map(|argument| argument.raw).collect();
        self.scope.make(|result| {
            node_api!(
                self.scope,
                napi_call_function,
                this.raw,
                self.raw,
                raw.len(),
                raw.as_ptr(),
                result
            )
        })
    }

    /// Calls the function that is this member, with `this`.
    pub fn call_method(self, name: &str, arguments: &[Value<'env>]) -> JsResult<'env> {
        self.get(name)?.call(self, arguments)
    }

    pub fn construct(self, arguments: &[Value<'env>]) -> JsResult<'env> {
        let raw: Vec<_> = arguments.iter().map(|argument| argument.raw).collect();
        self.scope.make(|result| {
            node_api!(
                self.scope,
                napi_new_instance,
                self.raw,
                raw.len(),
                raw.as_ptr(),
                result
            )
        })
    }

    pub fn as_bool(self) -> Option<bool> {
        let mut value = false;
        let status = node_api!(self.scope, napi_get_value_bool, self.raw, &raw mut value);
        (status == sys::Status::napi_ok).then_some(value)
    }

    pub fn as_number(self) -> Option<f64> {
        let mut value = 0.0;
        let status = node_api!(self.scope, napi_get_value_double, self.raw, &raw mut value);
        (status == sys::Status::napi_ok).then_some(value)
    }

    pub fn as_string(self) -> Option<String> {
        let (scope, mut length) = (self.scope, 0);
        let mut read = |bytes: *mut c_char, room: usize| {
            let status = node_api!(
                scope,
                napi_get_value_string_utf8,
                self.raw,
                bytes,
                room,
                &raw mut length
            );
            (status == sys::Status::napi_ok).then_some(length)
        };
        // Node-API writes a terminating zero as well, and no part of a character, which may have 4 bytes.
        let mut short = [0u8; SHORT];
        let written = read(short.as_mut_ptr().cast(), SHORT)?;
        if written < SHORT - 4 {
            return Some(text_of(short[..written].to_vec()));
        }
        let mut bytes = vec![0u8; read(ptr::null_mut(), 0)? + 1];
        let written = read(bytes.as_mut_ptr().cast(), bytes.len())?;
        bytes.truncate(written);
        Some(text_of(bytes))
    }

    /// `===`.
    pub fn equals(self, other: Value<'env>) -> bool {
        let mut equal = false;
        let status = node_api!(
            self.scope,
            napi_strict_equals,
            self.raw,
            other.raw,
            &raw mut equal
        );
        status == sys::Status::napi_ok && equal
    }

    /// JavaScript's truthiness.
    pub fn is_truthy(self) -> bool {
        let mut coerced = ptr::null_mut();
        let status = node_api!(self.scope, napi_coerce_to_bool, self.raw, &raw mut coerced);
        status == sys::Status::napi_ok && self.scope.value(coerced).as_bool().unwrap_or(false)
    }

    /// `String(value)`.
    pub fn to_text(self) -> JsResult<'env, String> {
        let text = self
            .scope
            .make(|result| node_api!(self.scope, napi_coerce_to_string, self.raw, result))?;
        Ok(text.as_string().unwrap_or_default())
    }
}

/// What Node-API wrote: half of a surrogate pair has become U+FFFD.
fn text_of(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

impl Thrown<'_> {
    /// `error.message`, or the value as text.
    pub fn message(&self) -> String {
        let message = self
            .0
            .is_object()
            .then(|| self.0.get("message").ok().and_then(Value::as_string))
            .flatten();
        message
            .or_else(|| self.0.to_text().ok())
            .unwrap_or_default()
    }
}
