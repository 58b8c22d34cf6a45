//! Errors on both sides of the boundary.

use std::sync::Arc;

use super::classes;
use super::to_js::{ToJs, WithMembers};
use crate::error::{Cause, Code, Error, Mender, OboDetail, OboFailure};
use crate::foreign_text::safe_message;
use crate::host::HostFault;
use crate::node::engine::{JsRef, JsResult, JsThread, Scope, Thrown, Value};

/// What a host callback threw, with the value itself kept.
pub fn from_host(name: &str, thread: &JsThread, thrown: &Thrown<'_>) -> Error {
    let message = thrown.message();
    let value = JsRef::new(thread, thrown.0)
        .ok()
        .map(|value| Arc::new(value) as _);
    Error::new(
        Code::HostError,
        format!("The host callback {name} failed: {message}"),
    )
    .caused_by_host(HostFault { message, value })
}

/// The value that a host callback threw.
fn thrown_value<'env>(scope: Scope<'env>, fault: &HostFault) -> Option<Value<'env>> {
    let value = fault.value.as_ref()?.downcast_ref::<JsRef>()?;
    Some(value.get(scope))
}

/// The error as JavaScript gets it when a promise rejects.
pub fn to_js<'env>(scope: Scope<'env>, error: &Error) -> Value<'env> {
    made(scope, error, true)
}

fn made<'env>(scope: Scope<'env>, error: &Error, has_data: bool) -> Value<'env> {
    let build = || -> JsResult<'env> {
        let class = if error.code == Code::InvalidArgument {
            "TypeError"
        } else {
            "Error"
        };
        let value = scope.error(class, &safe_message(error.message.clone()));
        let code = error.code.as_str();
        match error.rpc_code.filter(|_| error.is_mcp_error()) {
            // The SDK's `McpError`, which LibreChat knows by name and number.
            Some(rpc_code) => {
                let value = value.with("name", "McpError")?;
                value.with("code", rpc_code)?.with("mcpCode", code)?;
                if let Some(data) = error.data.as_ref().filter(|_| has_data) {
                    value.set("data", scope.json(data)?)?;
                }
            }
            None => drop(value.with("code", code)?),
        }
        value
            .with("retryable", error.retryable)?
            .optional("status", error.status.map(i64::from))?
            .optional("retryAfterMs", error.retry_after_ms.map(i64::from))?;
        if let Some(failure) = &error.obo {
            set_obo(value, failure)?;
        }
        match error.code {
            Code::Aborted => value.set("name", scope.string("AbortError")?)?,
            Code::ReauthenticationRequired => {
                classes::classify(value, classes::REAUTHENTICATION)?;
            }
            Code::TokenRefreshUnavailable => {
                classes::classify(value, classes::REFRESH_UNAVAILABLE)?;
            }
            Code::TokenStorageUnavailable => {
                classes::classify(value, classes::STORAGE_UNAVAILABLE)?;
            }
            _ => {}
        }
        match &error.cause {
            Some(Cause::Host(fault)) => {
                if let Some(thrown) = thrown_value(scope, fault) {
                    value.set("cause", thrown)?;
                }
            }
            Some(Cause::Error(inner)) => value.set("cause", made(scope, inner, has_data))?,
            None => {}
        }
        Ok(value)
    };
    build().unwrap_or_else(|Thrown(value)| value)
}

/// What the reference's errors of an exchange carry, and what the identity provider said.
fn set_obo<'env>(value: Value<'env>, failure: &OboFailure) -> JsResult<'env, ()> {
    let scope = value.scope();
    let answer = &failure.answer;
    let reason = Some(failure.reason.as_str());
    if failure.user_message.is_some() {
        classes::classify(value, classes::RESOLUTION)?;
    }
    for (name, text) in [
        ("reason", reason),
        ("oboFailureReason", reason),
        ("detail", failure.detail.map(OboDetail::as_str)),
        ("mendedBy", failure.mended_by.map(Mender::as_str)),
        ("userMessage", failure.user_message),
        ("claims", failure.claims.as_deref()),
        ("error", answer.error.as_deref()),
        ("error_description", answer.description.as_deref()),
        ("suberror", answer.suberror.as_deref()),
        ("traceId", answer.trace_id.as_deref()),
        ("correlationId", answer.correlation_id.as_deref()),
    ] {
        value.optional(name, text)?;
    }
    if !answer.error_codes.is_empty() {
        let codes = serde_json::Value::from(answer.error_codes.clone());
        value.set("errorCodes", scope.json(&codes)?)?;
    }
    Ok(())
}

/// The error as the host's logger gets it: what a host callback threw is logged as it was thrown, and what a server's error
/// carries, such as URLs for one user, is not.
pub fn for_log<'env>(scope: Scope<'env>, error: &Error) -> Value<'env> {
    error
        .host_fault()
        .and_then(|fault| thrown_value(scope, fault))
        .unwrap_or_else(|| made(scope, error, false))
}

/// `{ code, message, retryable }`, as the result object carries errors.
pub struct Summary<'error>(pub &'error Error);

impl<'env> ToJs<'env> for Summary<'_> {
    fn to_js(&self, scope: Scope<'env>) -> JsResult<'env> {
        let Self(error) = self;
        scope
            .object()?
            .with("code", error.code.as_str())?
            .with("message", safe_message(error.message.clone()))?
            .with("retryable", error.retryable)
    }
}
