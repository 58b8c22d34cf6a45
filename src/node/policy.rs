//! The policy functions of the module: what a config is, who may see what of it, who may change it.
//!
//! They take the host's own objects and copy only what they look at; whatever they hand back as it was is the same
//! value, not a copy.

#![expect(
    clippy::needless_pass_by_value,
    reason = "napi hands arguments over by value"
)]

use napi::bindgen_prelude::Unknown;
use napi::{Env, JsValue};
use napi_derive::napi;
use serde_json::{Map, Value as Json};

use super::convert;
use super::js::{JsResult, Scope, Thrown, Value};
use super::runtime::{raise, spawn};
use super::thread::JsThread;
use crate::host::{Environment, NetworkRules};
use crate::network;
use crate::server_config::{
    self, Context, OBO_PERMISSION, PathPart, ServerConfig, default_obo_permission,
    locked_obo_fields,
};

/// Runs `body` on a value that JavaScript passed.
pub(super) fn with<'any>(
    env: &Env,
    value: &Unknown<'_>,
    body: impl for<'env> FnOnce(Value<'env>) -> JsResult<'env>,
) -> napi::Result<Unknown<'any>> {
    let scope = Scope::new(env);
    raise(scope, || body(scope.value(value.raw())))
}

/// Members that policy looks at.
static VIEW: [&str; 10] = [
    "url",
    "source",
    "requiresOAuth",
    "dbId",
    "headers",
    "env",
    "args",
    "oauth",
    "obo",
    "customUserVars",
];

/// Members that `processMCPEnv` looks at.
static READ: [&str; 10] = [
    "env",
    "args",
    "headers",
    "url",
    "proxy",
    "oauth",
    "apiKey",
    "customUserVars",
    "dbId",
    "source",
];

/// A config's members that policy looks at, with whatever is of a wrong type left out.
fn policy_view(config: Value<'_>) -> JsResult<'_, Option<ServerConfig>> {
    if !config.is_object() {
        return Ok(None);
    }
    let mut members = config.config_members(&VIEW)?;
    members.retain(|name, member| match (name.as_str(), member) {
        ("requiresOAuth", member) => member.is_boolean(),
        ("url" | "source", member) => member.is_string(),
        ("headers" | "env", Json::Object(entries)) => {
            entries.retain(|_, entry| entry.is_string());
            true
        }
        ("args", Json::Array(items)) => {
            items.retain(Json::is_string);
            true
        }
        ("oauth" | "obo", Json::Null) => false,
        ("oauth", member) => {
            if !member.is_object() {
                *member = Map::new().into();
            }
            true
        }
        ("obo", member) => {
            *member = serde_json::json!({ "scopes": "present" });
            true
        }
        ("customUserVars", member) => member.is_object(),
        ("dbId", member) => {
            !(member.is_null() || *member == false || *member == 0 || *member == "")
        }
        _ => false,
    });
    ServerConfig::from_members(members)
        .map(Some)
        .map_err(|error| config.scope().type_error(&error.message))
}

fn predicate<'any>(
    env: Env,
    config: &Unknown<'_>,
    question: impl FnOnce(&ServerConfig) -> bool,
) -> napi::Result<Unknown<'any>> {
    with(&env, config, |config| {
        let answer = policy_view(config)?.is_some_and(|config| question(&config));
        config.scope().boolean(answer)
    })
}

