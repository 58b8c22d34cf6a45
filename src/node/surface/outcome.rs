//! What JavaScript gets of a call, where it is what the core has.

use crate::node::engine::{JsResult, Scope};
use crate::node::marshal::to_js::ToJs;

#[expect(
    clippy::needless_pass_by_value,
    reason = "the outcome of a call is nobody else's"
)]
pub fn value<'env, E, T: ToJs>(scope: Scope<'env>, _: &E, outcome: T) -> JsResult<'env> {
    outcome.to_js(scope)
}
