//! `runtime.oauth`: the statics of LibreChat's `MCPOAuthHandler`, with its signatures.

mod call;
mod host;
mod prompt;
mod reconnection;
mod tokens;
mod types;

pub use call::{CREDENTIALS_VARIABLE, credentials_key};
pub use host::{NodeFlows, NodeTokens, Service};
pub use prompt::{NodeLock, NodePrompt, NodeTenancy};

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Value as Json, json};
use url::Url;

use super::calls::Shared;
use super::convert::text_argument;
use super::js::{JsResult, Scope, Value};
use crate::error::{Code, Error, Result};
use crate::oauth::{
    Callback, ClientInfo, Completion, FLOW_KIND, Initiation, OAuthOptions, Received, Refresh,
    Revocation, StoredEndpoint, delete_state_mapping, detect, flow_id, resolve_state, revoke,
    store_state_mapping, texts,
};
use crate::secret::Secret;
use call::Call;

/// One function of a surface.
type Function = for<'env> fn(&Arc<Shared>, Scope<'env>, Vec<Value<'env>>) -> JsResult<'env>;

/// Puts `oauth`, `tokens` and `OAuthReconnectionManager` on the runtime object.
pub fn install<'env>(runtime: &Arc<Shared>, object: Value<'env>) -> JsResult<'env, ()> {
    let scope = object.scope();
    object.set("oauth", surface(runtime, scope, HANDLER)?)?;
    object.set("tokens", surface(runtime, scope, tokens::STORAGE)?)?;
    object.set(
        "OAuthReconnectionManager",
        reconnection::class(runtime, scope)?,
    )
}

/// An object of functions that work unbound.
fn surface<'env>(
    runtime: &Arc<Shared>,
    scope: Scope<'env>,
    functions: &[(&'static str, Function)],
) -> JsResult<'env> {
    let object = scope.object()?;
    for &(name, function) in functions {
        let runtime = Arc::clone(runtime);
        let function = scope.function(name, move |scope, _, arguments| {
            function(&runtime, scope, arguments)
        })?;
        object.set(name, function)?;
    }
    Ok(object)
}

const HANDLER: &[(&str, Function)] = &[
    ("generateFlowId", generate_flow_id),
    ("initiateOAuthFlow", initiate),
    ("completeOAuthFlow", complete),
    ("getFlowState", get_flow_state),
    ("storeStateMapping", store_state),
    ("resolveStateToFlowId", resolve_state_to_flow),
    ("deleteStateMapping", delete_state),
    ("refreshOAuthTokens", refresh),
    ("revokeOAuthToken", revoke_token),
    ("detectOAuthRequirement", detect_requirement),
];

fn parsed(url: &str) -> Result<Url> {
    Url::parse(url).map_err(|_| Error::new(Code::InvalidArgument, "serverUrl must be a URL"))
}

/// `(userId, serverName)`
#[expect(
    clippy::needless_pass_by_value,
    reason = "one type for all functions of a surface"
)]
fn generate_flow_id<'env>(
    _: &Arc<Shared>,
    scope: Scope<'env>,
    arguments: Vec<Value<'env>>,
) -> JsResult<'env> {
    let text = |index: usize, name: &str| -> JsResult<'env, String> {
        text_argument(&arguments, index)
            .ok_or_else(|| scope.type_error(&format!("{name} must be a string")))
    };
    scope.string(&flow_id(&text(0, "userId")?, &text(1, "serverName")?))
}

/// `(serverName, serverUrl, userId, oauthHeaders, config, allowedDomains, findToken, allowedAddresses)`
fn initiate<'env>(
    runtime: &Arc<Shared>,
    scope: Scope<'env>,
    arguments: Vec<Value<'env>>,
) -> JsResult<'env> {
    Call::promise(
        runtime,
        scope,
        arguments,
        |call| {
            let server_name = call.text_argument(0, "serverName")?;
            let server_url = call.text_argument(1, "serverUrl")?;
            let user_id = call.text_argument(2, "userId")?;
            let oauth_headers = call.headers(3)?;
            let options = OAuthOptions::new(call.members(4)?.as_ref());
            let rules = call.rules(5, 7)?;
            let find = call.argument(6);
            let storage = if find.is_function() {
                let params = scope.object()?;
                params.set("userId", call.argument(2))?;
                params.set("serverName", call.argument(0))?;
                params.set("findToken", find)?;
                Some(call.storage(params)?)
            } else {
                None
            };
            let endpoints = call.endpoints(&rules, &oauth_headers);
            let endpoints = endpoints.map(|it| it.configured_at(&options.endpoints()));
            let (settings, logger) = (call.settings(), call.logger.clone());
            Ok(async move {
                let (endpoints, server_url) = (endpoints?, parsed(&server_url)?);
                let initiated = Initiation {
                    endpoints: &endpoints,
                    server_name: &server_name,
                    user_id: &user_id,
                    server_url: &server_url,
                    oauth_headers: &oauth_headers,
                    options: &options,
                    rules: &rules,
                    settings: &settings,
                    logger: &logger,
                    storage: storage.as_ref(),
                    missing_scope: None,
                }
                .initiate()
                .await?;
                Ok(json!({
                    "authorizationUrl": initiated.authorization_url.as_str(),
                    "flowId": flow_id(&user_id, &server_name),
                    "flowMetadata": initiated.metadata,
                }))
            })
        },
        |scope, value: Json| scope.json(&value),
    )
}

