//! The policy functions of the module: what a config is, who may see what of it, who may change it.
//!
//! They take the host's own objects and copy only what they look at; whatever they hand back as it was is the same
//! value, not a copy.

use napi::Env;
use napi::bindgen_prelude::Unknown;
use napi_derive::napi;
use serde_json::{Map, Value as Json};

use crate::host::NetworkRules;
use crate::network;
use crate::node::engine::workers::spawn;
use crate::node::engine::{JsResult, JsThread, Scope, Value, raise};
use crate::node::marshal::convert;
use crate::server_config::{self, ServerConfig};

/// Runs `body` on a value that JavaScript passed.
pub fn with<'any>(
    env: Env,
    value: &Unknown<'_>,
    body: impl for<'env> FnOnce(Value<'env>) -> JsResult<'env>,
) -> napi::Result<Unknown<'any>> {
    let scope = Scope::new(&env);
    raise(scope, || body(scope.wrap(value)))
}

/// Members that policy looks at.
static VIEW: [&str; 15] = [
    "url",
    "source",
    "startup",
    "shared",
    "requiresOAuth",
    "dbId",
    "apiKey",
    "headers",
    "requestHeaders",
    "oauth_headers",
    "env",
    "args",
    "oauth",
    "obo",
    "customUserVars",
];

