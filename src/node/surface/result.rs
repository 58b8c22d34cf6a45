//! The result object of `reinitMCPServer`.

use std::sync::Arc;

use crate::node::engine::{JsRef, JsResult, Scope};
use crate::node::host::registry::{NodeHost, Published};
use crate::node::marshal::errors;
use crate::reinit::{AvailableTools, Reinitialized};

/// Builds the object. Fields of newer upstream are absent, not null, where they do not apply.
pub fn reinitialized<'env>(
    scope: Scope<'env>,
    result: &Reinitialized,
    server_name: Option<&str>,
    host: &NodeHost,
) -> JsResult<'env> {
    let object = scope.object()?;
    object.set("availableTools", available_tools(scope, result)?)?;
    object.set("success", scope.boolean(result.success)?)?;
    object.set("message", scope.string(&result.message)?)?;
    object.set("oauthRequired", scope.boolean(result.oauth_required)?)?;
    object.set("serverName", scope.optional_string(server_name)?)?;
    let url = result.oauth_url.as_deref();
    object.set(
        "oauthUrl",
        url.map_or_else(|| Ok(scope.null()), |url| scope.string(url))?,
    )?;
    object.set("tools", tools(scope, result, host)?)?;
    if let Some(reason) = result.failure_reason {
        object.set("failureReason", scope.string(reason.as_str())?)?;
    }
    if !result.missing_user_vars.is_empty() {
        let names: JsResult<'env, Vec<_>> = result
            .missing_user_vars
            .iter()
            .map(|name| scope.string(name))
            .collect();
        object.set("missingUserVars", scope.array(&names?)?)?;
    }
    if result.connection_deferred {
        object.set("connectionDeferred", scope.boolean(true)?)?;
    }
    if let Some(expires_at) = result.oauth_expires_at {
        object.set("oauthExpiresAt", scope.milliseconds(expires_at)?)?;
    }
    if let Some(error) = &result.error {
        object.set("error", errors::summary(scope, error)?)?;
    }
    if let Some(error) = &result.tools_error {
        object.set("toolsError", errors::summary(scope, error)?)?;
    }
    Ok(object)
}

fn available_tools<'env>(scope: Scope<'env>, result: &Reinitialized) -> JsResult<'env> {
    match &result.available_tools {
        None => Ok(scope.null()),
        Some(AvailableTools::Native(text)) => scope.parse_json(text),
        Some(AvailableTools::Host(value)) => Ok(value
            .downcast_ref::<JsRef>()
            .map_or_else(|| scope.null(), |value| value.get(scope))),
    }
}

fn tools<'env>(scope: Scope<'env>, result: &Reinitialized, host: &NodeHost) -> JsResult<'env> {
    let Some(tools) = &result.tools else {
        return Ok(scope.null());
    };
    match &*host.published.lock() {
        Published::Tools(published, array) if Arc::ptr_eq(published, tools) => Ok(array.get(scope)),
        _ => scope.tools(tools),
    }
}
