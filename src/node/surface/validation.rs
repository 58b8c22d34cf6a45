//! What of a config may be stored.

use napi::Env;
use napi::bindgen_prelude::Unknown;
use napi_derive::napi;
use serde_json::{Map, Value as Json};

use super::policy::with;
use crate::host::Environment;
use crate::node::engine::{JsResult, Scope, Value};
use crate::node::marshal::convert;
use crate::node::marshal::to_js::WithMembers;
use crate::server_config::{self, Author, Input, Issue, ServerConfig};

/// What is wrong with a config, by LibreChat's published schemas; an empty list, if what `parseServerConfig` makes of it
/// may be stored. Any `source` but `yaml` and `config`, and none at all, means that a user wrote it; then a member that
/// the schema does not know is an issue too.
#[napi(
    ts_args_type = "config: unknown, options?: { source?: 'yaml' | 'config' | 'user' }",
    ts_return_type = "MCPConfigIssue[]"
)]
pub fn validate_server_config<'any>(
    env: Env,
    config: Unknown<'_>,
    options: Option<Unknown<'_>>,
) -> napi::Result<Unknown<'any>> {
    with(env, &config, |config| {
        let parsed = parsed(config, options.as_ref())?;
        issues(config.scope(), parsed.err().unwrap_or_default())
    })
}

/// The config that may be stored, as LibreChat's published schemas make it: members that the schema does not know are
/// left out, defaults and, for an operator, environment variables are filled in. Else what is wrong with it. `options`
/// are those of `validateServerConfig`.
#[napi(
    ts_args_type = "config: unknown, options?: { source?: 'yaml' | 'config' | 'user' }",
    ts_return_type = "{ success: true; config: MCPServerConfig } | { success: false; issues: MCPConfigIssue[] }"
)]
pub fn parse_server_config<'any>(
    env: Env,
    config: Unknown<'_>,
    options: Option<Unknown<'_>>,
) -> napi::Result<Unknown<'any>> {
    with(env, &config, |config| {
        let scope = config.scope();
        match parsed(config, options.as_ref())? {
            Ok(config) => scope
                .object()?
                .with("success", true)?
                .with("config", config),
            Err(found) => {
                let issues = issues(scope, found)?;
                scope
                    .object()?
                    .with("success", false)?
                    .with("issues", issues)
            }
        }
    })
}

fn issues(scope: Scope<'_>, issues: Vec<Issue>) -> JsResult<'_> {
    scope.json(&serde_json::to_value(issues).unwrap_or_default())
}

fn parsed<'env>(
    config: Value<'env>,
    options: Option<&Unknown<'_>>,
) -> JsResult<'env, Result<Map<String, Json>, Vec<Issue>>> {
    let scope = config.scope();
    let options = options.map(|options| scope.wrap(options));
    let source = match options.filter(|options| options.is_object()) {
        Some(options) => options.get_own("source")?.as_string(),
        None => None,
    };
    let author = match source.as_deref() {
        Some("yaml" | "config") => Author::Administrator,
        _ => Author::User,
    };
    let unreadable = match author {
        Author::User => config.hidden_members(ServerConfig::MEMBERS)?,
        Author::Administrator => Vec::new(),
    };
    // What JSON has no form for, a function say, is no config either.
    let json = config.to_json()?.unwrap_or_default();
    let environment = Environment::default();
    if let (Author::Administrator, Json::Object(members)) = (author, &json) {
        // A `source` or `dbId` in the config itself does not decide here.
        let mut members = members.clone();
        members.retain(|name, _| name != "source" && name != "dbId");
        let names = server_config::env_references(&members);
        convert::read_variables(scope, &names, &environment)?;
    }
    Ok(server_config::parse(&Input {
        config: &json,
        author,
        unreadable: &unreadable,
        environment: &environment,
    }))
}
