//! Error classes for hosts that throw LibreChat's errors themselves, and guards that know them by `name` and `code`,
//! so that an error from another realm or another copy of the module is known too.
//!
//! A class is a plain exported function, called with `new`: it makes a real `Error` and gives it the class's
//! prototype, so that `instanceof`, `stack` and subclasses work as usual. `classes.d.ts`, which the generator of `index.d.ts`
//! puts before its own output, declares the classes; TypeScript merges them with these functions.

#![expect(
    clippy::needless_pass_by_value,
    reason = "napi hands arguments over by value"
)]

use napi::bindgen_prelude::{This, Unknown};
use napi::{Env, JsValue};
use napi_derive::napi;

use super::js::{JsResult, Scope, Value};
use super::runtime::raise;
use crate::error::Code;

const DOMAIN: &str = "MCPDomainNotAllowedError";
const INSPECTION: &str = "MCPInspectionFailedError";
const RESOLUTION: &str = "OboTokenResolutionError";
const REAUTHENTICATION: &str = "ReauthenticationRequiredError";
const INSPECTION_FAILED: &str = "MCP_INSPECTION_FAILED";
const REAUTHENTICATION_REQUIRED: &str = "MCP_REAUTHENTICATION_REQUIRED";

/// Makes the error that a constructor returns; `this` is what `new` made.
fn construct<'any>(
    env: &Env,
    this: &This<'_>,
    class: &str,
    code: &str,
    message: &str,
    members: impl for<'env> FnOnce(Value<'env>) -> JsResult<'env, ()>,
) -> napi::Result<Unknown<'any>> {
    let scope = Scope::new(env);
    let make = || {
        let objects = scope.global()?.get("Object")?;
        let prototype_of = |value: Value<'_>| {
            objects
                .get("getPrototypeOf")?
                .call(objects, &[scope.value(value.raw())])
        };
        let without_new = || {
            scope.type_error(&format!(
                "Class constructor {class} cannot be invoked without 'new'"
            ))
        };
        let this = scope.value(this.object.raw());
        let prototype = prototype_of(this)?;
        // Below a subclass's prototype is that of the class itself.
        let mut own = prototype;
        loop {
            let Some(below) = own.present() else {
                return Err(without_new());
            };
            let name = below.get("constructor")?.present();
            let name = name
                .map(|constructor| constructor.get("name"))
                .transpose()?;
            if name.and_then(Value::as_string).as_deref() == Some(class) {
                break;
            }
            own = prototype_of(below)?;
        }
        let set_prototype = objects.get("setPrototypeOf")?;
        let errors = scope.global()?.get("Error")?.get("prototype")?;
        set_prototype.call(objects, &[own, errors])?;

        let error = scope.error("Error", message);
        set_prototype.call(objects, &[error, prototype])?;
        error.set("name", scope.string(class)?)?;
        error.set("code", scope.string(code)?)?;
        members(error)?;
        Ok(error)
    };
    raise(scope, make())
}

fn set_cause<'env>(error: Value<'env>, cause: Option<&Unknown<'_>>) -> JsResult<'env, ()> {
    let cause = cause.map(|cause| error.scope().value(cause.raw()));
    match cause.and_then(Value::present) {
        Some(cause) => error.set("cause", cause),
        None => Ok(()),
    }
}

/// Whether a value is an error of a class, by name and code.
fn is<'any>(
    env: &Env,
    error: &Unknown<'_>,
    class: &str,
    is_code: impl FnOnce(&str) -> bool,
) -> napi::Result<Unknown<'any>> {
    let scope = Scope::new(env);
    let error = scope.value(error.raw());
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
    raise(scope, judge())
}

/// A class: throws unless called with `new`.
#[napi(
    js_name = "MCPDomainNotAllowedError",
    ts_args_type = "",
    ts_return_type = "never"
)]
pub fn mcp_domain_not_allowed_error<'any>(
    env: Env,
    this: This<'_>,
    domain: String,
) -> napi::Result<Unknown<'any>> {
    let message = format!("Domain \"{domain}\" is not allowed");
    let code = Code::DomainNotAllowed.as_str();
    construct(&env, &this, DOMAIN, code, &message, |error| {
        error.set("statusCode", error.scope().number(403.0)?)?;
        error.set("domain", error.scope().string(&domain)?)
    })
}

