//! What a function of ours is called with, by position.

use super::convert;
use crate::node::engine::{JsResult, Scope, Value};
use crate::secret::Secret;

/// The arguments of one call.
#[derive(Clone)]
pub struct Arguments<'env> {
    pub scope: Scope<'env>,
    pub values: Vec<Value<'env>>,
}

impl<'env> Arguments<'env> {
    /// `undefined` where there is none.
    pub fn argument(&self, index: usize) -> Value<'env> {
        self.scope.at(&self.values, index)
    }

    /// One that is neither `undefined` nor `null`.
    pub fn given(&self, index: usize) -> Option<Value<'env>> {
        self.argument(index).present()
    }

    pub fn object(&self, index: usize) -> Option<Value<'env>> {
        Some(self.argument(index)).filter(|argument| argument.is_object())
    }

    pub fn text(&self, index: usize) -> Option<String> {
        self.argument(index).as_string()
    }

    pub fn required_text(&self, index: usize, name: &str) -> JsResult<'env, String> {
        convert::required_text(self.argument(index), name)
    }

    pub fn required_secret(&self, index: usize, name: &str) -> JsResult<'env, Secret> {
        self.required_text(index, name).map(Secret::new)
    }
}
