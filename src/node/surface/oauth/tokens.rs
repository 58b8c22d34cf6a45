//! `runtime.tokens`: the statics of LibreChat's `MCPTokenStorage`, with its signatures. Token methods come as
//! parameters.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::call::Call;
use super::redemption::Refresh;
use crate::error::{Code, Error};
use crate::host::{CREDENTIAL_SET_ID, Level, LogMeta, tenant_of};
use crate::node::engine::{JsResult, Thrown};
use crate::node::host::given_leases::GivenLeases;
use crate::node::host::witness::NodeWitness;
use crate::node::marshal::callback::{Callback, STORE_TIMEOUT};
use crate::node::marshal::convert::{JsonObject, members, required_text, text, text_member};
use crate::node::marshal::errors;
use crate::node::marshal::to_js::Nullable;
use crate::node::surface::methods::{Invocation, Method};
use crate::oauth::{
    ClientInfo, Stored, Tokens, delete_flows_of, storage_unavailable, stored_tokens, unbound,
};
use crate::secret::Secret;

const VALIDATE_BINDING: Callback<(JsonObject, JsonObject), ()> =
    Callback::new("validateClientBinding", STORE_TIMEOUT);

pub const STORAGE: &[Method] = &[
    Method::new("storeTokens", store),
    Method::new("getTokens", get),
    Method::new("forceRefreshTokens", force_refresh),
    Method::new("markAuthorizationRejected", mark_authorization_rejected),
    Method::new("hasStoredAuthorization", has_stored_authorization),
    Method::new("isCurrentAccessToken", is_current_access_token),
    Method::new("assertCredentialSetBinding", assert_credential_set_binding),
    Method::new("getClientInfoAndMetadata", get_client),
    Method::new("deleteClientRegistration", delete_client),
    Method::new("deleteUserTokens", delete_all),
];

/// `({ userId, serverName, tokens, createToken, updateToken, findToken, deleteTokens, clientInfo, metadata, existingTokens,
/// expectedCredentialSetId })`, gives the tokens with their credential set.
fn store<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    Call::promise(invocation, |call| {
        let params = call.argument(0);
        let storage = call.storage(params)?;
        let tokens = members(params.get("tokens")?)?.map(Json::Object);
        let client = members(params.get("clientInfo")?)?;
        let metadata = members(params.get("metadata")?)?;
        let expected = text_member(params, "expectedCredentialSetId")?;
        let oauth = call.runtime.manager.oauth();
        let witness = NodeWitness::of_store(&call.context, oauth, params)?;
        // What is stored besides is a refresh.
        let is_login = expected.is_none() && params.get("existingTokens")?.present().is_none();
        let epoch = is_login.then(|| call.epoch(params)).transpose()?.flatten();
        let leases = GivenLeases::read(&call.context, &call.logger, params)?;
        Ok(async move {
            let tokens = tokens.as_ref().and_then(Tokens::from_value);
            let tokens = tokens.ok_or_else(|| {
                Error::new(Code::InvalidArgument, "tokens must have an access_token")
            })?;
            let client = client.and_then(ClientInfo::new);
            let client = client.as_ref().map(|client| (client, metadata.as_ref()));
            let store = async {
                match expected {
                    Some(expected) => {
                        let renewed = storage.store_renewed(&tokens, client, &expected, &witness);
                        renewed.await
                    }
                    None => storage.store(&tokens, client, &witness).await,
                }
            };
            let stored = GivenLeases::fenced(leases, &storage, store).await?;
            if let Some(epoch) = epoch {
                epoch.begin_epoch().await;
            }
            Ok(stored)
        })
    })
}

/// `({ userId, serverName, findToken, createToken, updateToken, deleteTokens, refreshTokens, singleFlightScope })`
fn get<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    Call::promise(invocation, |call| {
        let refresh = Refresh::read(call, false)?;
        let storage = call.storage(call.argument(0))?;
        let logger = call.logger.clone();
        Ok(async move {
            let is_leased = refresh.is_leased();
            match stored_tokens(&storage, &logger).await {
                Ok(Stored::Valid(tokens)) => Ok(Nullable(Some(tokens))),
                Ok(Stored::Refreshable(seen)) => {
                    let tokens = refresh.having_seen(seen).begin().await?;
                    tokens.await.map(Nullable)
                }
                Err(error) if error.code == Code::ReauthenticationRequired => Err(error),
                Err(error) => {
                    let message = format!("{} Failed to retrieve tokens", storage.log_prefix());
                    logger.with(Level::Error, message, LogMeta::Error(error.clone()));
                    if is_leased {
                        return Err(storage_unavailable(storage.server_name(), error));
                    }
                    Ok(Nullable(None))
                }
            }
        })
    })
}

/// The same, whatever the access token says; also with `onRefreshSuccess` and `signal`, which ends only this wait.
fn force_refresh<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    Call::promise(invocation, |call| {
        let refresh = Refresh::read(call, true)?;
        let left = call.aborted_by(call.argument(0).get("signal")?)?;
        Ok(async move {
            // Goes on whoever stops waiting, also who begins it.
            let redemption = refresh.begin().await?;
            tokio::select! {
                biased;
                () = left.cancelled() => Ok(Nullable(None)),
                outcome = redemption => outcome.map(Nullable),
            }
        })
    })
}

