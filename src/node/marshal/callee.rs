//! Where functions of the host are, and how they are called there.

use std::sync::Arc;

use super::context::CallContext;
use super::to_js::ToArguments;
use crate::node::engine::{JsRef, JsResult, Scope, Type, Value};

/// The host's registry.
pub const REGISTRY: Service = Service::Host("registry");

/// An object with functions.
#[derive(Clone)]
pub enum Service {
    /// A member of the host services, or what its getter returns.
    Host(&'static str),
    /// An object that the caller passed.
    Given(Arc<JsRef>),
}

/// A service, or what its getter promises.
enum Found<'env> {
    Object(Value<'env>),
    Promise(Value<'env>),
}

type Then = dyn for<'any> Fn(&Arc<CallContext>, Value<'any>) -> JsResult<'any>;

/// A promise of what `then` makes of the service that is promised.
fn after<'env>(
    context: &Arc<CallContext>,
    promise: Value<'env>,
    then: Box<Then>,
) -> JsResult<'env> {
    let context = Arc::clone(context);
    let continuation = promise
        .scope()
        .function("withService", move |scope, _, arguments| {
            then(&context, scope.at(&arguments, 0))
        })?;
    promise.call_method("then", &[continuation])
}

impl Service {
    /// An object that came with a call. Anything else is refused under this name.
    pub fn given<'env>(
        context: &CallContext,
        object: Value<'env>,
        name: &str,
    ) -> JsResult<'env, Self> {
        if !matches!(object.kind(), Type::Object | Type::Function) {
            let message = format!("{name} must be an object");
            return Err(object.scope().type_error(&message));
        }
        context.keep(object).map(Self::Given)
    }

    /// Gives `then` the object itself. The host's getter may have to promise it; the result is a promise as well then.
    pub fn with<'env>(
        &self,
        context: &Arc<CallContext>,
        scope: Scope<'env>,
        then: impl for<'any> Fn(&Arc<CallContext>, Value<'any>) -> JsResult<'any> + 'static,
    ) -> JsResult<'env> {
        match self.find(context, scope)? {
            Found::Object(object) => then(context, object),
            Found::Promise(promise) => after(context, promise, Box::new(then)),
        }
    }

    /// Calls a method, with `this` intact.
    pub fn call<'env>(
        &self,
        context: &Arc<CallContext>,
        scope: Scope<'env>,
        method: &'static str,
        arguments: impl for<'any> ToArguments<'any> + 'static,
    ) -> JsResult<'env> {
        match self.find(context, scope)? {
            Found::Object(object) => {
                let arguments = arguments.to_arguments(scope)?;
                self.call_on(context, object, method, &arguments)
            }
            Found::Promise(promise) => {
                let service = self.clone();
                let call: Box<Then> = Box::new(move |context, object| {
                    let arguments = arguments.to_arguments(object.scope())?;
                    service.call_on(context, object, method, &arguments)
                });
                after(context, promise, call)
            }
        }
    }

    fn find<'env>(
        &self,
        context: &Arc<CallContext>,
        scope: Scope<'env>,
    ) -> JsResult<'env, Found<'env>> {
        let member = match self {
            Self::Host(member) => member,
            Self::Given(object) => return Ok(Found::Object(object.get(scope))),
        };
        let host = context.host(scope);
        let service = host.get(member)?;
        if !service.is_function() {
            return Ok(Found::Object(service));
        }
        let service = context.apply(service, host, &[])?;
        let is_promise = service.is_object() && service.get("then")?.is_function();
        Ok(if is_promise {
            Found::Promise(service)
        } else {
            Found::Object(service)
        })
    }

    /// The same for who has the object already.
    pub fn call_on<'env>(
        &self,
        context: &CallContext,
        object: Value<'env>,
        method: &str,
        arguments: &[Value<'env>],
    ) -> JsResult<'env> {
        let function = if object.present().is_some() {
            object.get(method)?
        } else {
            object
        };
        if !function.is_function() {
            let message = match self {
                Self::Host(service) => format!("host.{service} has no function {method}"),
                Self::Given(_) => format!("{method} must be a function"),
            };
            return Err(object.scope().type_error(&message));
        }
        context.apply(function, object, arguments)
    }
}

/// Where the function of a callback is.
pub enum Callee {
    /// The member of the host services that the callback is named after.
    Host,
    /// The method of a service that the callback is named after.
    Service(Service),
    /// A method with another name.
    Method(Service, &'static str),
    /// No function at all: the service itself is the answer.
    Itself(Service),
    /// A function that came with a call, or that the host has returned.
    Function(Arc<JsRef>),
}

impl Callee {
    /// `name` is that of the member or method.
    pub fn call<'env>(
        self,
        context: &Arc<CallContext>,
        scope: Scope<'env>,
        name: &'static str,
        arguments: impl for<'any> ToArguments<'any> + 'static,
    ) -> JsResult<'env> {
        match self {
            Self::Host => {
                let host = context.host(scope);
                let arguments = arguments.to_arguments(scope)?;
                context.apply(host.get(name)?, host, &arguments)
            }
            Self::Service(service) => service.call(context, scope, name, arguments),
            Self::Method(service, method) => service.call(context, scope, method, arguments),
            Self::Itself(service) => service.with(context, scope, |_, object| Ok(object)),
            Self::Function(function) => {
                let arguments = arguments.to_arguments(scope)?;
                context.apply(function.get(scope), scope.undefined(), &arguments)
            }
        }
    }
}

impl From<&Service> for Callee {
    fn from(service: &Service) -> Self {
        Self::Service(service.clone())
    }
}

impl From<&Arc<JsRef>> for Callee {
    fn from(function: &Arc<JsRef>) -> Self {
        Self::Function(Arc::clone(function))
    }
}
