//! `runtime.describeMachineToken` and `runtime.explainEnterpriseToken`: what is known of tokens, never the tokens.

use std::sync::Arc;

use super::call::Call;
use super::methods::Invocation;
use crate::grants::{Description, Explained};
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

/// `(user, serverName) => Promise<{ idJag?, expiresIn }>`
pub fn explain_enterprise_token<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    let (runtime, scope) = (&invocation.runtime, invocation.scope);
    let Some(server_name) = invocation.text(1) else {
        let message = "explainEnterpriseToken: serverName must be a string";
        return Err(scope.type_error(message));
    };
    let prepared = runtime.call_for(scope, None, invocation.object(0));
    let prepared = prepared.map(|call| {
        (call, move |manager: Manager, call: Arc<Call>| async move {
            let scope = call.scope();
            Box::pin(manager.explain_enterprise_token(&scope, &server_name, &call.cancel)).await
        })
    });
    invocation.run_with(prepared, |scope, _, token| explained(scope, token))
}

fn explained(scope: Scope<'_>, token: Explained) -> JsResult<'_> {
    let expires_in = i64::try_from(token.expires_in).unwrap_or(i64::MAX);
    scope
        .object()?
        .optional("idJag", token.id_jag)?
        .with("expiresIn", expires_in)
}
