//! What was stored: an access token, a client, what can be refreshed with.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::clock::now_ms;
use crate::dpop::{Prover, SCHEME};
use crate::host::{CREDENTIAL_SET_ID, TokenRow};
use crate::oauth::documents::{ClientInfo, Tokens, text};
use crate::secret::Secret;

/// The member of a client's metadata that says which credential set a server has refused.
pub(super) const REJECTED_SET_ID: &str = "rejected_credential_set_id";

/// An access token as it was stored.
#[derive(Debug, Clone)]
pub struct StoredAccess {
    pub token: Secret,
    /// Milliseconds since the epoch.
    pub expires_at: Option<i64>,
    /// Milliseconds since the epoch.
    pub created_at: Option<i64>,
    pub credential_set_id: Option<String>,
    /// Of a token that is bound to a key (RFC 9449).
    pub prover: Option<Prover>,
}

impl StoredAccess {
    /// As tokens: `LibreChat`'s `MCPOAuthTokens`, without the refresh token.
    #[must_use]
    pub fn to_tokens(&self) -> Tokens {
        let mut members = Map::new();
        let mut set = |name: &str, value: Value| members.insert(name.to_owned(), value);
        set("access_token", json!(self.token.expose()));
        let kind = self.prover.as_ref().map_or("Bearer", |_| SCHEME);
        set("token_type", json!(kind));
        set("obtained_at", json!(self.created_at.unwrap_or_else(now_ms)));
        if let Some(expires_at) = self.expires_at {
            set("expires_at", json!(expires_at));
        }
        if let Some(id) = &self.credential_set_id {
            set(CREDENTIAL_SET_ID, json!(id));
        }
        Tokens(members)
    }

    /// Whether the token will have expired `margin` from now.
    #[must_use]
    pub fn expires_within(&self, margin: Duration) -> bool {
        let margin = i64::try_from(margin.as_millis()).unwrap_or(i64::MAX);
        self.expires_at
            .is_some_and(|end| end <= now_ms().saturating_add(margin))
    }
}

/// A client registration as it was stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredClient {
    pub client: ClientInfo,
    /// Metadata of the authorization server it is for.
    pub metadata: Map<String, Value>,
}

impl StoredClient {
    #[must_use]
    pub fn credential_set_id(&self) -> Option<&str> {
        text(&self.metadata, CREDENTIAL_SET_ID)
    }
}

/// A refresh token, whose it is, and the rows that say so.
pub struct Grant {
    pub refresh_token: Secret,
    /// `None` where no row says it.
    pub client: Option<StoredClient>,
    pub(super) refresh_row: TokenRow,
    pub(super) client_row: Option<TokenRow>,
}

impl Grant {
    /// The credential set that is refreshed; `None` for rows of older `LibreChat`s.
    #[must_use]
    pub fn credential_set_id(&self) -> Option<&str> {
        self.refresh_row.credential_set_id()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiry_with_a_margin() {
        let row = |expires_at| StoredAccess {
            token: Secret::from("t"),
            expires_at,
            created_at: None,
            credential_set_id: None,
            prover: None,
        };
        let margin = Duration::from_secs(30);
        assert!(!row(None).expires_within(margin));
        assert!(!row(Some(now_ms() + 40_000)).expires_within(margin));
        assert!(row(Some(now_ms() + 20_000)).expires_within(margin));
        assert!(row(Some(now_ms() - 1)).expires_within(Duration::ZERO));
    }
}
