//! The core's data as JavaScript values.

use serde_json::Value as Json;

use crate::node::engine::{JsResult, Scope};

/// Data that can become a JavaScript value.
pub trait ToJs {
    fn to_js<'env>(&self, scope: Scope<'env>) -> JsResult<'env>;
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
    (): |scope, _nothing| Ok(scope.undefined());
    bool: |scope, value| scope.boolean(*value);
    Json: |scope, json| scope.json(json);
}
