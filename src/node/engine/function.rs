//! Functions of ours that JavaScript calls.

#![expect(unsafe_code, reason = "Node-API is a C interface")]

use napi::JsValue;
use napi::bindgen_prelude::{FromNapiValue, Unknown};

use super::api::node_api;
use super::exceptions::unpanicked;
use super::value::{JsResult, Scope, Thrown, Value};

/// What a function made here runs.
type Body = dyn for<'call> Fn(Scope<'call>, Value<'call>, Vec<Value<'call>>) -> JsResult<'call>;

impl<'env> Scope<'env> {
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
        let env = napi::Env::from_raw(self.raw());
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
                Ok(value) => value.raw(),
                Err(Thrown(value)) => {
                    node_api!(scope, napi_throw, value.raw());
                    scope.undefined().raw()
                }
            };
            // SAFETY: the value is of this scope.
            unsafe { Unknown::from_napi_value(scope.raw(), raw) }
        });
        match function {
            Ok(function) => Ok(self.value(function.raw())),
            Err(error) => Err(Thrown(self.error("Error", &error.reason))),
        }
    }
}

impl<'env> Value<'env> {
    /// A property that is computed when it is read.
    pub fn getter<F>(self, name: &str, read: F) -> JsResult<'env, ()>
    where
        F: 'static + for<'call> Fn(Scope<'call>) -> JsResult<'call>,
    {
        let scope = self.scope();
        let descriptor = scope.object()?;
        descriptor.set("get", scope.function(name, move |scope, _, _| read(scope))?)?;
        descriptor.set("enumerable", scope.boolean(true)?)?;
        let object = scope.global()?.get("Object")?;
        object.call_method("defineProperty", &[self, scope.string(name)?, descriptor])?;
        Ok(())
    }
}
