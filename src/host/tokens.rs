//! Stored tokens, and the key that they are encrypted with.

use async_trait::async_trait;
use serde_json::{Map, Value};

use crate::error::Result;
use crate::secret::Secret;

/// Names one row of LibreChat's token collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenQuery {
    pub user_id: String,
    /// `mcp_oauth`, `mcp_oauth_refresh`, `mcp_oauth_client` or `mcp_oauth_dpop`; the member is called `type` in the collection.
    pub kind: String,
    /// `mcp:<server>`, with `:refresh`, `:client` or `:dpop` behind it.
    pub identifier: String,
    /// Only where the row has this encrypted text.
    pub token: Option<Secret>,
    /// Only where the row is of this credential set (`metadataCredentialSetId`).
    pub credential_set: Option<CredentialSet>,
}

/// Which login or refresh a row came from: its `metadata.credential_set_id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialSet {
    /// Rows of a LibreChat that knows of no such ids.
    None,
    Id(String),
}

/// The member of a row's metadata, and of tokens, that says which credential set they are of.
pub const CREDENTIAL_SET_ID: &str = "credential_set_id";

/// A row as it is stored; `token` is encrypted.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenRow {
    pub token: Secret,
    /// Milliseconds since the epoch.
    pub expires_at: Option<i64>,
    /// Milliseconds since the epoch.
    pub created_at: Option<i64>,
    pub metadata: Option<Map<String, Value>>,
}

impl TokenRow {
    #[must_use]
    pub fn credential_set_id(&self) -> Option<&str> {
        let id = self.metadata.as_ref()?.get(CREDENTIAL_SET_ID)?.as_str()?;
        (!id.is_empty()).then_some(id)
    }
}

/// What a row is created from.
#[derive(Debug, Clone)]
pub struct TokenData {
    pub token: Secret,
    /// Seconds.
    pub expires_in: i64,
    pub metadata: Option<Map<String, Value>>,
}

/// What a row is updated with; `None` leaves what is there.
#[derive(Debug, Clone, Default)]
pub struct TokenUpdate {
    pub token: Option<Secret>,
    pub expiry: Option<Expiry>,
    /// Takes the place of the row's.
    pub metadata: Option<Map<String, Value>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// Seconds from now.
    In(i64),
    /// Milliseconds since the epoch.
    At(i64),
}

/// Which token methods there are; callers of `MCPTokenStorage`'s functions may leave some out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreMethods {
    pub create: bool,
    /// `findToken` and `updateToken`: without both, rows are only ever created.
    pub update: bool,
    pub delete: bool,
}

/// LibreChat's token methods: `findToken`, `createToken`, `updateToken`, `deleteTokens`.
#[async_trait]
pub trait TokenStore: Send + Sync {
    /// Whether it is this library's own: what cannot be read there cannot be written either, and a user who is asked
    /// to authorize would do so in vain.
    fn is_own(&self) -> bool {
        false
    }
    fn methods(&self) -> StoreMethods {
        StoreMethods {
            create: true,
            update: true,
            delete: true,
        }
    }
    /// Whether it understands [`TokenQuery::credential_set`]. LibreChat's methods do since August 2026; older ones may
    /// find no row at all then.
    fn compares_sets(&self) -> bool {
        true
    }
    /// It was seen not to: [`Self::compares_sets`] is false from now on.
    fn ignore_sets(&self) {}
    async fn find(&self, query: &TokenQuery) -> Result<Option<TokenRow>>;
    async fn create(&self, query: &TokenQuery, data: &TokenData) -> Result<()>;
    /// Whether there was a row to update.
    async fn update(&self, query: &TokenQuery, data: &TokenUpdate) -> Result<bool>;
    /// Whether there was a row to delete.
    async fn delete(&self, query: &TokenQuery) -> Result<bool>;
}

/// The key of stored tokens, in hex. Asked for when tokens are stored or read, never before.
pub trait CredentialsKey: Send + Sync {
    fn key(&self) -> Result<Option<Secret>>;
}

impl CredentialsKey for Option<Secret> {
    fn key(&self) -> Result<Option<Secret>> {
        Ok(self.clone())
    }
}
