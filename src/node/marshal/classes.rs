//! The error classes of `lib/errors.js`, which `index.js` puts on the exports of the addon.

use napi::Env;
use napi::bindgen_prelude::Object;
use napi_derive::napi;

use crate::node::engine::{JsResult, Scope, Thrown, Value, raise};

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

/// Runs when the module is loaded.
#[napi(module_exports)]
pub fn register(exports: Object<'_>, env: Env) -> napi::Result<()> {
    let scope = Scope::new(&env);
    let load = || {
        scope.load(scope.wrap(&exports))?;
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
    objects.call_method("setPrototypeOf", &[error, class.get("prototype")?])?;
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
        let own = objects.call_method("getPrototypeOf", &[error])?;
        let exports = scope.exports()?;
        for class in CLASSES {
            let theirs = classes.get(class)?;
            if theirs.is_function() && own.equals(exports.get(class)?.get("prototype")?) {
                let arguments = [error, theirs.get("prototype")?];
                objects.call_method("setPrototypeOf", &arguments)?;
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
