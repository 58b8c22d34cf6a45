//! Where functions of the host are.

use std::sync::Arc;

use crate::node::engine::{JsRef, JsResult, Scope, Value};
use crate::node::marshal::context::CallContext;

/// An object with functions.
#[derive(Clone)]
pub enum Service {
    /// A member of the host services, or what its getter returns.
    Host(&'static str),
    /// An object that the caller passed.
    Given(Arc<JsRef>),
}

impl Service {
    /// The object itself, which a getter may have to promise.
    pub fn with<'env>(
        &self,
        context: &Arc<CallContext>,
        scope: Scope<'env>,
        then: impl for<'any> Fn(&Arc<CallContext>, Value<'any>) -> JsResult<'any> + 'static,
    ) -> JsResult<'env> {
        match self {
            Self::Host(service) => context.with_service(scope, service, then),
            Self::Given(object) => then(context, object.get(scope)),
        }
    }

    pub fn call<'env>(
        &self,
        context: &Arc<CallContext>,
        scope: Scope<'env>,
        method: &'static str,
        arguments: impl for<'any> Fn(&Arc<CallContext>, Scope<'any>) -> JsResult<'any, Vec<Value<'any>>>
        + 'static,
    ) -> JsResult<'env> {
        let object = match self {
            Self::Host(service) => {
                return context.call_service(scope, service, method, arguments);
            }
            Self::Given(object) => object.get(scope),
        };
        let function = object.get(method)?;
        if !function.is_function() {
            return Err(scope.type_error(&format!("{method} must be a function")));
        }
        context.apply(function, object, &arguments(context, scope)?)
    }
}
