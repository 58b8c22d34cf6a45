//! The functions of the objects that LibreChat calls, as tables.

use std::sync::Arc;

use super::burst;
use super::calls::Shared;
use super::js::{JsResult, Scope, Value};

pub type Body = for<'env> fn(&Arc<Shared>, Scope<'env>, &[Value<'env>]) -> JsResult<'env>;

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
    shared: &Arc<Shared>,
    methods: &[Method],
) -> JsResult<'env, ()> {
    for method in methods {
        let (shared, method) = (Arc::clone(shared), *method);
        let function = object
            .scope()
            .function(method.name, move |scope, _, arguments| {
                burst::begin(&shared, scope, method, &arguments)
            })?;
        object.set(method.name, function)?;
    }
    Ok(())
}
