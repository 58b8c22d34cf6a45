//! The JSON documents of OAuth, kept whole: members that are not known here reach `LibreChat`'s code and come back
//! unchanged. `Debug` shows none of their values.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::clock::now_ms;
use crate::error::{Code, Error, Result};
use crate::host::CREDENTIAL_SET_ID;
use crate::secret::Secret;

/// The member of a flow's tokens that says under which generation they were published.
pub(super) const GENERATION: &str = "publication_generation";

macro_rules! document {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq)]
        pub struct $name(pub Map<String, Value>);

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                let members: Vec<_> = self.0.keys().collect();
                formatter.debug_tuple(stringify!($name)).field(&members).finish()
            }
        }
    };
}

document! {
    /// Authorization server metadata (RFC 8414, `OpenID` Connect Discovery), or what stands for it.
    ServerMetadata
}
document! {
    /// Protected resource metadata (RFC 9728).
    ResourceMetadata
}
document! {
    /// A client as it is registered (RFC 7591) or configured; stored as JSON.
    ClientInfo
}
document! {
    /// A token response (RFC 6749, section 5.1) with `obtained_at` and `expires_at` in milliseconds since the epoch:
    /// `LibreChat`'s `MCPOAuthTokens`.
    Tokens
}

/// A member that is a text and not empty.
pub(super) fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    members
        .get(name)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
}

/// A member that is a list; elements that are no texts are left out.
pub fn texts<'a>(members: &'a Map<String, Value>, name: &str) -> Option<Vec<&'a str>> {
    let items = members.get(name)?.as_array()?;
    Some(items.iter().filter_map(Value::as_str).collect())
}

/// A member that is a number, or a number in quotes, as some providers send it.
pub(super) fn number(members: &Map<String, Value>, name: &str) -> Option<i64> {
    let value = members.get(name)?;
    #[expect(clippy::cast_possible_truncation, reason = "seconds, or milliseconds")]
    let whole = |number: f64| number.is_finite().then_some(number as i64);
    value
        .as_i64()
        .or_else(|| value.as_f64().and_then(whole))
        .or_else(|| value.as_str()?.trim().parse().ok())
}

impl ServerMetadata {
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        text(&self.0, name)
    }

    #[must_use]
    pub fn texts(&self, name: &str) -> Option<Vec<&str>> {
        texts(&self.0, name)
    }

    /// The same, to be kept.
    #[must_use]
    pub fn list(&self, name: &str) -> Option<Vec<String>> {
        let texts = self.texts(name)?;
        Some(texts.into_iter().map(str::to_owned).collect())
    }

    /// Algorithms of clients' assertions that it takes at its token endpoint, where it says so.
    #[must_use]
    pub fn signing_algs(&self) -> Option<Vec<String>> {
        self.list("token_endpoint_auth_signing_alg_values_supported")
    }

    /// Whether it takes refresh tokens, as far as it says which grants it takes: Auth0 and Entra do not.
    pub(super) fn refreshes(&self) -> bool {
        self.texts("grant_types_supported")
            .is_none_or(|grants| grants.contains(&"refresh_token"))
    }

    /// A required endpoint.
    pub(super) fn endpoint(&self, name: &str) -> Result<&str> {
        self.text(name).ok_or_else(|| {
            Error::new(
                Code::OAuthDiscoveryFailed,
                format!("The authorization server's metadata has no {name}"),
            )
        })
    }
}

impl ResourceMetadata {
    #[must_use]
    pub fn resource(&self) -> Option<&str> {
        text(&self.0, "resource")
    }

    #[must_use]
    pub fn authorization_server(&self) -> Option<&str> {
        texts(&self.0, "authorization_servers")?.first().copied()
    }

    #[must_use]
    pub fn scopes(&self) -> Option<String> {
        texts(&self.0, "scopes_supported").map(|scopes| scopes.join(" "))
    }
}

impl ClientInfo {
    /// `None` without a `client_id`.
    #[must_use]
    pub fn new(members: Map<String, Value>) -> Option<Self> {
        text(&members, "client_id")?;
        Some(Self(members))
    }

    #[must_use]
    pub fn id(&self) -> &str {
        text(&self.0, "client_id").unwrap_or_default()
    }

