//! The functions of the objects that LibreChat calls, as tables.

use std::sync::Arc;
use std::time::Instant;

use super::state::RuntimeState;
use crate::node::engine::{JsRef, JsResult, Scope, Value};

pub type Body = for<'env> fn(&Arc<RuntimeState>, Scope<'env>, &[Value<'env>]) -> JsResult<'env>;

#[derive(Clone, Copy)]
pub struct Method {
    pub name: &'static str,
    pub body: Body,
    pub begins: Begins,
}

/// When a call begins.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Begins {
    AtOnce,
    /// It takes long to begin, or must not overtake one that does: where many are made at once, in a following turn.
    InTurn,
    /// The same, for one whose first argument is an object of parameters. What is in it stays that of now.
    InTurnWithParameters,
}

impl Method {
    pub const fn new(name: &'static str, body: Body) -> Self {
        Self {
            name,
            body,
            begins: Begins::AtOnce,
        }
    }

    pub const fn begins(self, begins: Begins) -> Self {
        Self { begins, ..self }
    }
}

/// Puts functions on an object. They work unbound.
pub fn set_methods<'env>(
    object: Value<'env>,
    shared: &Arc<RuntimeState>,
    methods: &[Method],
) -> JsResult<'env, ()> {
    for method in methods {
        let (shared, method) = (Arc::clone(shared), *method);
        let function = object
            .scope()
            .function(method.name, move |scope, _, arguments| {
                begin(&shared, scope, method, &arguments)
            })?;
        object.set(method.name, function)?;
    }
    Ok(())
}

/// Calls a method, now or in a following turn. Its context and its parameters are those of now.
fn begin<'env>(
    shared: &Arc<RuntimeState>,
    scope: Scope<'env>,
    method: Method,
    arguments: &[Value<'env>],
) -> JsResult<'env> {
    let Method { body, begins, .. } = method;
    if begins == Begins::AtOnce {
        return body(shared, scope, arguments);
    }
    if shared.burst.lock().is_over_budget() {
        let mut kept = arguments.to_vec();
        // Callers may use the same object for one call after another. What is in it stays their own.
        if let (Begins::InTurnWithParameters, Some(parameters)) = (begins, kept.first_mut())
            && parameters.is_object()
        {
            *parameters = parameters.copied()?;
        }
        return begin_later(shared, scope, body, &kept);
    }
    let began = Instant::now();
    let outcome = body(shared, scope, arguments);
    shared.burst.lock().spend(began.elapsed());
    outcome
}

fn begin_later<'env>(
    shared: &Arc<RuntimeState>,
    scope: Scope<'env>,
    body: Body,
    arguments: &[Value<'env>],
) -> JsResult<'env> {
    let kept = JsRef::new(&shared.thread, scope.array(arguments)?)?;
    let context = shared.realm.context(&shared.thread, scope)?;
    let (promise, value) = shared.thread.promise(scope)?;
    let shared = Arc::clone(shared);
    shared.burst.lock().postpone();
    promise.settle(move |scope| {
        shared.burst.lock().admit();
        let method = scope.function("begin", move |scope, _, _| {
            body(&shared, scope, &kept.get(scope).elements()?)
        })?;
        context.apply(method, scope.undefined(), &[])
    });
    Ok(value)
}
