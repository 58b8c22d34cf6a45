//! Guards that know errors of the classes by `name` and `code`, so that one from another realm or another copy of the module
//! is known too.

use napi::Env;
use napi::bindgen_prelude::Unknown;
use napi_derive::napi;

use super::classes::{
    DOMAIN, INSPECTION, INSPECTION_FAILED, REAUTHENTICATION, REFRESH_UNAVAILABLE, RESOLUTION,
    STORAGE_UNAVAILABLE,
};
use crate::error::Code;
use crate::node::engine::{JsResult, Scope, raise};

/// Whether this is a `MCPDomainNotAllowedError`, of any copy of this module: by `name` and `code`.
#[napi(
    js_name = "isMCPDomainNotAllowedError",
    ts_args_type = "error: unknown",
    ts_return_type = "error is MCPDomainNotAllowedError"
)]
pub fn is_mcp_domain_not_allowed_error(env: Env, error: Unknown<'_>) -> napi::Result<Unknown<'_>> {
    let expected = Code::DomainNotAllowed.as_str();
    is(env, &error, DOMAIN, |code| code == expected)
}

/// Whether this is a `MCPInspectionFailedError`, of any copy of this module: by `name` and `code`.
#[napi(
    js_name = "isMCPInspectionFailedError",
    ts_args_type = "error: unknown",
    ts_return_type = "error is MCPInspectionFailedError"
)]
pub fn is_mcp_inspection_failed_error(env: Env, error: Unknown<'_>) -> napi::Result<Unknown<'_>> {
    is(env, &error, INSPECTION, |code| code == INSPECTION_FAILED)
}

/// Whether this is a `OboTokenResolutionError`, of any copy of this module: by `name` and `code`.
#[napi(
    ts_args_type = "error: unknown",
    ts_return_type = "error is OboTokenResolutionError"
)]
pub fn is_obo_token_resolution_error(env: Env, error: Unknown<'_>) -> napi::Result<Unknown<'_>> {
    is(env, &error, RESOLUTION, |code| code.starts_with("OBO_"))
}

/// Whether this is a `ReauthenticationRequiredError`, of any copy of this module: by `name` and `code`.
#[napi(
    ts_args_type = "error: unknown",
    ts_return_type = "error is ReauthenticationRequiredError"
)]
pub fn is_reauthentication_required_error(
    env: Env,
    error: Unknown<'_>,
) -> napi::Result<Unknown<'_>> {
    is(env, &error, REAUTHENTICATION, |code| {
        code == Code::ReauthenticationRequired.as_str()
    })
}

/// Whether this is a `MCPTokenRefreshUnavailableError`, of any copy of this module: by `name` and `code`.
#[napi(
    js_name = "isMCPTokenRefreshUnavailableError",
    ts_args_type = "error: unknown",
    ts_return_type = "error is MCPTokenRefreshUnavailableError"
)]
pub fn is_mcp_token_refresh_unavailable_error(
    env: Env,
    error: Unknown<'_>,
) -> napi::Result<Unknown<'_>> {
    is(env, &error, REFRESH_UNAVAILABLE, |code| {
        code == Code::TokenRefreshUnavailable.as_str()
    })
}

/// Whether this is a `MCPTokenStorageUnavailableError`, of any copy of this module: by `name` and `code`.
#[napi(
    js_name = "isMCPTokenStorageUnavailableError",
    ts_args_type = "error: unknown",
    ts_return_type = "error is MCPTokenStorageUnavailableError"
)]
pub fn is_mcp_token_storage_unavailable_error(
    env: Env,
    error: Unknown<'_>,
) -> napi::Result<Unknown<'_>> {
    is(env, &error, STORAGE_UNAVAILABLE, |code| {
        code == Code::TokenStorageUnavailable.as_str()
    })
}

/// Whether a value is an error of a class, by name and code.
fn is<'any>(
    env: Env,
    error: &Unknown<'_>,
    class: &str,
    is_code: impl FnOnce(&str) -> bool,
) -> napi::Result<Unknown<'any>> {
    let scope = Scope::new(&env);
    let error = scope.wrap(error);
    let text = |name: &str| -> JsResult<'_, Option<String>> {
        if error.is_object() {
            Ok(error.get(name)?.as_string())
        } else {
            Ok(None)
        }
    };
    let judge = || {
        let is_named = text("name")?.as_deref() == Some(class);
        scope.boolean(is_named && text("code")?.is_some_and(|code| is_code(&code)))
    };
    raise(scope, judge)
}
