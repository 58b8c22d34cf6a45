//! `runtime.oauth`: the statics of LibreChat's `MCPOAuthHandler`, with its signatures.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value as Json;

use super::call::{Call, Function, parsed};
use super::{binding, flows, reconnection, tokens};
use crate::error::{Error, Result};
use crate::node::engine::{AbortLink, JsResult, Scope, Thrown, Value};
use crate::node::marshal::errors;
use crate::node::marshal::to_js::{ToJs, WithMembers};
use crate::node::surface::state::RuntimeState;
use crate::oauth::{
    ClientInfo, OAuthOptions, Refresh, Revocation, StoredEndpoint, Tokens, detect, revoke, texts,
};
use crate::secret::Secret;

/// Puts `oauth`, `tokens` and `OAuthReconnectionManager` on the runtime object.
pub fn install<'env>(runtime: &Arc<RuntimeState>, object: Value<'env>) -> JsResult<'env, ()> {
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
    runtime: &Arc<RuntimeState>,
    scope: Scope<'env>,
    functions: &[(&'static str, Function)],
) -> JsResult<'env> {
    let object = scope.object()?;
    for &(name, function) in functions {
        let runtime = Arc::clone(runtime);
        object.with_function(name, move |scope, _, arguments| {
            function(&runtime, scope, arguments)
        })?;
    }
    Ok(object)
}

const HANDLER: &[(&str, Function)] = &[
    ("generateFlowId", flows::generate_id),
    // The same today; kept apart so that callers can tell them apart.
    ("generateTokenFlowId", flows::generate_id),
    ("parseFlowId", flows::parse_id),
    ("initiateOAuthFlow", flows::initiate),
    ("completeOAuthFlow", flows::complete),
    ("getFlowState", flows::get_state),
    ("storeStateMapping", flows::store_state),
    ("resolveStateToFlowId", flows::resolve_state_to_flow),
    ("deleteStateMapping", flows::delete_state),
    ("failFlowAndDeleteStateMapping", flows::fail),
    ("deleteFlowAndStateMapping", flows::delete_flow),
    ("buildStoredClientMetadata", binding::build_metadata),
    ("assertStoredClientBinding", binding::assert_binding),
    ("refreshOAuthTokens", refresh),
    ("revokeOAuthToken", revoke_token),
    ("detectOAuthRequirement", detect_requirement),
];

/// `(refreshToken, { serverName, serverUrl, clientInfo, storedTokenEndpoint, storedAuthMethods, storedServerUrl, resource,
/// clientSource }, oauthHeaders, config, allowedDomains, allowedAddresses, signal?)`
fn refresh<'env>(
    runtime: &Arc<RuntimeState>,
    scope: Scope<'env>,
    arguments: Vec<Value<'env>>,
) -> JsResult<'env> {
    Call::promise_with(
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
            let (aborted, link) = call.abort(call.argument(6))?;
            let refresh = async move {
                let text = |name: &str| known.get(name).and_then(Json::as_str);
                let server_url = text("serverUrl").map(parsed).transpose()?;
                let client = known.get("clientInfo").and_then(Json::as_object);
                let client = client.cloned().and_then(ClientInfo::new);
                let methods = texts(&known, "storedAuthMethods");
                Refresh {
                    endpoints: &endpoints?,
                    options: &options,
                    server_name: text("serverName").unwrap_or_default(),
                    server_url: server_url.as_ref(),
                    client: client.as_ref(),
                    stored: StoredEndpoint {
                        token_endpoint: text("storedTokenEndpoint"),
                        auth_methods: methods.as_deref(),
                        server_url: text("storedServerUrl"),
                        client_source: text("clientSource"),
                        resource: text("resource"),
                        issuer: None,
                    },
                    // Callers pass what they have stored.
                    nothing_stored: false,
                    logger: &logger,
                }
                .send(&refresh_token, None, &closing)
                .await
            };
            Ok(async move {
                let outcome = tokio::select! {
                    biased;
                    () = aborted.cancelled() => Err(Error::aborted()),
                    outcome = refresh => outcome,
                };
                Ok((outcome, link))
            })
        },
        |scope, (outcome, link): (Result<Tokens>, Option<AbortLink>)| {
            let reason = link.and_then(|link| link.end(scope));
            let rejected = match outcome {
                Ok(tokens) => return tokens.to_js(scope),
                Err(error) => errors::to_js(scope, &error),
            };
            if let Some(reason) = reason {
                rejected.set("cause", reason)?;
            }
            Err(Thrown(rejected))
        },
    )
}

/// `(serverName, token, 'refresh' | 'access', { serverUrl, clientId, clientSecret, revocationEndpoint,
/// revocationEndpointAuthMethodsSupported, issuer }, oauthHeaders, allowedDomains, allowedAddresses)`
fn revoke_token<'env>(
    runtime: &Arc<RuntimeState>,
    scope: Scope<'env>,
    arguments: Vec<Value<'env>>,
) -> JsResult<'env> {
    Call::promise(runtime, scope, arguments, |call| {
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
    })
}

/// `(serverUrl, allowedDomains, allowedAddresses)`
fn detect_requirement<'env>(
    runtime: &Arc<RuntimeState>,
    scope: Scope<'env>,
    arguments: Vec<Value<'env>>,
) -> JsResult<'env> {
    Call::promise(runtime, scope, arguments, |call| {
        let server_url = call.text_argument(0, "serverUrl")?;
        let endpoints = call.endpoints(&call.rules(1, 2)?, &IndexMap::new());
        let settings = call.settings();
        Ok(async move {
            let server_url = parsed(&server_url)?;
            let detection = detect(&endpoints?, &server_url, &settings).await;
            Ok(detection.to_value())
        })
    })
}