/// `({ userId, serverName, credentialSetId, findToken, updateToken, flowManager, persistenceWaitTimeoutMs })`
fn mark_authorization_rejected<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    Call::promise(invocation, |call| {
        let params = call.argument(0);
        let storage = call.storage(params)?;
        let set = required_text(params.get("credentialSetId")?, "credentialSetId")?;
        let leases = GivenLeases::read(&call.context, &call.logger, params)?;
        Ok(async move { GivenLeases::fenced(leases, &storage, storage.mark_rejected(&set)).await })
    })
}

/// `({ userId, serverName, findToken, validateClientBinding })`; never rejects for what it finds.
fn has_stored_authorization<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    Call::promise(invocation, |call| {
        let params = call.argument(0);
        let storage = call.storage(params)?;
        let validate = params.get(VALIDATE_BINDING.name)?;
        let validate = call.context.keep_function(validate)?;
        let (context, logger) = (Arc::clone(&call.context), call.logger.clone());
        Ok(async move {
            let prefix = storage.log_prefix();
            let client = match storage.authorized_client().await {
                Ok(client) => client,
                Err(error) => {
                    let message = format!("{prefix} Failed to inspect stored authorization");
                    logger.with(Level::Warn, message, LogMeta::Error(error));
                    None
                }
            };
            let (Some(client), Some(validate)) = (client, validate) else {
                return Ok(false);
            };
            let arguments = (client.client.0, client.metadata);
            let validated = VALIDATE_BINDING.call(&context, &validate, arguments);
            if let Err(error) = validated.await {
                let message = format!(
                    "{prefix} Stored authorization no longer matches the configured OAuth binding"
                );
                logger.with(Level::Debug, message, LogMeta::Error(error));
                return Ok(false);
            }
            Ok(true)
        })
    })
}

/// `({ userId, serverName, accessToken, credentialSetId, findToken })`
fn is_current_access_token<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    Call::promise(invocation, |call| {
        let params = call.argument(0);
        let storage = call.storage(params)?;
        let token = text_member(params, "accessToken")?.map(Secret::new);
        let set = text_member(params, "credentialSetId")?;
        let logger = call.logger.clone();
        Ok(async move {
            let (Some(token), Some(set)) = (token, set) else {
                return Ok(false);
            };
            Ok(storage
                .is_current(&token, &set)
                .await
                .unwrap_or_else(|error| {
                    let prefix = storage.log_prefix();
                    let message = format!("{prefix} Failed to verify cached access token");
                    logger.with(Level::Warn, message, LogMeta::Error(error));
                    false
                }))
        })
    })
}

/// `(serverName, credentialSetId, clientMetadata)`; throws where they are not of the same credential set.
fn assert_credential_set_binding<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    let text = |index| text(invocation.argument(index));
    let metadata = members(invocation.argument(2))?;
    let of_client = metadata
        .as_ref()
        .and_then(|it| it.get(CREDENTIAL_SET_ID)?.as_str());
    let of_tokens = text(1);
    if of_tokens.is_some() && of_tokens.as_deref() == of_client {
        return Ok(invocation.scope.undefined());
    }
    let error = unbound(&text(0).unwrap_or_default());
    Err(Thrown(errors::to_js(invocation.scope, &error)))
}

/// `({ userId, serverName, findToken })`
fn get_client<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    Call::promise(invocation, |call| {
        let storage = call.storage(call.argument(0))?;
        Ok(async move {
            let stored = storage.client().await?;
            Ok(stored.map_or(Json::Null, |stored| {
                    json!({ "clientInfo": stored.client.0, "clientMetadata": stored.metadata })
                }))
        })
    })
}

/// `({ userId, serverName, deleteTokens, credentialSetId })`
fn delete_client<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    Call::promise(invocation, |call| {
        let params = call.argument(0);
        let storage = call.storage(params)?;
        let set = text_member(params, "credentialSetId")?;
        Ok(async move { storage.delete_client(set.as_deref()).await })
    })
}

/// `({ userId, serverName, deleteToken, flowManager })`. The flows go first: a call takes the tokens of one that was
/// completed lately.
fn delete_all<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    Call::promise(invocation, |call| {
        let storage = call.storage_deleting(call.argument(0), "deleteToken")?;
        let params = call.argument(0);
        let (epoch, flows, tenancy) =
            (call.epoch(params)?, call.flows_of(params)?, call.tenancy()?);
        Ok(async move {
            let forgetting = async {
                let tenant_id = tenant_of(tenancy.as_ref()).await?;
                let whose = (storage.user_id(), storage.server_name());
                delete_flows_of(&*flows, whose, tenant_id.as_deref()).await
            };
            let forgotten = forgetting.await;
            let deleted = storage.delete_all().await;
            if let Some(epoch) = epoch {
                epoch.begin_epoch().await;
            }
            deleted.and(forgotten)
        })
    })
}
