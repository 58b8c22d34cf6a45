//! The user of a call.

use indexmap::IndexMap;

use crate::secret::Secret;

/// The fields of a user that the core may read; the caller's own object stays with the host.
#[derive(Debug, Clone, Default)]
pub struct User {
    /// LibreChat's user id; absent for calls without a user.
    pub id: Option<String>,
    /// Present fields that placeholders may name (`name`, `email`, `role`, …), in their text form.
    pub fields: IndexMap<String, String>,
    pub federated_tokens: Option<OpenIdTokens>,
    pub openid_tokens: Option<OpenIdTokens>,
}

impl User {
    /// Who the user is at the identity provider; absent for users who did not sign in there.
    #[must_use]
    pub fn openid_id(&self) -> Option<&str> {
        let id = self.fields.get("openidId")?.as_str();
        (!id.is_empty()).then_some(id)
    }
}

/// Tokens of the user's OpenID login (LibreChat's `OIDCTokens`).
#[derive(Debug, Clone, Default)]
pub struct OpenIdTokens {
    pub access_token: Option<Secret>,
    pub id_token: Option<Secret>,
    /// Seconds since the epoch.
    pub expires_at: Option<i64>,
}
