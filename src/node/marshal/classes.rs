//! Error classes for hosts that throw LibreChat's errors themselves.
//!
//! A class is a plain exported function, called with `new`: it makes a real `Error` and gives it the class's
//! prototype, so that `instanceof`, `stack` and subclasses work as usual. `surface/types.d.ts`, which the generator of `index.d.ts`
//! puts before its own output, declares the classes; TypeScript merges them with these functions.

#![expect(
    clippy::needless_pass_by_value,
    reason = "napi hands arguments over by value"
)]

use napi::Env;
use napi::bindgen_prelude::{Object, This, Unknown};
use napi_derive::napi;

use crate::error::Code;
use crate::node::engine::{JsResult, Scope, Thrown, Value, raise};
use crate::oauth::unavailable_text;

pub const DOMAIN: &str = "MCPDomainNotAllowedError";
pub const INSPECTION: &str = "MCPInspectionFailedError";
pub const RESOLUTION: &str = "OboTokenResolutionError";
pub const REAUTHENTICATION: &str = "ReauthenticationRequiredError";
pub const REFRESH_UNAVAILABLE: &str = "MCPTokenRefreshUnavailableError";
pub const STORAGE_UNAVAILABLE: &str = "MCPTokenStorageUnavailableError";
const CLASSES: [&str; 6] = [
    DOMAIN,
    INSPECTION,
    RESOLUTION,
    REAUTHENTICATION,
    REFRESH_UNAVAILABLE,
    STORAGE_UNAVAILABLE,
];
pub const INSPECTION_FAILED: &str = "MCP_INSPECTION_FAILED";

/// Runs when the module is loaded: instances of the classes are errors.
#[napi(module_exports)]
pub fn register(exports: Object<'_>, env: Env) -> napi::Result<()> {
    let scope = Scope::new(&env);
    let load = || -> JsResult<'_> {
        let global = scope.global()?;
        let errors = global.get("Error")?.get("prototype")?;
        let objects = global.get("Object")?;
        let exports = scope.wrap(&exports);
        scope.load(exports)?;
        for class in CLASSES {
            let prototype = exports.get(class)?.get("prototype")?;
            objects
                .get("setPrototypeOf")?
                .call(objects, &[prototype, errors])?;
        }
        Ok(scope.undefined())
    };
    raise(scope, load).map(drop)
}

/// Makes an error of ours an instance of a class. Its code and members are the caller's to set.
pub fn classify<'env>(error: Value<'env>, class: &str) -> JsResult<'env, ()> {
    let scope = error.scope();
    error.set("name", scope.string(class)?)?;
    let class = scope.exports()?.get(class)?;
    let objects = scope.global()?.get("Object")?;
    objects
        .get("setPrototypeOf")?
        .call(objects, &[error, class.get("prototype")?])?;
    Ok(())
}

/// The member of the host that has LibreChat's own classes, by these names.
pub const HOST_CLASSES: &str = "errorClasses";

/// Makes an error of one of our classes one of the host's class of that name, so that `instanceof` of the host holds.
/// What the host threw itself stays as it is.
pub fn adopted<'env>(outcome: JsResult<'env>, host: Value<'env>) -> JsResult<'env> {
    let adopt = |error: Value<'env>| -> JsResult<'env, ()> {
        let scope = error.scope();
        let classes = host.get(HOST_CLASSES)?;
        if classes.present().is_none() || !error.is_object() {
            return Ok(());
        }
        let objects = scope.global()?.get("Object")?;
        let own = objects.get("getPrototypeOf")?.call(objects, &[error])?;
        let exports = scope.exports()?;
        for class in CLASSES {
            let theirs = classes.get(class)?;
            if theirs.is_function() && own.equals(exports.get(class)?.get("prototype")?) {
                let arguments = [error, theirs.get("prototype")?];
                objects.get("setPrototypeOf")?.call(objects, &arguments)?;
                return Ok(());
            }
        }
        Ok(())
    };
    outcome.map_err(|Thrown(error)| match adopt(error) {
        Ok(()) => Thrown(error),
        Err(thrown) => thrown,
    })
}

/// A new error of a class, as `new` makes it.
pub fn instance<'env>(
    class: &str,
    arguments: &[Value<'env>],
    scope: Scope<'env>,
) -> JsResult<'env> {
    scope.exports()?.get(class)?.construct(arguments)
}