    #[must_use]
    pub fn secret(&self) -> Option<Secret> {
        text(&self.0, "client_secret").map(Secret::from)
    }

    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        text(&self.0, "scope")
    }

    #[must_use]
    pub fn auth_method(&self) -> Option<&str> {
        text(&self.0, "token_endpoint_auth_method")
    }

    #[must_use]
    pub fn redirect_uri(&self) -> Option<&str> {
        texts(&self.0, "redirect_uris")?.first().copied()
    }

    /// Whether the registration said that the secret ends, and it has (RFC 7591, section 3.2.1; 0 is never).
    #[must_use]
    pub fn secret_expired(&self) -> bool {
        number(&self.0, "client_secret_expires_at")
            .is_some_and(|seconds| seconds > 0 && seconds.saturating_mul(1000) <= now_ms())
    }
}

impl Tokens {
    /// A response of a token endpoint that was just received.
    ///
    /// Fails with `code` when there is no access token in it.
    pub fn from_response(mut members: Map<String, Value>, code: Code) -> Result<Self> {
        if text(&members, "access_token").is_none() {
            return Err(Error::new(
                code,
                "The token endpoint answered without an access token",
            ));
        }
        // Ours to say, and not the provider's.
        members.shift_remove(CREDENTIAL_SET_ID);
        members.shift_remove(GENERATION);
        let now = now_ms();
        members.insert("obtained_at".to_owned(), json!(now));
        match number(&members, "expires_in").filter(|seconds| *seconds > 0) {
            Some(seconds) => {
                let expires_at = now.saturating_add(seconds.saturating_mul(1000));
                members.insert("expires_in".to_owned(), json!(seconds));
                members.insert("expires_at".to_owned(), json!(expires_at));
            }
            // Only `expires_in` is the standard's; what else a provider calls `expires_at` may be in any unit.
            None => {
                members.shift_remove("expires_at");
            }
        }
        Ok(Self(members))
    }

    /// Tokens that somebody else made, such as the result of a flow.
    #[must_use]
    pub fn from_value(value: &Value) -> Option<Self> {
        let members = value.as_object()?;
        text(members, "access_token")?;
        Some(Self(members.clone()))
    }

    #[must_use]
    pub fn access_token(&self) -> Secret {
        text(&self.0, "access_token").map_or_else(Secret::default, Secret::from)
    }

    /// The credential set that they are stored as.
    #[must_use]
    pub fn credential_set_id(&self) -> Option<&str> {
        text(&self.0, CREDENTIAL_SET_ID)
    }

    #[must_use]
    pub fn refresh_token(&self) -> Option<Secret> {
        text(&self.0, "refresh_token").map(Secret::from)
    }

    /// Milliseconds since the epoch. A value below 10¹⁰ is in seconds, as `LibreChat` reads it.
    #[must_use]
    pub fn expires_at(&self) -> Option<i64> {
        let time = number(&self.0, "expires_at").filter(|time| *time > 0)?;
        Some(if time < 10_000_000_000 {
            time.saturating_mul(1000)
        } else {
            time
        })
    }

    pub(super) fn number(&self, name: &str) -> Option<i64> {
        number(&self.0, name)
    }

    #[must_use]
    pub fn into_value(self) -> Value {
        Value::Object(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn token_responses() {
        let tokens = Tokens::from_response(
            members(&json!({ "access_token": "a", "expires_in": "100", "expires_at": 7, "id_token": "i" })),
            Code::OAuthRefreshFailed,
        )
        .unwrap();
        let left = tokens.expires_at().unwrap() - now_ms();
        assert!((99_000..=100_000).contains(&left), "{left}");
        assert_eq!(tokens.0["id_token"], "i");
        assert_eq!(tokens.0["expires_in"], 100);

        let endless = members(&json!({ "access_token": "a", "expires_at": 7 }));
        let tokens = Tokens::from_response(endless, Code::OAuthRefreshFailed).unwrap();
        assert_eq!(tokens.expires_at(), None);

        let error = members(&json!({ "access_token": "" }));
        assert!(Tokens::from_response(error, Code::OAuthRefreshFailed).is_err());
        let in_seconds = json!({ "access_token": "a", "expires_at": 2_000_000_000 });
        let tokens = Tokens::from_value(&in_seconds).unwrap();
        assert_eq!(tokens.expires_at(), Some(2_000_000_000_000));
    }

    #[test]
    fn values_are_not_printed() {
        let tokens = Tokens(members(&json!({ "access_token": "hunter2" })));
        assert_eq!(format!("{tokens:?}"), r#"Tokens(["access_token"])"#);
    }

    #[test]
    fn expired_secrets() {
        for (end, expired) in [(json!(0), false), (json!(1), true), (json!(null), false)] {
            let client = json!({ "client_id": "c", "client_secret_expires_at": end });
            let client = ClientInfo::new(members(&client)).unwrap();
            assert_eq!(client.secret_expired(), expired);
        }
    }
}
