//! What the host's functions are given: the core's data as JavaScript values.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;

use super::convert::JsonObject;
use crate::node::engine::{JsRef, JsResult, Scope, Value};
use crate::secret::Secret;

/// Data that can become a JavaScript value.
pub trait ToJs {
    fn to_js<'env>(&self, scope: Scope<'env>) -> JsResult<'env>;

    /// Whether it is no argument of a call and no member of an object at all, instead of `undefined`.
    fn is_left_out(&self) -> bool {
        false
    }
}

/// What is left out where there is none of it.
pub struct Optional<T>(pub Option<T>);

impl<T: ToJs> ToJs for Optional<T> {
    fn to_js<'env>(&self, scope: Scope<'env>) -> JsResult<'env> {
        self.0.to_js(scope)
    }

    fn is_left_out(&self) -> bool {
        self.0.is_none()
    }
}

impl<T: ToJs> ToJs for Option<T> {
    fn to_js<'env>(&self, scope: Scope<'env>) -> JsResult<'env> {
        self.as_ref()
            .map_or_else(|| Ok(scope.undefined()), |value| value.to_js(scope))
    }
}

impl<T: ToJs + ?Sized> ToJs for &T {
    fn to_js<'env>(&self, scope: Scope<'env>) -> JsResult<'env> {
        (*self).to_js(scope)
    }

    fn is_left_out(&self) -> bool {
        (*self).is_left_out()
    }
}

macro_rules! conversions {
    ($($from:ty: |$scope:ident, $value:ident| $made:expr;)*) => {$(
        impl ToJs for $from {
            fn to_js<'env>(&self, $scope: Scope<'env>) -> JsResult<'env> {
                let $value = self;
                $made
            }
        }
    )*};
}

conversions! {
    bool: |scope, value| scope.boolean(*value);
    str: |scope, text| scope.string(text);
    String: |scope, text| scope.string(text);
    Secret: |scope, secret| scope.string(secret.expose());
    i64: |scope, time| scope.milliseconds(*time);
    Duration: |scope, time| i64::try_from(time.as_millis()).unwrap_or(i64::MAX).to_js(scope);
    Json: |scope, json| scope.json(json);
    JsonObject: |scope, members| scope.json(&Json::Object(members.clone()));
    Arc<JsRef>: |scope, kept| Ok(kept.get(scope));
}

/// A plain object whose members are of one type.
pub type Members<const N: usize, T = String> = [(&'static str, T); N];

impl<T: ToJs, const N: usize> ToJs for Members<N, T> {
    fn to_js<'env>(&self, scope: Scope<'env>) -> JsResult<'env> {
        let members = self.each_ref().map(|(name, member)| (*name, member as _));
        object(scope, &members)
    }
}

/// An object with these members, in this order.
pub fn object<'env>(scope: Scope<'env>, members: &[(&str, &dyn ToJs)]) -> JsResult<'env> {
    let object = scope.object()?;
    for (name, member) in members {
        if !member.is_left_out() {
            object.set(name, member.to_js(scope)?)?;
        }
    }
    Ok(object)
}

/// The arguments of a call.
pub trait ToArguments {
    fn to_arguments<'env>(&self, scope: Scope<'env>) -> JsResult<'env, Vec<Value<'env>>>;
}

fn values<'env>(scope: Scope<'env>, all: &[&dyn ToJs]) -> JsResult<'env, Vec<Value<'env>>> {
    let given = all.iter().filter(|it| !it.is_left_out());
    given.map(|it| it.to_js(scope)).collect()
}

macro_rules! tuples {
    ($(($($member:ident)*))*) => {$(
        impl<$($member: ToJs),*> ToArguments for ($($member,)*) {
            #[expect(non_snake_case, reason = "a member is called as its type is")]
            fn to_arguments<'env>(&self, scope: Scope<'env>) -> JsResult<'env, Vec<Value<'env>>> {
                let ($($member,)*) = self;
                values(scope, &[$($member),*])
            }
        }
    )*};
}

tuples! { (A) (A B) (A B C) (A B C D) (A B C D E) }

impl ToArguments for () {
    fn to_arguments<'env>(&self, _: Scope<'env>) -> JsResult<'env, Vec<Value<'env>>> {
        Ok(Vec::new())
    }
}
