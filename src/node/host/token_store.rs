//! Stored tokens over JavaScript callbacks.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::{Map, Value as Json};

use super::service::Service;
use crate::error::Result;
use crate::host::{
    CredentialSet, Expiry, StoreMethods, TokenData, TokenQuery, TokenRow, TokenStore, TokenUpdate,
};
use crate::node::engine::{JsResult, Scope, Type, Value};
use crate::node::marshal::callback::STORE_TIMEOUT;
use crate::node::marshal::context::CallContext;
use crate::secret::Secret;

/// `findToken`, `createToken`, `updateToken`, `deleteTokens`.
pub struct NodeTokens {
    context: Arc<CallContext>,
    service: Service,
    methods: StoreMethods,
    /// `deleteTokens`, or what a caller calls it.
    delete_method: &'static str,
    /// What the caller has looked up already, until it is asked for.
    known: Mutex<HashMap<String, Option<TokenRow>>>,
    ignores_sets: Arc<AtomicBool>,
}

impl NodeTokens {
    /// All of a host's, as the core sees them.
    pub fn store(context: &Arc<CallContext>, service: Service) -> Arc<dyn TokenStore> {
        Arc::new(Self {
            context: Arc::clone(context),
            service,
            methods: StoreMethods {
                create: true,
                update: true,
                delete: true,
            },
            delete_method: "deleteTokens",
            known: Mutex::default(),
            ignores_sets: Arc::clone(&context.realm.ignores_credential_sets),
        })
    }

    /// Those that a caller passes with its other parameters. `existingTokens` are rows that it has looked up.
    pub fn given<'env>(
        context: &Arc<CallContext>,
        service: Service,
        params: Value<'env>,
        delete_method: &'static str,
    ) -> JsResult<'env, Self> {
        let has = |method| params.get(method).map(Value::is_function);
        let mut known = HashMap::new();
        let existing = params.get("existingTokens")?;
        if existing.is_object() {
            for (member, kind) in [
                ("accessToken", "mcp_oauth"),
                ("refreshToken", "mcp_oauth_refresh"),
                ("clientInfoToken", "mcp_oauth_client"),
            ] {
                let row = existing.get(member)?;
                if row.kind() != Type::Undefined {
                    known.insert(kind.to_owned(), token_row(row)?);
                }
            }
        }
        Ok(Self {
            context: Arc::clone(context),
            service,
            methods: StoreMethods {
                create: has("createToken")?,
                update: has("findToken")? && has("updateToken")?,
                delete: has(delete_method)?,
            },
            delete_method,
            known: Mutex::new(known),
            ignores_sets: Arc::default(),
        })
    }
}

fn query_object<'env>(scope: Scope<'env>, query: &TokenQuery) -> JsResult<'env> {
    let object = scope.object()?;
    object.set("userId", scope.string(&query.user_id)?)?;
    object.set("type", scope.string(&query.kind)?)?;
    object.set("identifier", scope.string(&query.identifier)?)?;
    Ok(object)
}

/// A query with what the row has to be beyond that.
fn filter_object<'env>(scope: Scope<'env>, query: &TokenQuery) -> JsResult<'env> {
    let object = query_object(scope, query)?;
    if let Some(token) = &query.token {
        object.set("token", scope.string(token.expose())?)?;
    }
    if let Some(set) = &query.credential_set {
        let set = match set {
            CredentialSet::None => scope.null(),
            CredentialSet::Id(id) => scope.string(id)?,
        };
        object.set("metadataCredentialSetId", set)?;
    }
    Ok(object)
}

fn data_object<'env>(scope: Scope<'env>, query: &TokenQuery, data: &TokenData) -> JsResult<'env> {
    let update = TokenUpdate {
        token: Some(data.token.clone()),
        expiry: Some(Expiry::In(data.expires_in)),
        metadata: data.metadata.clone(),
    };
    update_object(scope, query, &update)
}

fn update_object<'env>(
    scope: Scope<'env>,
    query: &TokenQuery,
    update: &TokenUpdate,
) -> JsResult<'env> {
    let object = query_object(scope, query)?;
    if let Some(token) = &update.token {
        object.set("token", scope.string(token.expose())?)?;
    }
    match update.expiry {
        None => {}
        Some(Expiry::In(seconds)) => object.set("expiresIn", scope.milliseconds(seconds)?)?,
        Some(Expiry::At(time)) => {
            let date = scope.global()?.get("Date")?;
            object.set("expiresAt", date.construct(&[scope.milliseconds(time)?])?)?;
        }
    }
    if let Some(metadata) = &update.metadata {
        object.set("metadata", scope.json(&Json::Object(metadata.clone()))?)?;
    }
    Ok(object)
}

