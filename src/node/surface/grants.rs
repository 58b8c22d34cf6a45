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
    let name = named(invocation, 0, "describeMachineToken");
    let prepared = name.and_then(|name| Ok((invocation.call()?, name)));
    let prepared = prepared.map(|(call, name)| {
        (call, move |manager: Manager, call: Arc<Call>| async move {
            let scope = call.scope();
            Box::pin(manager.describe_machine_token(&scope, &name, &call.cancel)).await
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
    let name = named(invocation, 1, "explainEnterpriseToken");
    let (runtime, scope) = (&invocation.runtime, invocation.scope);
    let call = |name| Ok((runtime.call_for(scope, None, invocation.object(0))?, name));
    let prepared = name.and_then(call).map(|(call, name)| {
        (call, move |manager: Manager, call: Arc<Call>| async move {
            let scope = call.scope();
            Box::pin(manager.explain_enterprise_token(&scope, &name, &call.cancel)).await
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

/// The server's name, which is this argument.
fn named<'env>(
    invocation: &Invocation<'env>,
    index: usize,
    function: &str,
) -> JsResult<'env, String> {
    let name = invocation.text(index).filter(|name| !name.is_empty());
    let wrong = || format!("{function}: serverName must be a string");
    name.ok_or_else(|| invocation.scope.type_error(&wrong()))
}
