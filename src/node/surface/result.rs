//! The result object of `reinitMCPServer`.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::node::engine::{JsRef, JsResult, Scope};
use crate::node::host::registry::{NodeHost, Published};
use crate::node::marshal::errors::Summary;
use crate::node::marshal::to_js::{Nullable, ToJs, WithMembers};
use crate::reinit::{AvailableTools, FailureReason, Reinitialized};

/// Builds the object. Fields of newer upstream are absent, not null, where they do not apply.
pub fn reinitialized<'env>(
    scope: Scope<'env>,
    result: &Reinitialized,
    server_name: Option<&str>,
    host: &NodeHost,
) -> JsResult<'env> {
    let missing = &result.missing_user_vars;
    scope
        .object()?
        .with("availableTools", Nullable(result.available_tools.as_ref()))?
        .with("success", result.success)?
        .with("message", &result.message)?
        .with("oauthRequired", result.oauth_required)?
        .with("serverName", server_name)?
        .with("oauthUrl", Nullable(result.oauth_url.as_ref()))?
        .with("tools", tools(scope, result, host)?)?
        .optional(
            "failureReason",
            result.failure_reason.map(FailureReason::as_str),
        )?
        .optional(
            "missingUserVars",
            (!missing.is_empty()).then(|| Json::from(missing.as_slice())),
        )?
        .optional(
            "connectionDeferred",
            result.connection_deferred.then_some(true),
        )?
        .optional("oauthExpiresAt", result.oauth_expires_at)?
        .optional("error", result.error.as_ref().map(Summary))?
        .optional("toolsError", result.tools_error.as_ref().map(Summary))
}

impl<'env> ToJs<'env> for AvailableTools {
    fn to_js(&self, scope: Scope<'env>) -> JsResult<'env> {
        match self {
            Self::Native(text) => scope.parse_json(text),
            Self::Host(value) => Ok(value
                .downcast_ref::<JsRef>()
                .map_or_else(|| scope.null(), |value| value.get(scope))),
        }
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