/// Whether users authorize with the server through OAuth.
#[napi(
    js_name = "isOAuthServer",
    ts_args_type = "config: Record<string, any>",
    ts_return_type = "boolean"
)]
pub fn is_oauth_server(env: Env, config: Unknown<'_>) -> napi::Result<Unknown<'_>> {
    predicate(env, &config, ServerConfig::is_oauth_server)
}

/// Whether connecting may need tokens of the user, through OAuth or on-behalf-of.
#[napi(
    js_name = "requiresOAuthMachinery",
    ts_args_type = "config: Record<string, any>",
    ts_return_type = "boolean"
)]
pub fn requires_oauth_machinery(env: Env, config: Unknown<'_>) -> napi::Result<Unknown<'_>> {
    predicate(env, &config, ServerConfig::requires_oauth_machinery)
}

/// Whether each user needs a connection of their own: OAuth, on-behalf-of, the user's variables, or placeholders of the
/// user or the request.
#[napi(
    ts_args_type = "config: Record<string, any>",
    ts_return_type = "boolean"
)]
pub fn requires_user_scoped_connection(env: Env, config: Unknown<'_>) -> napi::Result<Unknown<'_>> {
    predicate(env, &config, ServerConfig::requires_user_scoped_connection)
}

/// Whether a user made the config: by `source`, and where it has none by `dbId`.
#[napi(
    ts_args_type = "config: Record<string, any>",
    ts_return_type = "boolean"
)]
pub fn is_user_sourced(env: Env, config: Unknown<'_>) -> napi::Result<Unknown<'_>> {
    predicate(env, &config, ServerConfig::is_user_sourced)
}

/// Whether users have variables of their own to set.
#[napi(
    ts_args_type = "config: Record<string, any>",
    ts_return_type = "boolean"
)]
pub fn has_custom_user_vars(env: Env, config: Unknown<'_>) -> napi::Result<Unknown<'_>> {
    predicate(env, &config, ServerConfig::has_custom_user_vars)
}

/// Names of the declared variables that the user has not set; blank counts as not set.
#[napi(
    ts_args_type = "config: Record<string, any>, providedVars?: Record<string, string> | null",
    ts_return_type = "string[]"
)]
pub fn get_missing_custom_user_vars<'any>(
    env: Env,
    config: Unknown<'_>,
    provided: Option<Unknown<'_>>,
) -> napi::Result<Unknown<'any>> {
    with(&env, &config, |config| {
        let scope = config.scope();
        let provided = provided.map(|provided| scope.value(provided.raw()));
        let provided = provided
            .filter(|provided| provided.is_object())
            .map(convert::texts)
            .transpose()?;
        let missing = policy_view(config)?
            .map(|config| config.missing_custom_user_vars(provided.as_ref()))
            .unwrap_or_default();
        scope.json(&Json::from(missing))
    })
}

/// A server's name as part of a tool name: `[a-zA-Z0-9_.-]` only.
#[napi]
#[must_use]
pub fn normalize_server_name(server_name: String) -> String {
    server_config::normalize_server_name(&server_name)
}

/// The name of the tool call that stands for a server's OAuth flow.
#[napi(js_name = "buildOAuthToolCallName")]
#[must_use]
pub fn build_oauth_tool_call_name(server_name: String) -> String {
    server_config::build_oauth_tool_call_name(&server_name)
}

/// Scheme, host and path: what of a URL may be logged.
#[napi(ts_args_type = "url: string | URL", ts_return_type = "string")]
pub fn sanitize_url_for_logging(env: Env, url: Unknown<'_>) -> napi::Result<Unknown<'_>> {
    with(&env, &url, |url| {
        let text = url.to_text()?;
        url.scope()
            .string(&server_config::sanitize_url_for_logging(&text))
    })
}

/// A copy of `options` with environment variables and placeholders filled in. With `dbSourced`, or for options that
/// have a `dbId` or come from a user, only the user's own variables are; of a plugin's options nothing is. Options that
/// declare `customUserVars` take values for these alone.
#[napi(
    js_name = "processMCPEnv",
    ts_args_type = "params: { options: Record<string, any>; user?: Record<string, any>; customUserVars?: Record<string, string>; body?: Record<string, any>; dbSourced?: boolean }",
    ts_return_type = "Record<string, any>"
)]
pub fn process_mcp_env(env: Env, params: Unknown<'_>) -> napi::Result<Unknown<'_>> {
    with(&env, &params, |params| {
        const PROCESSED: [&str; 6] = ["env", "args", "headers", "url", "proxy", "oauth"];
        let scope = params.scope();
        let options = params.get("options")?;
        if !options.is_object() {
            return Ok(options);
        }
        let members = options.config_members(&READ)?;
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
            environment: &environment,
        };
        let db_sourced = params.get("dbSourced")?.present().map(Value::is_truthy);
        let processed = server_config::process_mcp_env(members, &context, db_sourced);

        let copy = scope
            .global()?
            .get("structuredClone")?
            .call(scope.undefined(), &[options])?;
        for name in PROCESSED {
            if let Some(member) = processed.get(name) {
                copy.set(name, scope.json(member)?)?;
            }
        }
        Ok(copy)
    })
}

