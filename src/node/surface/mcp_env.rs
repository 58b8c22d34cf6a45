//! `processMCPEnv`.

use napi::Env;
use napi::bindgen_prelude::Unknown;
use napi_derive::napi;

use super::policy::with;
use crate::host::Environment;
use crate::node::engine::{JsResult, Type, Value};
use crate::node::marshal::convert;
use crate::server_config::{self, Context};

/// Members that `processMCPEnv` looks at.
static READ: [&str; 11] = [
    "env",
    "args",
    "headers",
    "oauth_headers",
    "url",
    "proxy",
    "oauth",
    "apiKey",
    "customUserVars",
    "dbId",
    "source",
];

/// A copy of `options` with environment variables and placeholders filled in. With `dbSourced`, or for options that
/// have a `dbId` or come from a user, only the user's own variables are; of a plugin's options nothing is. Options that
/// declare `customUserVars` take values for these alone.
#[napi(
    js_name = "processMCPEnv",
    ts_args_type = "params: { options: object; user?: object; customUserVars?: Record<string, string>; body?: object; dbSourced?: boolean }",
    ts_return_type = "MCPServerConfig"
)]
pub fn process_mcp_env(env: Env, params: Unknown<'_>) -> napi::Result<Unknown<'_>> {
    with(env, &params, |params| {
        const PROCESSED: [&str; 7] = [
            "env",
            "args",
            "headers",
            "oauth_headers",
            "url",
            "proxy",
            "oauth",
        ];
        let scope = params.scope();
        let options = params.get("options")?;
        if !options.is_object() {
            return Ok(options);
        }
        let members = options.config_members(&READ)?;
        let copy = scope
            .global()?
            .get("structuredClone")?
            .call(scope.undefined(), &[options])?;
        if server_config::is_plugin_sourced(&members) {
            return Ok(copy);
        }
        let environment = Environment::default();
        let names = server_config::env_references(&members);
        convert::read_variables(scope, &names, &environment)?;
        let object = |name: &str| -> JsResult<'_, Option<Value<'_>>> {
            Ok(Some(params.get(name)?).filter(|value| value.is_object()))
        };
        let user = object("user")?.map(convert::user).transpose()?;
        let variables = object("customUserVars")?.map(convert::texts).transpose()?;
        let body = object("body")?.map(convert::texts).transpose()?;
        let context = Context {
            user: user.as_ref(),
            custom_user_vars: variables.as_ref(),
            body: body.as_ref(),
            graph_token: None,
            openid_token: None,
            environment: &environment,
        };
        let db_sourced = params.get("dbSourced")?.present().map(Value::is_truthy);
        let processed = server_config::process_mcp_env(members, &context, db_sourced);

        for name in PROCESSED {
            if let Some(member) = processed.get(name) {
                copy.set(name, scope.json(member)?)?;
            }
        }
        for name in ["env", "headers", "oauth_headers"] {
            name_undefined(options.get(name)?, copy.get(name)?)?;
        }
        Ok(copy)
    })
}

/// JSON has no `undefined`; the reference makes the text of this name of it.
fn name_undefined<'env>(original: Value<'env>, copy: Value<'env>) -> JsResult<'env, ()> {
    if !original.is_object() || !copy.is_object() {
        return Ok(());
    }
    for name in original.keys()? {
        if original.get(&name)?.kind() == Type::Undefined {
            copy.set(&name, copy.scope().string("undefined")?)?;
        }
    }
    Ok(())
}