/// `(flowId, authorizationCode, flowManager, oauthHeaders, { state, iss }?)`
fn complete<'env>(
    runtime: &Arc<Shared>,
    scope: Scope<'env>,
    arguments: Vec<Value<'env>>,
) -> JsResult<'env> {
    Call::promise(
        runtime,
        scope,
        arguments,
        |call| {
            let flow_id = call.text_argument(0, "flowId")?;
            let received = call.argument(4);
            let received = if received.is_object() {
                // A parameter that came twice is a list in many frameworks, and no parameter (RFC 6749, section 3.1).
                let text = |name: &str| match received.get(name)?.present() {
                    Some(value) => call.text(value, name).map(Some),
                    None => Ok(None),
                };
                Some(Received {
                    state: text("state")?.map(Secret::new),
                    iss: text("iss")?,
                })
            } else {
                None
            };
            let callback = Callback {
                code: call.secret_argument(1, "authorizationCode")?,
                received,
            };
            let completion = Completion {
                http: call.runtime.manager.http().clone(),
                flows: call.flows(2)?,
                oauth_headers: call.headers(3)?,
                environment: call.environment.clone(),
                settings: call.settings(),
                logger: call.logger.clone(),
            };
            Ok(async move { completion.complete(&flow_id, &callback).await })
        },
        |scope, tokens| scope.json(&tokens.into_value()),
    )
}

/// `(flowId, flowManager)`
fn get_flow_state<'env>(
    runtime: &Arc<Shared>,
    scope: Scope<'env>,
    arguments: Vec<Value<'env>>,
) -> JsResult<'env> {
    Call::promise(
        runtime,
        scope,
        arguments,
        |call| {
            let (flow_id, flows) = (call.text_argument(0, "flowId")?, call.flows(1)?);
            Ok(async move {
                let flow = flows.get(&flow_id, FLOW_KIND).await?;
                Ok(flow.map_or(Json::Null, |flow| Json::Object(flow.metadata)))
            })
        },
        |scope, value: Json| scope.json(&value),
    )
}

/// `(state, flowId, flowManager)`
fn store_state<'env>(
    runtime: &Arc<Shared>,
    scope: Scope<'env>,
    arguments: Vec<Value<'env>>,
) -> JsResult<'env> {
    Call::promise(
        runtime,
        scope,
        arguments,
        |call| {
            let state = call.secret_argument(0, "state")?;
            let (flow_id, flows) = (call.text_argument(1, "flowId")?, call.flows(2)?);
            Ok(async move { store_state_mapping(&*flows, &state, &flow_id).await })
        },
        |scope, ()| Ok(scope.undefined()),
    )
}

/// `(state, flowManager)`
fn resolve_state_to_flow<'env>(
    runtime: &Arc<Shared>,
    scope: Scope<'env>,
    arguments: Vec<Value<'env>>,
) -> JsResult<'env> {
    Call::promise(
        runtime,
        scope,
        arguments,
        |call| {
            let (state, flows) = (call.secret_argument(0, "state")?, call.flows(1)?);
            Ok(async move { Ok(json!(resolve_state(&*flows, &state).await?)) })
        },
        |scope, value: Json| scope.json(&value),
    )
}

/// `(state, flowManager)`
fn delete_state<'env>(
    runtime: &Arc<Shared>,
    scope: Scope<'env>,
    arguments: Vec<Value<'env>>,
) -> JsResult<'env> {
    Call::promise(
        runtime,
        scope,
        arguments,
        |call| {
            let (state, flows) = (call.secret_argument(0, "state")?, call.flows(1)?);
            Ok(async move { delete_state_mapping(&*flows, &state).await })
        },
        |scope, ()| Ok(scope.undefined()),
    )
}