/// Whether a config's URL passes `allowedDomains`, or, where there is no list, the rules for addresses. Resolves names.
#[napi(
    js_name = "isMCPDomainAllowed",
    ts_args_type = "config: Record<string, any>, allowedDomains?: string[] | null, allowedAddresses?: string[] | null",
    ts_return_type = "Promise<boolean>"
)]
pub fn is_mcp_domain_allowed<'any>(
    env: Env,
    config: Unknown<'_>,
    allowed_domains: Option<Unknown<'_>>,
    allowed_addresses: Option<Unknown<'_>>,
) -> napi::Result<Unknown<'any>> {
    with(&env, &config, |config| {
        let scope = config.scope();
        let list = |value: Option<Unknown<'_>>| {
            value.map_or_else(
                || Ok(Vec::new()),
                |value| convert::text_list(scope.value(value.raw())),
            )
        };
        let rules = NetworkRules {
            ssrf_protection: true,
            allowed_domains: list(allowed_domains)?,
            allowed_addresses: list(allowed_addresses)?,
        };
        let url = if config.is_object() {
            config.get("url")?.as_string()
        } else {
            None
        };
        let (promise, value) = JsThread::new(scope)?.promise(scope)?;
        spawn(async move {
            let is_allowed = network::is_domain_allowed(&url.unwrap_or_default(), &rules).await;
            promise.settle(move |scope| scope.boolean(is_allowed));
        });
        Ok(value)
    })
}