/// Makes the error that a constructor returns; `this` is what `new` made.
fn construct<'any>(
    env: Env,
    this: &This<'_>,
    class: &str,
    code: &str,
    message: &str,
    members: impl for<'env> FnOnce(Value<'env>) -> JsResult<'env, ()>,
) -> napi::Result<Unknown<'any>> {
    let scope = Scope::new(&env);
    let make = || {
        let objects = scope.global()?.get("Object")?;
        let error = scope.error("Error", message);
        classify(error, class)?;
        let this = scope.wrap(&this.object);
        let prototype = objects.get("getPrototypeOf")?;
        let made = prototype.call(objects, &[this])?;
        let own = prototype.call(objects, &[error])?;
        // A subclass has a prototype of its own, above that of the class.
        let is_instance =
            made.equals(own) || own.get("isPrototypeOf")?.call(own, &[made])?.is_truthy();
        if !is_instance {
            return Err(scope.type_error(&format!(
                "Class constructor {class} cannot be invoked without 'new'"
            )));
        }
        objects
            .get("setPrototypeOf")?
            .call(objects, &[error, made])?;
        error.set("code", scope.string(code)?)?;
        members(error)?;
        Ok(error)
    };
    raise(scope, make)
}

fn set_cause<'env>(error: Value<'env>, cause: Option<&Unknown<'_>>) -> JsResult<'env, ()> {
    let cause = cause.map(|cause| error.scope().wrap(cause));
    match cause.and_then(Value::present) {
        Some(cause) => error.set("cause", cause),
        None => Ok(()),
    }
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
    construct(env, &this, DOMAIN, code, &message, |error| {
        error.set("statusCode", error.scope().number(403.0)?)?;
        error.set("domain", error.scope().string(&domain)?)
    })
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
        env,
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
        "missing_upstream_provider" => Code::OboMissingUpstreamProvider,
        "missing_upstream_token" | "missing_upstream_access_token" => Code::OboMissingUpstreamToken,
        "session_refresh_failed" => Code::OboSessionRefreshFailed,
        _ => Code::OboExchangeFailed,
    };
    construct(
        env,
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
    let why = match reason.as_str() {
        "invalid_client" => "stored client registration is no longer valid".to_owned(),
        "binding" => "stored OAuth binding metadata is missing or no longer valid".to_owned(),
        _ => format!("access token {reason} and no refresh token available"),
    };
    let message = format!("Re-authentication required for \"{server_name}\": {why}");
    let code = Code::ReauthenticationRequired.as_str();
    construct(env, &this, REAUTHENTICATION, code, &message, |_| Ok(()))
}

/// One of the two errors of tokens that cannot be had for now.
fn unavailable<'any>(
    env: Env,
    this: &This<'_>,
    class: &str,
    code: Code,
    server_name: &str,
    cause: Option<&Unknown<'_>>,
) -> napi::Result<Unknown<'any>> {
    let message = unavailable_text(code, server_name);
    construct(env, this, class, code.as_str(), &message, |error| {
        error.set("retryable", error.scope().boolean(true)?)?;
        set_cause(error, cause)
    })
}

/// A class: throws unless called with `new`.
#[napi(
    js_name = "MCPTokenRefreshUnavailableError",
    ts_args_type = "",
    ts_return_type = "never"
)]
pub fn mcp_token_refresh_unavailable_error<'any>(
    env: Env,
    this: This<'_>,
    server_name: String,
    cause: Option<Unknown<'_>>,
) -> napi::Result<Unknown<'any>> {
    let code = Code::TokenRefreshUnavailable;
    unavailable(
        env,
        &this,
        REFRESH_UNAVAILABLE,
        code,
        &server_name,
        cause.as_ref(),
    )
}

/// A class: throws unless called with `new`.
#[napi(
    js_name = "MCPTokenStorageUnavailableError",
    ts_args_type = "",
    ts_return_type = "never"
)]
pub fn mcp_token_storage_unavailable_error<'any>(
    env: Env,
    this: This<'_>,
    server_name: String,
    cause: Option<Unknown<'_>>,
) -> napi::Result<Unknown<'any>> {
    let code = Code::TokenStorageUnavailable;
    unavailable(
        env,
        &this,
        STORAGE_UNAVAILABLE,
        code,
        &server_name,
        cause.as_ref(),
    )
}
