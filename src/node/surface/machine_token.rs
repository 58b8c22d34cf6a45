//! `runtime.describeMachineToken`.

use std::sync::Arc;

use super::call::Call;
use super::methods::Invocation;
use crate::grants::Description;
use crate::manager::Manager;
use crate::node::engine::{JsResult, Scope};
use crate::node::marshal::to_js::WithMembers;

/// `(serverName) => Promise<{ issuer?, tokenEndpoint, scope?, expiresIn }>`
pub fn describe_machine_token<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    let Some(server_name) = invocation.text(0) else {
        let message = "describeMachineToken: serverName must be a string";
        return Err(invocation.scope.type_error(message));
    };
    let prepared = invocation.call().map(|call| {
        (call, move |manager: Manager, call: Arc<Call>| async move {
            let scope = call.scope();
            Box::pin(manager.describe_machine_token(&scope, &server_name, &call.cancel)).await
        })
    });
    invocation.run_with(prepared, |scope, _, token| described(scope, &token))
}

fn described<'env>(scope: Scope<'env>, token: &Description) -> JsResult<'env> {
    scope
        .object()?
        .optional("issuer", token.issuer.as_ref())?
        .with("tokenEndpoint", &token.token_endpoint)?
        .optional("scope", token.scope.as_ref())?
        .with("expiresIn", token.expires_in)
}