/// `(refreshToken, { serverName, serverUrl, clientInfo, storedTokenEndpoint, storedAuthMethods, storedServerUrl, resource
/// }, oauthHeaders, config, allowedDomains, allowedAddresses)`
fn refresh<'env>(
    runtime: &Arc<Shared>,
    scope: Scope<'env>,
    arguments: Vec<Value<'env>>,
) -> JsResult<'env> {
    Call::promise(
        runtime,
        scope,
        arguments,
        |call| {
            let refresh_token = call.secret_argument(0, "refreshToken")?;
            let known = call.members(1)?.unwrap_or_default();
            let oauth_headers = call.headers(2)?;
            let options = OAuthOptions::new(call.members(3)?.as_ref());
            let endpoints = call.endpoints(&call.rules(4, 5)?, &oauth_headers);
            let endpoints = endpoints.map(|it| it.configured_at(&options.endpoints()));
            let closing = call.runtime.manager.closing().clone();
            let logger = call.logger.clone();
            Ok(async move {
                let text = |name: &str| known.get(name).and_then(Json::as_str);
                let server_url = text("serverUrl").map(parsed).transpose()?;
                let client = known.get("clientInfo").and_then(Json::as_object);
                let client = client.cloned().and_then(ClientInfo::new);
                let methods = texts(&known, "storedAuthMethods");
                let tokens = Refresh {
                    endpoints: &endpoints?,
                    options: &options,
                    server_name: text("serverName").unwrap_or_default(),
                    server_url: server_url.as_ref(),
                    client: client.as_ref(),
                    stored: StoredEndpoint {
                        token_endpoint: text("storedTokenEndpoint"),
                        auth_methods: methods.as_deref(),
                        server_url: text("storedServerUrl"),
                        resource: text("resource"),
                        issuer: None,
                    },
                    // Callers pass what they have stored.
                    nothing_stored: false,
                    logger: &logger,
                }
                .send(&refresh_token, None, &closing)
                .await?;
                Ok(tokens.into_value())
            })
        },
        |scope, value: Json| scope.json(&value),
    )
}

/// `(serverName, token, 'refresh' | 'access', { serverUrl, clientId, clientSecret, revocationEndpoint,
/// revocationEndpointAuthMethodsSupported, issuer }, oauthHeaders, allowedDomains, allowedAddresses)`
fn revoke_token<'env>(
    runtime: &Arc<Shared>,
    scope: Scope<'env>,
    arguments: Vec<Value<'env>>,
) -> JsResult<'env> {
    Call::promise(
        runtime,
        scope,
        arguments,
        |call| {
            let server_name = call.text_argument(0, "serverName")?;
            let token = call.secret_argument(1, "token")?;
            let is_refresh_token = call.text_argument(2, "tokenType")? == "refresh";
            let known = call.members(3)?.unwrap_or_default();
            let endpoints = call.endpoints(&call.rules(5, 6)?, &call.headers(4)?);
            let logger = call.logger.clone();
            Ok(async move {
                let text = |name: &str| {
                    let text = known.get(name).and_then(Json::as_str);
                    text.filter(|text| !text.is_empty())
                };
                let secret = text("clientSecret").map(Secret::from);
                let methods = texts(&known, "revocationEndpointAuthMethodsSupported");
                let revocation = Revocation {
                    server_name: &server_name,
                    token: &token,
                    is_refresh_token,
                    server_url: text("serverUrl"),
                    client_id: text("clientId").unwrap_or_default(),
                    client_secret: secret.as_ref(),
                    endpoint: text("revocationEndpoint"),
                    issuer: text("issuer"),
                    auth_methods: methods.as_deref(),
                };
                revoke(&revocation, &endpoints?, &logger).await
            })
        },
        |scope, ()| Ok(scope.undefined()),
    )
}

/// `(serverUrl, allowedDomains, allowedAddresses)`
fn detect_requirement<'env>(
    runtime: &Arc<Shared>,
    scope: Scope<'env>,
    arguments: Vec<Value<'env>>,
) -> JsResult<'env> {
    Call::promise(
        runtime,
        scope,
        arguments,
        |call| {
            let server_url = call.text_argument(0, "serverUrl")?;
            let endpoints = call.endpoints(&call.rules(1, 2)?, &IndexMap::new());
            let settings = call.settings();
            Ok(async move {
                let server_url = parsed(&server_url)?;
                let detection = detect(&endpoints?, &server_url, &settings).await;
                Ok(detection.to_value())
            })
        },
        |scope, value: Json| scope.json(&value),
    )
}
