//! JavaScript values on their own thread, over Node-API.
//!
//! A [`Scope`] exists only while JavaScript's thread runs our code, so holding one proves that values may be touched.
//! What JavaScript throws is an ordinary [`Thrown`] value here and keeps its identity.

// Node-API is a C interface: every call below passes the `napi_env` of the running scope and values of that scope.
#![expect(unsafe_code, reason = "Node-API is a C interface")]

use std::marker::PhantomData;
use std::ptr;

use napi::bindgen_prelude::{FromNapiValue, Unknown};
use napi::{JsValue, sys};
use serde_json::Value as Json;

use super::errors::unpanicked;
use super::prelude::Helper;
use crate::error::Code;

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

/// What a function made here runs.
type Body = dyn for<'call> Fn(Scope<'call>, Value<'call>, Vec<Value<'call>>) -> JsResult<'call>;

pub type JsResult<'env, T = Value<'env>> = Result<T, Thrown<'env>>;

/// A promise that Rust settles later.
pub struct Deferred(sys::napi_deferred);

// SAFETY: the handle is only used through a `Scope` of the environment that made it.
unsafe impl Send for Deferred {}

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

    pub fn value(self, raw: sys::napi_value) -> Value<'env> {
        Value { raw, scope: self }
    }

    pub fn check(self, status: sys::napi_status) -> JsResult<'env, ()> {
        if status == sys::Status::napi_ok {
            return Ok(());
        }
        let mut pending = false;
        let mut raw = ptr::null_mut();
        unsafe {
            sys::napi_is_exception_pending(self.env, &raw mut pending);
            if pending
                && sys::napi_get_and_clear_last_exception(self.env, &raw mut raw)
                    == sys::Status::napi_ok
            {
                return Err(Thrown(self.value(raw)));
            }
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

    /// Runs `work` with handles of its own, which are given back afterwards.
    pub fn enclosed(self, work: impl FnOnce(Self)) {
        let mut handles = ptr::null_mut();
        unsafe { sys::napi_open_handle_scope(self.env, &raw mut handles) };
        work(self);
        if !handles.is_null() {
            unsafe { sys::napi_close_handle_scope(self.env, handles) };
        }
    }

    pub fn undefined(self) -> Value<'env> {
        let mut raw = ptr::null_mut();
        unsafe { sys::napi_get_undefined(self.env, &raw mut raw) };
        self.value(raw)
    }

    pub fn null(self) -> Value<'env> {
        let mut raw = ptr::null_mut();
        unsafe { sys::napi_get_null(self.env, &raw mut raw) };
        self.value(raw)
    }

    pub fn boolean(self, value: bool) -> JsResult<'env> {
        self.make(|result| unsafe { sys::napi_get_boolean(self.env, value, result) })
    }

    pub fn number(self, value: f64) -> JsResult<'env> {
        self.make(|result| unsafe { sys::napi_create_double(self.env, value, result) })
    }

    /// A time in milliseconds since the epoch.
    #[expect(clippy::cast_precision_loss, reason = "exact until the year 287396")]
    pub fn milliseconds(self, time: i64) -> JsResult<'env> {
        self.number(time as f64)
    }

    pub fn string(self, text: &str) -> JsResult<'env> {
        // V8 keeps ASCII as it is, and has to look at UTF-8 byte by byte.
        let create = if text.is_ascii() {
            sys::napi_create_string_latin1
        } else {
            sys::napi_create_string_utf8
        };
        let (bytes, length) = (text.as_ptr().cast(), text.len().cast_signed());
        self.make(|result| unsafe { create(self.env, bytes, length, result) })
    }

    pub fn optional_string(self, text: Option<&str>) -> JsResult<'env> {
        text.map_or(Ok(self.undefined()), |text| self.string(text))
    }

    pub fn object(self) -> JsResult<'env> {
        self.make(|result| unsafe { sys::napi_create_object(self.env, result) })
    }

    pub fn array(self, items: &[Value<'env>]) -> JsResult<'env> {
        let array = self.make(|result| unsafe {
            sys::napi_create_array_with_length(self.env, items.len(), result)
        })?;
        for (index, item) in (0u32..).zip(items) {
            self.check(unsafe { sys::napi_set_element(self.env, array.raw, index, item.raw) })?;
        }
        Ok(array)
    }

    pub fn global(self) -> JsResult<'env> {
        self.make(|result| unsafe { sys::napi_get_global(self.env, result) })
    }

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
        let error = self.error("TypeError", message);
        let marked = || -> JsResult<'env, ()> {
            error.set("code", self.string(Code::InvalidArgument.as_str())?)?;
            error.set("retryable", self.boolean(false)?)
        };
        marked().map_or_else(|thrown| thrown, |()| Thrown(error))
    }

    /// `JSON.parse`: one string crosses, V8 builds the objects.
    pub fn parse_json(self, text: &str) -> JsResult<'env> {
        let parse = self.helper(Helper::Parse)?;
        parse.call(self.undefined(), &[self.string(text)?])
    }

    pub fn json(self, value: &Json) -> JsResult<'env> {
        self.parse_json(&value.to_string())
    }

    pub fn promise(self) -> JsResult<'env, (Deferred, Value<'env>)> {
        let mut deferred = ptr::null_mut();
        let promise = self.make(|result| unsafe {
            sys::napi_create_promise(self.env, &raw mut deferred, result)
        })?;
        Ok((Deferred(deferred), promise))
    }

    pub fn settle(self, Deferred(deferred): Deferred, outcome: JsResult<'env>) {
        unsafe {
            match outcome {
                Ok(value) => sys::napi_resolve_deferred(self.env, deferred, value.raw),
                Err(Thrown(value)) => sys::napi_reject_deferred(self.env, deferred, value.raw),
            };
        }
    }

    /// A JavaScript function that runs `body`. A panic in it becomes an exception.
    pub fn function<F>(self, name: &str, body: F) -> JsResult<'env>
    where
        F: 'static
            + for<'call> Fn(Scope<'call>, Value<'call>, Vec<Value<'call>>) -> JsResult<'call>,
    {
        self.boxed_function(name, Box::new(body))
    }

    /// Not generic: napi's part is compiled once.
    fn boxed_function(self, name: &str, body: Box<Body>) -> JsResult<'env> {
        let env = napi::Env::from_raw(self.env);
        let function = env.create_function_from_closure::<(), Unknown, _>(name, move |context| {
            let scope = Scope::new(context.env);
            let arguments = (0..context.length())
                .filter_map(|index| context.get::<Unknown>(index).ok())
                .map(|argument| scope.value(argument.raw()))
                .collect();
            let this = context
                .this::<Unknown>()
                .map_or_else(|_| scope.undefined(), |this| scope.value(this.raw()));
            let outcome = unpanicked(scope, || body(scope, this, arguments));
            let raw = match outcome {
                Ok(value) => value.raw,
                Err(Thrown(value)) => {
                    unsafe { sys::napi_throw(scope.env, value.raw) };
                    scope.undefined().raw
                }
            };
            unsafe { Unknown::from_napi_value(scope.env, raw) }
        });
        match function {
            Ok(function) => Ok(self.value(function.raw())),
            Err(error) => Err(Thrown(self.error("Error", &error.reason))),
        }
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
        unsafe { sys::napi_typeof(self.scope.env, self.raw, &raw mut kind) };
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
        self.scope.make(|result| unsafe {
            sys::napi_get_property(self.scope.env, self.raw, key.raw, result)
        })
    }

    /// A member of the object itself; `undefined` for what it inherits.
    pub fn get_own(self, name: &str) -> JsResult<'env> {
        let key = self.scope.string(name)?;
        let mut found = false;
        self.scope.check(unsafe {
            sys::napi_has_own_property(self.scope.env, self.raw, key.raw, &raw mut found)
        })?;
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
        unsafe { sys::napi_has_property(self.scope.env, self.raw, key.raw, &raw mut found) };
        found
    }

    pub fn set(self, name: &str, value: Value<'env>) -> JsResult<'env, ()> {
        let key = self.scope.string(name)?;
        self.scope
            .check(unsafe { sys::napi_set_property(self.scope.env, self.raw, key.raw, value.raw) })
    }

    /// A property that is computed when it is read.
    pub fn getter<F>(self, name: &str, read: F) -> JsResult<'env, ()>
    where
        F: 'static + for<'call> Fn(Scope<'call>) -> JsResult<'call>,
    {
        let scope = self.scope;
        let descriptor = scope.object()?;
        descriptor.set("get", scope.function(name, move |scope, _, _| read(scope))?)?;
        descriptor.set("enumerable", scope.boolean(true)?)?;
        let object = scope.global()?.get("Object")?;
        object
            .get("defineProperty")?
            .call(object, &[self, scope.string(name)?, descriptor])?;
        Ok(())
    }

    pub fn call(self, this: Value<'env>, arguments: &[Value<'env>]) -> JsResult<'env> {
        let raw: Vec<_> = arguments.iter().map(|argument| argument.raw).collect();
        self.scope.make(|result| unsafe {
            sys::napi_call_function(
                self.scope.env,
                this.raw,
                self.raw,
                raw.len(),
                raw.as_ptr(),
                result,
            )
        })
    }

    pub fn construct(self, arguments: &[Value<'env>]) -> JsResult<'env> {
        let raw: Vec<_> = arguments.iter().map(|argument| argument.raw).collect();
        self.scope.make(|result| unsafe {
            sys::napi_new_instance(self.scope.env, self.raw, raw.len(), raw.as_ptr(), result)
        })
    }

    pub fn as_bool(self) -> Option<bool> {
        let mut value = false;
        let status = unsafe { sys::napi_get_value_bool(self.scope.env, self.raw, &raw mut value) };
        (status == sys::Status::napi_ok).then_some(value)
    }

    pub fn as_number(self) -> Option<f64> {
        let mut value = 0.0;
        let status =
            unsafe { sys::napi_get_value_double(self.scope.env, self.raw, &raw mut value) };
        (status == sys::Status::napi_ok).then_some(value)
    }

    /// A whole number that is not negative.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be whole and in range"
    )]
    pub fn as_index(self) -> Option<usize> {
        let number = self.as_number()?;
        (number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number))
            .then_some(number as usize)
    }

    pub fn as_string(self) -> Option<String> {
        let mut length = 0;
        let env = self.scope.env;
        unsafe {
            if sys::napi_get_value_string_utf8(env, self.raw, ptr::null_mut(), 0, &raw mut length)
                != sys::Status::napi_ok
            {
                return None;
            }
            // Node-API writes a terminating zero as well.
            let mut bytes = vec![0u8; length + 1];
            let status = sys::napi_get_value_string_utf8(
                env,
                self.raw,
                bytes.as_mut_ptr().cast(),
                bytes.len(),
                &raw mut length,
            );
            bytes.truncate(length);
            (status == sys::Status::napi_ok).then(|| String::from_utf8_lossy(&bytes).into_owned())
        }
    }

    /// `===`.
    pub fn equals(self, other: Value<'env>) -> bool {
        let mut equal = false;
        let status =
            unsafe { sys::napi_strict_equals(self.scope.env, self.raw, other.raw, &raw mut equal) };
        status == sys::Status::napi_ok && equal
    }

    /// JavaScript's truthiness.
    pub fn is_truthy(self) -> bool {
        let mut coerced = ptr::null_mut();
        let status =
            unsafe { sys::napi_coerce_to_bool(self.scope.env, self.raw, &raw mut coerced) };
        status == sys::Status::napi_ok && self.scope.value(coerced).as_bool().unwrap_or(false)
    }

    /// `String(value)`.
    pub fn to_text(self) -> JsResult<'env, String> {
        let text = self.scope.make(|result| unsafe {
            sys::napi_coerce_to_string(self.scope.env, self.raw, result)
        })?;
        Ok(text.as_string().unwrap_or_default())
    }

    fn is_array(self) -> bool {
        let mut found = false;
        unsafe { sys::napi_is_array(self.scope.env, self.raw, &raw mut found) };
        found
    }

    /// The elements of an array; empty for anything else.
    pub fn elements(self) -> JsResult<'env, Vec<Self>> {
        let mut length = 0;
        if !self.is_array() {
            return Ok(Vec::new());
        }
        self.scope.check(unsafe {
            sys::napi_get_array_length(self.scope.env, self.raw, &raw mut length)
        })?;
        (0..length)
            .map(|index| {
                self.scope.make(|result| unsafe {
                    sys::napi_get_element(self.scope.env, self.raw, index, result)
                })
            })
            .collect()
    }

    /// Own enumerable string keys, in order.
    pub fn keys(self) -> JsResult<'env, Vec<String>> {
        let filter = sys::KeyFilter::enumerable | sys::KeyFilter::skip_symbols;
        let names = self.scope.make(|result| unsafe {
            sys::napi_get_all_property_names(
                self.scope.env,
                self.raw,
                sys::KeyCollectionMode::own_only,
                filter,
                sys::KeyConversion::numbers_to_strings,
                result,
            )
        })?;
        Ok(names
            .elements()?
            .into_iter()
            .filter_map(Self::as_string)
            .collect())
    }
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