/// Whether the author of a stored on-behalf-of config may still configure on-behalf-of. Whatever cannot be found out
/// means no.
#[napi(
    ts_args_type = "params: { authorId: string | undefined; getUserRoleByAuthorId: (authorId: string) => Promise<string | null | undefined>; getRolePermissions: (roleName: string) => Promise<Record<string, Record<string, boolean | undefined>> | null | undefined> }",
    ts_return_type = "Promise<boolean>"
)]
pub fn is_obo_config_still_trusted(env: Env, params: Unknown<'_>) -> napi::Result<Unknown<'_>> {
    with(&env, &params, |params| {
        let scope = params.scope();
        let promises = scope.global()?.get("Promise")?;
        let resolve = |value| promises.get("resolve")?.call(promises, &[value]);
        let distrust = scope.boolean(false)?;
        if !params.is_object() || !params.get("authorId")?.is_truthy() {
            return resolve(distrust);
        }
        let asked = params
            .get("getUserRoleByAuthorId")?
            .call(params, &[params.get("authorId")?]);
        let role = match asked {
            Ok(role) => role,
            Err(Thrown(_)) => return resolve(distrust),
        };
        // Handles do not outlive this call, so what comes later gets the parameters along with the role.
        let both = scope.array(&[role, params])?;
        let both = promises.get("all")?.call(promises, &[both])?;
        let permissions = scope.function("permissionsOfRole", |scope, _, arguments| {
            let both = match arguments.first() {
                Some(both) => both.elements()?,
                None => Vec::new(),
            };
            match both.as_slice() {
                [role, params] if role.is_truthy() => {
                    params.get("getRolePermissions")?.call(*params, &[*role])
                }
                _ => Ok(scope.undefined()),
            }
        })?;
        let judge = scope.function("mayConfigureObo", |scope, _, arguments| {
            let (group, permission) = OBO_PERMISSION;
            let group = match arguments.first().and_then(|value| value.present()) {
                Some(permissions) => permissions.get(group)?.present(),
                None => None,
            };
            let granted = group.map(|group| group.get(permission)).transpose()?;
            scope.boolean(granted.and_then(Value::as_bool) == Some(true))
        })?;
        let refuse = scope.function("distrust", |scope, _, _| scope.boolean(false))?;
        let found = both.get("then")?.call(both, &[permissions])?;
        let judged = found.get("then")?.call(found, &[judge])?;
        judged
            .get("then")?
            .call(judged, &[scope.undefined(), refuse])
    })
}

/// Whether somebody may store `incoming`, in place of `existing` if there is one. Without the permission
/// `CONFIGURE_OBO` an on-behalf-of config can be neither made nor changed, but for its title, description and icon.
#[napi(
    ts_args_type = "params: { existing?: Record<string, any> | null; incoming: Record<string, any>; canConfigureObo: boolean }",
    ts_return_type = "{ allowed: true } | { allowed: false; status: 403; lockedFields: string[] }"
)]
pub fn check_obo_permission(env: Env, params: Unknown<'_>) -> napi::Result<Unknown<'_>> {
    with(&env, &params, |params| {
        let scope = params.scope();
        let may = params.get_own("canConfigureObo")?.as_bool() == Some(true);
        let existing = obo_view(params.get("existing")?)?;
        let incoming_object = params.get("incoming")?;
        let incoming = obo_view(incoming_object)?.unwrap_or_default();
        let mut locked = locked_obo_fields(existing.as_ref(), &incoming, may);
        if !may && existing.is_some_and(|config| config.contains_key("obo")) {
            // What cannot be compared may be anything.
            for issue in incoming_object.hidden_members(ServerConfig::MEMBERS)? {
                if let Some(PathPart::Member(name)) = issue.path.into_iter().next()
                    && !locked.contains(&name)
                {
                    locked.push(name);
                }
            }
        }
        let answer = scope.object()?;
        answer.set("allowed", scope.boolean(locked.is_empty())?)?;
        if !locked.is_empty() {
            answer.set("status", scope.number(403.0)?)?;
            answer.set("lockedFields", scope.json(&Json::from(locked))?)?;
        }
        Ok(answer)
    })
}

/// All members of a config, and `obo` from wherever it has it: a config that inherits it is on-behalf-of as well.
fn obo_view(config: Value<'_>) -> JsResult<'_, Option<Map<String, Json>>> {
    if !config.is_object() {
        return Ok(None);
    }
    let mut members = match config.to_json()? {
        Some(Json::Object(members)) => members,
        _ => Map::new(),
    };
    if members.get("obo").is_none_or(Json::is_null)
        && let Some(obo) = config.get("obo")?.present()
    {
        let obo = obo.to_json()?.filter(|obo| !obo.is_null());
        members.insert("obo".to_owned(), obo.unwrap_or(Json::Bool(true)));
    }
    Ok(Some(members))
}

/// Roles by name, with `MCP_SERVERS.CONFIGURE_OBO` added where a role has `MCP_SERVERS` but not that permission:
/// `true` for `ADMIN`, `false` for all others. What an operator set stays.
#[napi(
    ts_args_type = "rolePermissions: Record<string, Record<string, Record<string, boolean | undefined>>>",
    ts_return_type = "Record<string, Record<string, Record<string, boolean | undefined>>>"
)]
pub fn backfill_obo_permission(
    env: Env,
    role_permissions: Unknown<'_>,
) -> napi::Result<Unknown<'_>> {
    with(&env, &role_permissions, |roles| {
        let scope = roles.scope();
        let (group, permission) = OBO_PERMISSION;
        let all = copy_of(roles)?;
        for name in roles.keys()? {
            let role = roles.get(&name)?;
            if !role.is_object() || !role.get(group)?.is_object() {
                continue;
            }
            let granted = role.get(group)?;
            if granted.get(permission)?.present().is_none() {
                let granted = copy_of(granted)?;
                granted.set(permission, scope.boolean(default_obo_permission(&name))?)?;
                let role = copy_of(role)?;
                role.set(group, granted)?;
                all.set(&name, role)?;
            }
        }
        Ok(all)
    })
}

/// A copy that shares its members with the original.
fn copy_of(value: Value<'_>) -> JsResult<'_> {
    let copy = value.scope().object()?;
    for name in value.keys()? {
        copy.set(&name, value.get(&name)?)?;
    }
    Ok(copy)
}
