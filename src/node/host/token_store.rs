//! Stored tokens over JavaScript callbacks.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::error::Result;
use crate::host::{
    CredentialSet, Expiry, StoreMethods, TokenData, TokenQuery, TokenRow, TokenStore, TokenUpdate,
};
use crate::node::engine::{JsResult, Scope, Type, Value};
use crate::node::marshal::callback::{Callback, STORE_TIMEOUT};
use crate::node::marshal::callee::{Callee, Service};
use crate::node::marshal::context::CallContext;
use crate::node::marshal::convert::{members, time};
use crate::node::marshal::to_js::{ToJs, WithMembers};
use crate::secret::Secret;

const FIND_TOKEN: Callback<(TokenQuery,), Option<TokenRow>> =
    Callback::reading("findToken", STORE_TIMEOUT, |_, row| token_row(row));
const CREATE_TOKEN: Callback<(NewRow,), ()> = Callback::new("createToken", STORE_TIMEOUT);
/// `findOneAndUpdate` answers null where there was nothing; a store that answers nothing has updated.
const UPDATE_TOKEN: Callback<(TokenQuery, NewRow), bool> =
    Callback::reading("updateToken", STORE_TIMEOUT, |_, row| {
        Ok(row.kind() != Type::Null)
    });
/// A store that does not say how many has deleted.
const DELETE_TOKENS: Callback<(TokenQuery,), bool> =
    Callback::reading("deleteTokens", STORE_TIMEOUT, |_, answer| {
        Ok(!answer.is_object() || answer.get("deletedCount")?.as_number() != Some(0.0))
    });

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

impl<'env> ToJs<'env> for CredentialSet {
    fn to_js(&self, scope: Scope<'env>) -> JsResult<'env> {
        match self {
            Self::None => Ok(scope.null()),
            Self::Id(id) => scope.string(id),
        }
    }
}

/// What a row has to be.
impl<'env> ToJs<'env> for TokenQuery {
    fn to_js(&self, scope: Scope<'env>) -> JsResult<'env> {
        scope
            .object()?
            .with("userId", &self.user_id)?
            .with("type", &self.kind)?
            .with("identifier", &self.identifier)?
            .optional("token", self.token.as_ref())?
            .optional("metadataCredentialSetId", self.credential_set.as_ref())
    }
}

/// What a row is to become.
struct NewRow {
    query: TokenQuery,
    update: TokenUpdate,
}

impl<'env> ToJs<'env> for NewRow {
    fn to_js(&self, scope: Scope<'env>) -> JsResult<'env> {
        let Self { query, update } = self;
        let (expires_in, expires_at) = match update.expiry {
            None => (None, None),
            Some(Expiry::In(seconds)) => (Some(seconds), None),
            Some(Expiry::At(time)) => (None, Some(Date(time))),
        };
        scope
            .object()?
            .with("userId", &query.user_id)?
            .with("type", &query.kind)?
            .with("identifier", &query.identifier)?
            .optional("token", update.token.as_ref())?
            .optional("expiresIn", expires_in)?
            .optional("expiresAt", expires_at)?
            .optional("metadata", update.metadata.as_ref())
    }
}

/// Milliseconds since the epoch.
struct Date(i64);

impl<'env> ToJs<'env> for Date {
    fn to_js(&self, scope: Scope<'env>) -> JsResult<'env> {
        let date = scope.global()?.get("Date")?;
        date.construct(&[scope.milliseconds(self.0)?])
    }
}

/// A row as mongoose returns it: lean or not, with `Date`s or their text, with a `Map` or a plain object.
pub fn token_row(value: Value<'_>) -> JsResult<'_, Option<TokenRow>> {
    if !value.is_object() {
        return Ok(None);
    }
    let token = value.get("token")?.as_string().unwrap_or_default();
    Ok(Some(TokenRow {
        token: Secret::new(token),
        expires_at: time(value.get("expiresAt")?)?,
        created_at: time(value.get("createdAt")?)?,
        metadata: members(value.get("metadata")?)?,
    }))
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
        let query = (query.clone(),);
        FIND_TOKEN.call(&self.context, &self.service, query).await
    }

    async fn create(&self, query: &TokenQuery, data: &TokenData) -> Result<()> {
        let row = NewRow {
            query: query.clone(),
            update: TokenUpdate {
                token: Some(data.token.clone()),
                expiry: Some(Expiry::In(data.expires_in)),
                metadata: data.metadata.clone(),
            },
        };
        CREATE_TOKEN
            .call(&self.context, &self.service, (row,))
            .await
    }

    async fn update(&self, query: &TokenQuery, update: &TokenUpdate) -> Result<bool> {
        let row = NewRow {
            query: query.clone(),
            update: update.clone(),
        };
        UPDATE_TOKEN
            .call(&self.context, &self.service, (query.clone(), row))
            .await
    }

    async fn delete(&self, query: &TokenQuery) -> Result<bool> {
        let method = Callee::Method(self.service.clone(), self.delete_method);
        DELETE_TOKENS
            .call(&self.context, method, (query.clone(),))
            .await
    }
}