#[napi(
    js_name = "isMCPDomainNotAllowedError",
    ts_args_type = "error: unknown",
    ts_return_type = "error is MCPDomainNotAllowedError"
)]
pub fn is_mcp_domain_not_allowed_error(env: Env, error: Unknown<'_>) -> napi::Result<Unknown<'_>> {
    let expected = Code::DomainNotAllowed.as_str();
    is(&env, &error, DOMAIN, |code| code == expected)
}

/// A class: throws unless called with `new`.
#[napi(
    js_name = "MCPInspectionFailedError",
    ts_args_type = "",
    ts_return_type = "never"
)]
pub fn mcp_inspection_failed_error<'any>(
    env: Env,
    this: This<'_>,
    server_name: String,
    cause: Option<Unknown<'_>>,
) -> napi::Result<Unknown<'any>> {
    let message = format!("Failed to connect to MCP server \"{server_name}\"");
    construct(
        &env,
        &this,
        INSPECTION,
        INSPECTION_FAILED,
        &message,
        |error| {
            error.set("statusCode", error.scope().number(400.0)?)?;
            error.set("serverName", error.scope().string(&server_name)?)?;
            set_cause(error, cause.as_ref())
        },
    )
}

#[napi(
    js_name = "isMCPInspectionFailedError",
    ts_args_type = "error: unknown",
    ts_return_type = "error is MCPInspectionFailedError"
)]
pub fn is_mcp_inspection_failed_error(env: Env, error: Unknown<'_>) -> napi::Result<Unknown<'_>> {
    is(&env, &error, INSPECTION, |code| code == INSPECTION_FAILED)
}

/// A class: throws unless called with `new`.
#[napi(
    js_name = "OboTokenResolutionError",
    ts_args_type = "",
    ts_return_type = "never"
)]
pub fn obo_token_resolution_error<'any>(
    env: Env,
    this: This<'_>,
    reason: String,
    user_message: String,
    retryable: Option<bool>,
    cause: Option<Unknown<'_>>,
) -> napi::Result<Unknown<'any>> {
    let code = match reason.as_str() {
        "missing_upstream_token" | "missing_upstream_access_token" => Code::OboMissingUpstreamToken,
        _ => Code::OboExchangeFailed,
    };
    construct(
        &env,
        &this,
        RESOLUTION,
        code.as_str(),
        &user_message,
        |error| {
            let scope = error.scope();
            error.set("reason", scope.string(&reason)?)?;
            error.set("retryable", scope.boolean(retryable.unwrap_or_default())?)?;
            error.set("userMessage", scope.string(&user_message)?)?;
            set_cause(error, cause.as_ref())
        },
    )
}

#[napi(
    ts_args_type = "error: unknown",
    ts_return_type = "error is OboTokenResolutionError"
)]
pub fn is_obo_token_resolution_error(env: Env, error: Unknown<'_>) -> napi::Result<Unknown<'_>> {
    is(&env, &error, RESOLUTION, |code| code.starts_with("OBO_"))
}

/// A class: throws unless called with `new`.
#[napi(
    js_name = "ReauthenticationRequiredError",
    ts_args_type = "",
    ts_return_type = "never"
)]
pub fn reauthentication_required_error<'any>(
    env: Env,
    this: This<'_>,
    server_name: String,
    reason: String,
) -> napi::Result<Unknown<'any>> {
    let why = if reason == "invalid_client" {
        "stored client registration is no longer valid".to_owned()
    } else {
        format!("access token {reason} and no refresh token available")
    };
    let message = format!("Re-authentication required for \"{server_name}\": {why}");
    let code = REAUTHENTICATION_REQUIRED;
    construct(&env, &this, REAUTHENTICATION, code, &message, |_| Ok(()))
}

#[napi(
    ts_args_type = "error: unknown",
    ts_return_type = "error is ReauthenticationRequiredError"
)]
pub fn is_reauthentication_required_error(
    env: Env,
    error: Unknown<'_>,
) -> napi::Result<Unknown<'_>> {
    is(&env, &error, REAUTHENTICATION, |code| {
        code == REAUTHENTICATION_REQUIRED
    })
}
