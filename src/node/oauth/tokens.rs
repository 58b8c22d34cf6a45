//! `runtime.tokens`: the statics of LibreChat's `MCPTokenStorage`, with its signatures. Token methods come as
//! parameters.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value as Json, json};

use super::super::call::CallContext;
use super::super::calls::Shared;
use super::super::js::{JsResult, Scope, Value};
use super::super::thread::JsRef;
use super::Function;
use super::call::Call;
use super::host::members;
use crate::error::{Code, Error, Result};
use crate::oauth::{ClientInfo, GrantRefresher, StoredClient, Tokens, get_tokens};
use crate::secret::Secret;

/// Bound on a caller's `refreshTokens`, which asks an authorization server.
const REFRESH_TIMEOUT: std::time::Duration = std::time::Duration::from_mins(1);

pub const STORAGE: &[(&str, Function)] = &[
    ("storeTokens", store),
    ("getTokens", get),
    ("getClientInfoAndMetadata", get_client),
    ("deleteClientRegistration", delete_client),
    ("deleteUserTokens", delete_all),
];

/// `({ userId, serverName, tokens, createToken, updateToken, findToken, deleteTokens, clientInfo, metadata })`, gives the
/// tokens with their credential set.
fn store<'env>(
    runtime: &Arc<Shared>,
    scope: Scope<'env>,
    arguments: Vec<Value<'env>>,
) -> JsResult<'env> {
    Call::promise(
        runtime,
        scope,
        arguments,
        |call| {
            let params = call.argument(0);
            let storage = call.storage(params)?;
            let tokens = members(params.get("tokens")?)?.map(Json::Object);
            let client = members(params.get("clientInfo")?)?;
            let metadata = members(params.get("metadata")?)?;
            Ok(async move {
                let tokens = tokens.as_ref().and_then(Tokens::from_value);
                let tokens = tokens.ok_or_else(|| {
                    Error::new(Code::InvalidArgument, "tokens must have an access_token")
                })?;
                let client = client.and_then(ClientInfo::new);
                let client = client.as_ref().map(|client| (client, metadata.as_ref()));
                storage.store(&tokens, client).await
            })
        },
        |scope, stored| scope.json(&stored.into_value()),
    )
}

/// `({ userId, serverName, findToken, createToken, updateToken, deleteTokens, refreshTokens })`
fn get<'env>(
    runtime: &Arc<Shared>,
    scope: Scope<'env>,
    arguments: Vec<Value<'env>>,
) -> JsResult<'env> {
    Call::promise(
        runtime,
        scope,
        arguments,
        |call| {
            let params = call.argument(0);
            let storage = call.storage(params)?;
            let refresh = params.get("refreshTokens")?;
            let refresher = if refresh.is_function() {
                Some(NodeRefresher {
                    context: Arc::clone(&call.context),
                    refresh: Arc::new(JsRef::new(&call.runtime.thread, refresh)?),
                    user_id: call.text(params.get("userId")?, "userId")?,
                    server_name: call.text(params.get("serverName")?, "serverName")?,
                })
            } else {
                None
            };
            let logger = call.logger.clone();
            Ok(async move {
                let refresher = refresher.as_ref().map(|it| it as &dyn GrantRefresher);
                let tokens = get_tokens(&storage, refresher, &logger).await?;
                Ok(tokens.map_or(Json::Null, Tokens::into_value))
            })
        },
        |scope, tokens| scope.json(&tokens),
    )
}

/// `({ userId, serverName, findToken })`
fn get_client<'env>(
    runtime: &Arc<Shared>,
    scope: Scope<'env>,
    arguments: Vec<Value<'env>>,
) -> JsResult<'env> {
    Call::promise(
        runtime,
        scope,
        arguments,
        |call| {
            let storage = call.storage(call.argument(0))?;
            Ok(async move {
                let stored = storage.client().await?;
                Ok(stored.map_or(Json::Null, |stored| {
                    json!({ "clientInfo": stored.client.0, "clientMetadata": stored.metadata })
                }))
            })
        },
        |scope, client| scope.json(&client),
    )
}

/// `({ userId, serverName, deleteTokens, credentialSetId })`
fn delete_client<'env>(
    runtime: &Arc<Shared>,
    scope: Scope<'env>,
    arguments: Vec<Value<'env>>,
) -> JsResult<'env> {
    Call::promise(
        runtime,
        scope,
        arguments,
        |call| {
            let params = call.argument(0);
            let storage = call.storage(params)?;
            let set = params.get("credentialSetId")?.as_string();
            let set = set.filter(|set| !set.is_empty());
            Ok(async move { storage.delete_client(set.as_deref()).await })
        },
        |scope, ()| Ok(scope.undefined()),
    )
}

/// `({ userId, serverName, deleteToken })`
fn delete_all<'env>(
    runtime: &Arc<Shared>,
    scope: Scope<'env>,
    arguments: Vec<Value<'env>>,
) -> JsResult<'env> {
    Call::promise(
        runtime,
        scope,
        arguments,
        |call| {
            let storage = call.storage_deleting(call.argument(0), "deleteToken")?;
            Ok(async move { storage.delete_all().await })
        },
        |scope, ()| Ok(scope.undefined()),
    )
}

/// The caller's `refreshTokens(refreshToken, { userId, serverName, identifier, clientInfo, storedTokenEndpoint,
/// storedAuthMethods, storedServerUrl, clientSource, resource })`.
struct NodeRefresher {
    context: Arc<CallContext>,
    refresh: Arc<JsRef>,
    user_id: String,
    server_name: String,
}

#[async_trait]
impl GrantRefresher for NodeRefresher {
    async fn refresh(
        &self,
        refresh_token: &Secret,
        client: Option<&StoredClient>,
    ) -> Result<Tokens> {
        let member = |name: &str| client.and_then(|stored| stored.metadata.get(name)).cloned();
        let mut known = Map::new();
        let mut set = |name: &str, value: Option<Json>| {
            known.extend(value.map(|value| (name.to_owned(), value)));
        };
        set("userId", Some(json!(self.user_id)));
        set("serverName", Some(json!(self.server_name)));
        set(
            "identifier",
            Some(json!(format!("mcp:{}", self.server_name))),
        );
        let info = client.map(|stored| Json::Object(stored.client.0.clone()));
        set("clientInfo", info);
        let endpoint = member("token_endpoint").filter(Json::is_string);
        set("storedTokenEndpoint", endpoint);
        let methods = member("token_endpoint_auth_methods_supported").filter(Json::is_array);
        set("storedAuthMethods", methods);
        for (name, stored) in [
            ("storedServerUrl", "server_url"),
            ("clientSource", "client_source"),
            ("resource", "resource"),
        ] {
            set(name, member(stored).filter(Json::is_string));
        }
        let (token, refresh) = (refresh_token.clone(), Arc::clone(&self.refresh));
        let tokens = self
            .context
            .callback(
                "refreshTokens",
                REFRESH_TIMEOUT,
                move |context, scope| {
                    let arguments = [
                        scope.string(token.expose())?,
                        scope.json(&Json::Object(known))?,
                    ];
                    context.apply(refresh.get(scope), scope.undefined(), &arguments)
                },
                |_, value| members(value),
            )
            .await?;
        let tokens = tokens.map(Json::Object);
        tokens.as_ref().and_then(Tokens::from_value).ok_or_else(|| {
            Error::new(
                Code::OAuthRefreshFailed,
                "refreshTokens returned no access token",
            )
        })
    }
}
