//! The one way for a function of an object of ours: a line in the object's table, and a body that is given the call.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Instant;

use super::call::Call;
use super::state::RuntimeState;
use crate::node::engine::{JsRef, JsResult, Value};
use crate::node::marshal::arguments::Arguments;
use crate::node::marshal::params::Params;

/// One call of a function: what its object stands for, and what it was given.
pub struct Invocation<'env, T = ()> {
    pub runtime: Arc<RuntimeState>,
    pub target: T,
    pub arguments: Arguments<'env>,
}

impl<'env, T> Deref for Invocation<'env, T> {
    type Target = Arguments<'env>;

    fn deref(&self) -> &Self::Target {
        &self.arguments
    }
}

impl<'env, T> Invocation<'env, T> {
    /// The object of parameters, which comes first.
    pub fn params(&self, function: &'static str) -> JsResult<'env, Params<'env>> {
        Params::new(self.scope, function, self.values.first().copied())
    }

    /// A call that is given no object of parameters.
    pub fn call(&self) -> JsResult<'env, Call> {
        self.runtime.call(self.scope, None)
    }

    /// The same for one that ends with the signal that is this argument.
    pub fn abortable_call(&self, index: usize) -> JsResult<'env, Call> {
        let mut call = self.call()?;
        if let Some(signal) = self.object(index) {
            call.listen(&self.runtime.thread, signal)?;
        }
        Ok(call)
    }
}

pub type Body<T> = for<'env> fn(&Invocation<'env, T>) -> JsResult<'env>;

pub struct Method<T: 'static = ()> {
    name: &'static str,
    body: Body<T>,
    begins: Begins,
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

impl<T> Method<T> {
    pub const fn new(name: &'static str, body: Body<T>) -> Self {
        Self {
            name,
            body,
            begins: Begins::AtOnce,
        }
    }

    pub const fn begins(mut self, begins: Begins) -> Self {
        self.begins = begins;
        self
    }
}

/// Puts functions on an object that stands for `target`. They work unbound.
pub fn set_methods<'env, T: Clone + Send + 'static>(
    object: Value<'env>,
    runtime: &Arc<RuntimeState>,
    target: &T,
    methods: &'static [Method<T>],
) -> JsResult<'env> {
    for method in methods {
        let (runtime, target) = (Arc::clone(runtime), target.clone());
        let function = object
            .scope()
            .function(method.name, move |scope, _, values| {
                let invocation = Invocation {
                    runtime: Arc::clone(&runtime),
                    target: target.clone(),
                    arguments: Arguments { scope, values },
                };
                begin(method, invocation)
            })?;
        object.set(method.name, function)?;
    }
    Ok(object)
}

/// Calls a method, now or in a following turn. Its context and its parameters are those of now.
fn begin<'env, T: Clone + Send + 'static>(
    method: &'static Method<T>,
    mut invocation: Invocation<'env, T>,
) -> JsResult<'env> {
    if method.begins == Begins::AtOnce {
        return (method.body)(&invocation);
    }
    let burst = Arc::clone(&invocation.runtime.burst);
    if burst.lock().is_over_budget() {
        // Callers may use the same object for one call after another. What is in it stays their own.
        if let (Begins::InTurnWithParameters, Some(parameters)) =
            (method.begins, invocation.arguments.values.first_mut())
            && parameters.is_object()
        {
            *parameters = parameters.copied()?;
        }
        return begin_later(method.body, invocation);
    }
    let began = Instant::now();
    let outcome = (method.body)(&invocation);
    burst.lock().spend(began.elapsed());
    outcome
}

fn begin_later<T: Clone + Send + 'static>(
    body: Body<T>,
    invocation: Invocation<'_, T>,
) -> JsResult<'_> {
    let Invocation {
        runtime,
        target,
        arguments: Arguments { scope, values },
    } = invocation;
    let kept = JsRef::new(&runtime.thread, scope.array(&values)?)?;
    let context = runtime.realm.context(&runtime.thread, scope)?;
    let (promise, value) = runtime.thread.promise(scope)?;
    runtime.burst.lock().postpone();
    promise.settle(move |scope| {
        runtime.burst.lock().admit();
        let method = scope.function("begin", move |scope, _, _| {
            body(&Invocation {
                runtime: Arc::clone(&runtime),
                target: target.clone(),
                arguments: Arguments {
                    scope,
                    values: kept.get(scope).elements()?,
                },
            })
        })?;
        context.apply(method, scope.undefined(), &[])
    });
    Ok(value)
}