/// A row as mongoose returns it: lean or not, with `Date`s or their text, with a `Map` or a plain object.
pub fn token_row(value: Value<'_>) -> JsResult<'_, Option<TokenRow>> {
    if !value.is_object() {
        return Ok(None);
    }
    let token = value.get("token")?.as_string().unwrap_or_default();
    Ok(Some(TokenRow {
        token: Secret::new(token),
        expires_at: milliseconds(value.get("expiresAt")?)?,
        created_at: milliseconds(value.get("createdAt")?)?,
        metadata: members(value.get("metadata")?)?,
    }))
}

pub fn milliseconds(value: Value<'_>) -> JsResult<'_, Option<i64>> {
    match value.to_json()? {
        Some(Json::String(_)) => {
            let date = value.scope().global()?.get("Date")?.construct(&[value])?;
            Ok(date.to_json()?.as_ref().and_then(Json::as_i64))
        }
        time => Ok(time.as_ref().and_then(Json::as_i64)),
    }
}

/// The members of an object, or the entries of a `Map`.
pub fn members(value: Value<'_>) -> JsResult<'_, Option<Map<String, Json>>> {
    if !value.is_object() {
        return Ok(None);
    }
    let is_map = value.get("entries")?.is_function() && value.get("size")?.as_number().is_some();
    let plain = if is_map {
        let object = value.scope().global()?.get("Object")?;
        object.get("fromEntries")?.call(object, &[value])?
    } else {
        value
    };
    Ok(match plain.to_json()? {
        Some(Json::Object(members)) => Some(members),
        _ => None,
    })
}

#[async_trait]
impl TokenStore for NodeTokens {
    fn methods(&self) -> StoreMethods {
        self.methods
    }

    fn compares_sets(&self) -> bool {
        !self.ignores_sets.load(Ordering::Relaxed)
    }

    fn ignore_sets(&self) {
        self.ignores_sets.store(true, Ordering::Relaxed);
    }

    async fn find(&self, query: &TokenQuery) -> Result<Option<TokenRow>> {
        if let Some(known) = self.known.lock().remove(&query.kind) {
            return Ok(known);
        }
        let (service, query) = (self.service.clone(), query.clone());
        self.context
            .callback(
                "findToken",
                STORE_TIMEOUT,
                move |context, scope| {
                    service.call(context, scope, "findToken", move |_, scope| {
                        Ok(vec![filter_object(scope, &query)?])
                    })
                },
                |_, value| token_row(value),
            )
            .await
    }

    async fn create(&self, query: &TokenQuery, data: &TokenData) -> Result<()> {
        let (service, query, data) = (self.service.clone(), query.clone(), data.clone());
        self.context
            .callback(
                "createToken",
                STORE_TIMEOUT,
                move |context, scope| {
                    service.call(context, scope, "createToken", move |_, scope| {
                        Ok(vec![data_object(scope, &query, &data)?])
                    })
                },
                |_, _| Ok(()),
            )
            .await
    }

    async fn update(&self, query: &TokenQuery, update: &TokenUpdate) -> Result<bool> {
        let (service, query, update) = (self.service.clone(), query.clone(), update.clone());
        self.context
            .callback(
                "updateToken",
                STORE_TIMEOUT,
                move |context, scope| {
                    service.call(context, scope, "updateToken", move |_, scope| {
                        Ok(vec![
                            filter_object(scope, &query)?,
                            update_object(scope, &query, &update)?,
                        ])
                    })
                },
                // `findOneAndUpdate` answers null where there was nothing; a store that answers nothing has updated.
                |_, value| Ok(value.kind() != Type::Null),
            )
            .await
    }

    async fn delete(&self, query: &TokenQuery) -> Result<bool> {
        let (service, query, method) = (self.service.clone(), query.clone(), self.delete_method);
        self.context
            .callback(
                "deleteTokens",
                STORE_TIMEOUT,
                move |context, scope| {
                    service.call(context, scope, method, move |_, scope| {
                        Ok(vec![filter_object(scope, &query)?])
                    })
                },
                // A store that does not say how many has deleted.
                |_, value| {
                    if !value.is_object() {
                        return Ok(true);
                    }
                    Ok(value.get("deletedCount")?.as_number() != Some(0.0))
                },
            )
            .await
    }
}

/// A member that is a text and not empty.
pub fn given_text<'env>(params: Value<'env>, name: &str) -> JsResult<'env, Option<String>> {
    let text = params.get(name)?.as_string();
    Ok(text.filter(|text| !text.is_empty()))
}