/// A config's members that policy looks at, with whatever is of a wrong type left out. One that is of no use is told of,
/// too: lists of all configs do not fail for one.
pub fn policy_view(config: Value<'_>) -> JsResult<'_, Option<ServerConfig>> {
    if !config.is_object() {
        return Ok(None);
    }
    let mut members = config.config_members(&VIEW)?;
    members.retain(|name, member| match (name.as_str(), member) {
        ("requiresOAuth" | "startup" | "shared", member) => member.is_boolean(),
        ("url" | "source", member) => member.is_string(),
        (
            "headers" | "requestHeaders" | "oauth_headers" | "env" | "apiKey",
            Json::Object(entries),
        ) => {
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
    ServerConfig::read(members)
        .map(Some)
        .map_err(|error| config.scope().type_error(&error.message))
}

fn predicate<'any>(
    env: Env,
    config: &Unknown<'_>,
    question: impl FnOnce(&ServerConfig) -> bool,
) -> napi::Result<Unknown<'any>> {
    with(env, config, |config| {
        let answer = policy_view(config)?.is_some_and(|config| question(&config));
        config.scope().boolean(answer)
    })
}

/// Whether users authorize with the server through OAuth.
#[napi(
    js_name = "isOAuthServer",
    ts_args_type = "config: object",
    ts_return_type = "boolean"
)]
pub fn is_oauth_server(env: Env, config: Unknown<'_>) -> napi::Result<Unknown<'_>> {
    predicate(env, &config, ServerConfig::is_oauth_server)
}

/// Whether connecting may need tokens of the user, through OAuth or on-behalf-of.
#[napi(
    js_name = "requiresOAuthMachinery",
    ts_args_type = "config: object",
    ts_return_type = "boolean"
)]
pub fn requires_oauth_machinery(env: Env, config: Unknown<'_>) -> napi::Result<Unknown<'_>> {
    predicate(env, &config, ServerConfig::requires_oauth_machinery)
}

/// Whether each user needs a connection of their own: OAuth, on-behalf-of, the user's variables, or placeholders of the
/// user or the request.
#[napi(ts_args_type = "config: object", ts_return_type = "boolean")]
pub fn requires_user_scoped_connection(env: Env, config: Unknown<'_>) -> napi::Result<Unknown<'_>> {
    predicate(env, &config, ServerConfig::requires_user_scoped_connection)
}

/// Whether all users may share a connection to the server.
#[napi(ts_args_type = "config: object", ts_return_type = "boolean")]
pub fn can_use_app_connection(env: Env, config: Unknown<'_>) -> napi::Result<Unknown<'_>> {
    predicate(env, &config, ServerConfig::can_use_app_connection)
}

/// Whether connections are of one chat request, because the config names fields of it.
#[napi(ts_args_type = "config: object", ts_return_type = "boolean")]
pub fn requires_ephemeral_user_connection(
    env: Env,
    config: Unknown<'_>,
) -> napi::Result<Unknown<'_>> {
    predicate(env, &config, ServerConfig::is_request_scoped)
}

/// Whether a user made the config: by `source`, and where it has none by `dbId`.
#[napi(ts_args_type = "config: object", ts_return_type = "boolean")]
pub fn is_user_sourced(env: Env, config: Unknown<'_>) -> napi::Result<Unknown<'_>> {
    predicate(env, &config, ServerConfig::is_user_sourced)
}

/// Whether users have variables of their own to set.
#[napi(ts_args_type = "config: object", ts_return_type = "boolean")]
pub fn has_custom_user_vars(env: Env, config: Unknown<'_>) -> napi::Result<Unknown<'_>> {
    predicate(env, &config, ServerConfig::has_custom_user_vars)
}

/// Names of the declared variables that the user has not set; blank counts as not set.
#[napi(
    ts_args_type = "config: object, providedVars?: Record<string, string> | null",
    ts_return_type = "string[]"
)]
pub fn get_missing_custom_user_vars<'any>(
    env: Env,
    config: Unknown<'_>,
    provided: Option<Unknown<'_>>,
) -> napi::Result<Unknown<'any>> {
    with(env, &config, |config| {
        let scope = config.scope();
        let provided = provided.map(|provided| scope.wrap(&provided));
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

/// The instructions of a server for the model: `serverInstructions` where it is a text, `resolvedInstructions`, which an
/// inspection found, where it is `true` or `"true"`, else none.
#[napi(ts_args_type = "config: object", ts_return_type = "string | undefined")]
pub fn resolve_server_instructions(env: Env, config: Unknown<'_>) -> napi::Result<Unknown<'_>> {
    with(env, &config, instructions)
}

/// The same for a value that may be no config.
pub fn instructions(config: Value<'_>) -> JsResult<'_> {
    let none = config.scope().undefined();
    if !config.is_object() {
        return Ok(none);
    }
    let declared = config.get("serverInstructions")?;
    let text = declared.as_string();
    let is_enabled = text.as_deref().is_some_and(server_config::is_enabled);
    if is_enabled || declared.as_bool() == Some(true) {
        return config.get("resolvedInstructions");
    }
    Ok(text.map_or(none, |_| declared))
}

/// A server's name as part of a tool name: `[a-zA-Z0-9_.-]` only.
///
/// @throws `TypeError` where it is no text
#[napi(ts_args_type = "serverName: string", ts_return_type = "string")]
pub fn normalize_server_name(env: Env, server_name: Unknown<'_>) -> napi::Result<Unknown<'_>> {
    let convert = server_config::normalize_server_name;
    renamed(env, &server_name, "normalizeServerName", convert)
}

/// The name of the tool call that stands for a server's OAuth flow.
///
/// @throws `TypeError` where it is no text
#[napi(
    js_name = "buildOAuthToolCallName",
    ts_args_type = "serverName: string",
    ts_return_type = "string"
)]
pub fn build_oauth_tool_call_name(env: Env, server_name: Unknown<'_>) -> napi::Result<Unknown<'_>> {
    let convert = server_config::build_oauth_tool_call_name;
    renamed(env, &server_name, "buildOAuthToolCallName", convert)
}

/// What else is given in place of a name may be secret, and so is not in the error.
fn renamed<'any>(
    env: Env,
    server_name: &Unknown<'_>,
    function: &str,
    convert: fn(&str) -> String,
) -> napi::Result<Unknown<'any>> {
    with(env, server_name, |given| {
        let scope = given.scope();
        match given.as_string() {
            Some(name) => scope.string(&convert(&name)),
            None => Err(scope.type_error(&format!("{function}: serverName must be a string"))),
        }
    })
}

/// Scheme, host and path: what of a URL may be logged.
#[napi(ts_args_type = "url: string | URL", ts_return_type = "string")]
pub fn sanitize_url_for_logging(env: Env, url: Unknown<'_>) -> napi::Result<Unknown<'_>> {
    with(env, &url, |url| {
        let text = url.to_text()?;
        url.scope()
            .string(&server_config::sanitize_url_for_logging(&text))
    })
}

/// Whether a config's URL passes `allowedDomains`, or, where there is no list, the rules for addresses. Resolves names.
#[napi(
    js_name = "isMCPDomainAllowed",
    ts_args_type = "config: object, allowedDomains?: string[] | null, allowedAddresses?: string[] | null",
    ts_return_type = "Promise<boolean>"
)]
pub fn is_mcp_domain_allowed<'any>(
    env: Env,
    config: Unknown<'_>,
    allowed_domains: Option<Unknown<'_>>,
    allowed_addresses: Option<Unknown<'_>>,
) -> napi::Result<Unknown<'any>> {
    with(env, &config, |config| {
        let scope = config.scope();
        let list = |value: Option<Unknown<'_>>| {
            value.map_or_else(
                || Ok(Vec::new()),
                |value| convert::text_list(scope.wrap(&value)),
            )
        };
        let rules = NetworkRules {
            ssrf_protection: true,
            allowed_domains: list(allowed_domains)?,
            allowed_addresses: list(allowed_addresses)?,
            tls: None,
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
