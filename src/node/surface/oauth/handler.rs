//! `runtime.oauth`: the statics of LibreChat's `MCPOAuthHandler`, with its signatures.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value as Json;

use super::call::{Call, parsed};
use super::{binding, flows, reconnection, tokens};
use crate::cancel::until_aborted;
use crate::node::engine::{JsResult, Value};
use crate::node::marshal::convert;
use crate::node::surface::methods::{Invocation, Method, set_methods};
use crate::node::surface::state::RuntimeState;
use crate::oauth::{
    Asking, ClientInfo, Endpoints, OAuthOptions, Refresh, Revocation, StoredEndpoint, detect,
    revoke, texts,
};
use crate::secret::Secret;
use crate::server_config::{Context, ServerConfig, resolve};

/// Puts `oauth`, `tokens` and `OAuthReconnectionManager` on the runtime object.
pub fn install<'env>(runtime: &Arc<RuntimeState>, object: Value<'env>) -> JsResult<'env, ()> {
    let scope = object.scope();
    let functions = |methods| set_methods(scope.object()?, runtime, &(), methods);
    object.set("oauth", functions(HANDLER)?)?;
    object.set("tokens", functions(tokens::STORAGE)?)?;
    object.set(
        "OAuthReconnectionManager",
        reconnection::class(runtime, scope)?,
    )
}

const HANDLER: &[Method] = &[
    Method::new("generateFlowId", flows::generate_id),
    // The same today; kept apart so that callers can tell them apart.
    Method::new("generateTokenFlowId", flows::generate_id),
    Method::new("parseFlowId", flows::parse_id),
    Method::new("initiateOAuthFlow", flows::initiate),
    Method::new("completeOAuthFlow", flows::complete),
    Method::new("getFlowState", flows::get_state),
    Method::new("storeStateMapping", flows::store_state),
    Method::new("resolveStateToFlowId", flows::resolve_state_to_flow),
    Method::new("deleteStateMapping", flows::delete_state),
    Method::new("failFlowAndDeleteStateMapping", flows::fail),
    Method::new("deleteFlowAndStateMapping", flows::delete_flow),
    Method::new("buildStoredClientMetadata", binding::build_metadata),
    Method::new("assertStoredClientBinding", binding::assert_binding),
    Method::new("refreshOAuthTokens", refresh),
    Method::new("revokeOAuthToken", revoke_token),
    Method::new("detectOAuthRequirement", detect_requirement),
];

/// `(refreshToken, { serverName, serverUrl, clientInfo, storedTokenEndpoint, storedAuthMethods, storedServerUrl, resource,
/// clientSource }, oauthHeaders, config, allowedDomains, allowedAddresses, signal?)`
fn refresh<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    Call::promise(invocation, |call| {
        let refresh_token = call.required_secret(0, "refreshToken")?;
        let known = call.members(1)?.unwrap_or_default();
        let options = OAuthOptions::new(call.members(3)?.as_ref());
        let server_name = known.get("serverName").and_then(Json::as_str);
        let endpoints = call.endpoints(
            call.rules(4, 5)?,
            call.headers(2)?,
            server_name.map(str::to_owned),
        )?;
        let closing = call.runtime.manager.closing().clone();
        let logger = call.logger.clone();
        let aborted = call.aborted_by(call.argument(6))?;
        let assertions = call.client_assertions()?;
        let refresh = async move {
            let endpoints = endpoints.await?.configured_at(&options.endpoints());
            let text = |name: &str| known.get(name).and_then(Json::as_str);
            let server_url = text("serverUrl").map(parsed).transpose()?;
            let client = known.get("clientInfo").and_then(Json::as_object);
            let client = client.cloned().and_then(ClientInfo::new);
            let methods = texts(&known, "storedAuthMethods");
            Refresh {
                endpoints: &endpoints,
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
                assertions: assertions.as_deref(),
                logger: &logger,
            }
            .send(&refresh_token, None, &closing)
            .await
        };
        Ok(async move { until_aborted(&aborted, Box::pin(refresh)).await? })
    })
}

/// `(serverName, token, 'refresh' | 'access', { serverUrl, clientId, clientSecret, revocationEndpoint,
/// revocationEndpointAuthMethodsSupported, issuer }, oauthHeaders, allowedDomains, allowedAddresses)`
fn revoke_token<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    Call::promise(invocation, |call| {
        let server_name = call.required_text(0, "serverName")?;
        let token = call.required_secret(1, "token")?;
        let is_refresh_token = call.required_text(2, "tokenType")? == "refresh";
        let known = call.members(3)?.unwrap_or_default();
        let endpoints = call.endpoints(
            call.rules(5, 6)?,
            call.headers(4)?,
            Some(server_name.clone()),
        )?;
        let (logger, keys) = (call.logger.clone(), call.client_keys()?);
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
            revoke(&revocation, &endpoints.await?, Some(&*keys), &logger).await
        })
    })
}

/// `(serverUrl, allowedDomains, allowedAddresses, config?)`: the server is asked with the type, headers, TLS and proxy of its
/// config, where there is one.
fn detect_requirement<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    Call::promise(invocation, |call| {
        let server_url = call.required_text(0, "serverUrl")?;
        let mut rules = call.rules(1, 2)?;
        let environment = call.environment.clone();
        let config = call.argument(3).present();
        let config = config.map(|it| convert::server_config(it, &environment));
        let config = config.transpose()?.flatten();
        let settings = call.settings();
        let http = call.runtime.manager.http().clone();
        Ok(async move {
            let url = parsed(&server_url)?;
            let known = config.map(|mut config| {
                // Its own may wait for a user's values.
                config.insert("url".to_owned(), server_url.into());
                let config = ServerConfig::from_members(config)?;
                resolve(&config, &Context::of_environment(&environment))
            });
            let known = known.transpose()?;
            let (mut asking, mut proxy, mut limit) = (Asking::default(), None, None);
            if let Some(known) = &known {
                rules.tls = known.server_tls(url.as_str())?;
                asking = Asking::of(&known.transport).keeping(known.secrets());
                (proxy, limit) = (known.proxy(), known.init_timeout);
            }
            let endpoints = Endpoints::new(http, &rules, &environment, proxy, &IndexMap::new())?;
            let endpoints = endpoints.asking(asking);
            let detection = detect(&endpoints, &url, &settings, limit).await;
            Ok(detection.to_value())
        })
    })
}
