//! What JavaScript is given: the core's data as its values, arguments and objects.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;

use super::convert::JsonObject;
use crate::node::engine::{JsRef, JsResult, Scope, Value};
use crate::oauth::Tokens;
use crate::secret::Secret;
use crate::tools::RawTools;

/// Data that can become a JavaScript value.
pub trait ToJs<'env> {
    fn to_js(&self, scope: Scope<'env>) -> JsResult<'env>;

    /// Whether it is no argument of a call at all, instead of `undefined`.
    fn is_left_out(&self) -> bool {
        false
    }
}

/// An argument that is left out where there is none of it.
pub struct Optional<T>(pub Option<T>);

impl<'env, T: ToJs<'env>> ToJs<'env> for Optional<T> {
    fn to_js(&self, scope: Scope<'env>) -> JsResult<'env> {
        self.0.to_js(scope)
    }

    fn is_left_out(&self) -> bool {
        self.0.is_none()
    }
}

impl<'env, T: ToJs<'env>> ToJs<'env> for Option<T> {
    fn to_js(&self, scope: Scope<'env>) -> JsResult<'env> {
        self.as_ref()
            .map_or_else(|| Ok(scope.undefined()), |value| value.to_js(scope))
    }
}

impl<'env, T: ToJs<'env> + ?Sized> ToJs<'env> for &T {
    fn to_js(&self, scope: Scope<'env>) -> JsResult<'env> {
        (*self).to_js(scope)
    }

    fn is_left_out(&self) -> bool {
        (*self).is_left_out()
    }
}

impl<'env, T: ToJs<'env>> ToJs<'env> for Arc<T> {
    fn to_js(&self, scope: Scope<'env>) -> JsResult<'env> {
        (**self).to_js(scope)
    }
}

/// `null` where there is none of it.
pub struct Nullable<T>(pub Option<T>);

impl<'env, T: ToJs<'env>> ToJs<'env> for Nullable<T> {
    fn to_js(&self, scope: Scope<'env>) -> JsResult<'env> {
        let value = self.0.as_ref();
        value.map_or_else(|| Ok(scope.null()), |value| value.to_js(scope))
    }
}

/// JSON text, as V8 parses it.
pub struct JsonText<'text>(pub &'text str);

impl<'env> ToJs<'env> for JsonText<'_> {
    fn to_js(&self, scope: Scope<'env>) -> JsResult<'env> {
        scope.parse_json(self.0)
    }
}

macro_rules! conversions {
    ($($from:ty: |$scope:ident, $value:ident| $made:expr;)*) => {$(
        impl<'env> ToJs<'env> for $from {
            fn to_js(&self, $scope: Scope<'env>) -> JsResult<'env> {
                let $value = self;
                $made
            }
        }
    )*};
}

conversions! {
    (): |scope, _none| Ok(scope.undefined());
    bool: |scope, value| scope.boolean(*value);
    str: |scope, text| scope.string(text);
    String: |scope, text| scope.string(text);
    Secret: |scope, secret| scope.string(secret.expose());
    f64: |scope, number| scope.number(*number);
    i64: |scope, time| scope.milliseconds(*time);
    Duration: |scope, time| i64::try_from(time.as_millis()).unwrap_or(i64::MAX).to_js(scope);
    Json: |scope, json| scope.json(json);
    JsonObject: |scope, members| scope.json(&Json::Object(members.clone()));
    Tokens: |scope, tokens| tokens.0.to_js(scope);
    RawTools: |scope, tools| scope.tools(tools);
    JsRef: |scope, kept| Ok(kept.get(scope));
}

impl<'env> ToJs<'env> for Value<'env> {
    fn to_js(&self, _: Scope<'env>) -> JsResult<'env> {
        Ok(*self)
    }
}

/// A plain object whose members are of one type.
pub type Members<const N: usize, T = String> = [(&'static str, T); N];

impl<'env, T: ToJs<'env>, const N: usize> ToJs<'env> for Members<N, T> {
    fn to_js(&self, scope: Scope<'env>) -> JsResult<'env> {
        let mut members = self.iter();
        members.try_fold(scope.object()?, |object, (name, member)| {
            object.with(name, member)
        })
    }
}

/// Objects, one member after the other.
pub trait WithMembers<'env>: Sized {
    fn with(self, name: &str, member: impl ToJs<'env>) -> JsResult<'env, Self>;

    /// Without the member where there is none of it.
    fn optional(self, name: &str, member: Option<impl ToJs<'env>>) -> JsResult<'env, Self> {
        match member {
            Some(member) => self.with(name, member),
            None => Ok(self),
        }
    }
}

impl<'env> WithMembers<'env> for Value<'env> {
    fn with(self, name: &str, member: impl ToJs<'env>) -> JsResult<'env, Self> {
        self.set(name, member.to_js(self.scope())?)?;
        Ok(self)
    }
}

/// The arguments of a call.
pub trait ToArguments<'env> {
    fn to_arguments(&self, scope: Scope<'env>) -> JsResult<'env, Vec<Value<'env>>>;
}

fn values<'env>(scope: Scope<'env>, all: &[&dyn ToJs<'env>]) -> JsResult<'env, Vec<Value<'env>>> {
    let given = all.iter().filter(|it| !it.is_left_out());
    given.map(|it| it.to_js(scope)).collect()
}

macro_rules! tuples {
    ($(($($member:ident)*))*) => {$(
        impl<'env, $($member: ToJs<'env>),*> ToArguments<'env> for ($($member,)*) {
            #[expect(non_snake_case, reason = "a member is called as its type is")]
            fn to_arguments(&self, scope: Scope<'env>) -> JsResult<'env, Vec<Value<'env>>> {
                let ($($member,)*) = self;
                values(scope, &[$($member),*])
            }
        }
    )*};
}

tuples! { (A) (A B) (A B C) (A B C D) (A B C D E) }

impl<'env> ToArguments<'env> for () {
    fn to_arguments(&self, _: Scope<'env>) -> JsResult<'env, Vec<Value<'env>>> {
        Ok(Vec::new())
    }
}
