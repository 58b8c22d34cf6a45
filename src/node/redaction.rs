//! What users of the API may see of configs.

use napi::Env;
use napi::bindgen_prelude::Unknown;
use napi_derive::napi;

use super::js::{JsResult, Type, Value};
use super::policy::with;
use crate::server_config::{self, SHOWN_MEMBERS, SHOWN_OAUTH, SHOWN_URLS};

/// What users of the API may see of a config. An allowlist: a member that it does not name is left out. URLs lose user
/// information, fragment, and values of the query that are or may be secrets, which become `***`.
#[napi(
    ts_args_type = "config: Record<string, any>",
    ts_return_type = "Record<string, any>"
)]
pub fn redact_server_secrets(env: Env, config: Unknown<'_>) -> napi::Result<Unknown<'_>> {
    with(&env, &config, redacted)
}

/// The same for each config of a map.
#[napi(
    ts_args_type = "configs: Record<string, Record<string, any>>",
    ts_return_type = "Record<string, Record<string, any>>"
)]
pub fn redact_all_server_secrets(env: Env, configs: Unknown<'_>) -> napi::Result<Unknown<'_>> {
    with(&env, &configs, |configs| {
        let safe = configs.scope().object()?;
        // Assigned, `__proto__` would become the prototype of the answer.
        for name in configs.keys()?.iter().filter(|name| *name != "__proto__") {
            safe.set(name, redacted(configs.get(name)?)?)?;
        }
        Ok(safe)
    })
}

fn redacted<'env>(config: Value<'env>) -> JsResult<'env> {
    let scope = config.scope();
    let safe = scope.object()?;
    let keep = |from: Value<'env>, to: Value<'env>, name: &str| -> JsResult<'env, ()> {
        let member = from.get_own(name)?;
        if member.kind() == Type::Undefined {
            return Ok(());
        }
        let shown = match member.present() {
            Some(url) if SHOWN_URLS.contains(&name) => {
                let redact = if name == "iconPath" {
                    server_config::redact_icon
                } else {
                    server_config::redact_url
                };
                scope.string(&redact(&url.to_text()?))?
            }
            _ => member,
        };
        to.set(name, shown)
    };
    for name in SHOWN_MEMBERS {
        keep(config, safe, name)?;
    }
    let api_key = config.get_own("apiKey")?;
    if api_key.is_truthy() {
        let shown = scope.object()?;
        if api_key.is_object() {
            keep(api_key, shown, "source")?;
            keep(api_key, shown, "authorization_type")?;
            if api_key.get_own("custom_header")?.is_truthy() {
                keep(api_key, shown, "custom_header")?;
            }
        }
        safe.set("apiKey", shown)?;
    }
    let oauth = config.get_own("oauth")?;
    if oauth.is_truthy() {
        let shown = scope.object()?;
        if oauth.is_object() {
            for name in SHOWN_OAUTH {
                keep(oauth, shown, name)?;
            }
        }
        safe.set("oauth", shown)?;
    }
    let obo = config.get_own("obo")?;
    if obo.is_truthy() {
        safe.set("obo", obo)?;
    }
    Ok(safe)
}
