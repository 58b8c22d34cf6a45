//! What is known of a user's `OpenID` login (`LibreChat`'s `extractOpenIDTokenInfo`).

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

use super::text::js_string;
use crate::secret::Secret;
use crate::user::{OpenIdTokens, User};

/// As forgiving as Node's `Buffer`: some providers pad their tokens.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A user's `OpenID` tokens, and who the provider says the user is.
#[derive(Debug, Clone, Default)]
pub struct OpenIdTokenInfo {
    pub access_token: Option<Secret>,
    pub id_token: Option<Secret>,
    /// Seconds since the epoch.
    pub expires_at: Option<i64>,
    pub user_id: Option<String>,
    pub user_email: Option<String>,
    pub user_name: Option<String>,
}

impl OpenIdTokenInfo {
    /// `None` where the user did not log in through `OpenID`. The claims of a readable ID token, its expiry included,
    /// count more than what is stored with the user.
    #[must_use]
    pub fn of(user: &User) -> Option<Self> {
        let field = |name: &str| user.fields.get(name).filter(|value| !value.is_empty());
        let openid_id = field("openidId");
        if openid_id.is_none() && field("provider").is_none_or(|provider| provider != "openid") {
            return None;
        }

        let tokens = [&user.federated_tokens, &user.openid_tokens]
            .into_iter()
            .flatten()
            .find(|tokens| is_present(tokens))
            .cloned()
            .unwrap_or_default();
        let mut info = Self {
            access_token: tokens.access_token.filter(is_filled),
            id_token: tokens.id_token.filter(is_filled),
            expires_at: tokens.expires_at.filter(|seconds| *seconds != 0),
            user_id: openid_id.or(user.id.as_ref()).cloned(),
            user_email: field("email").cloned(),
            user_name: field("name").or_else(|| field("username")).cloned(),
        };
        if let Some(claims) = info.id_token.as_ref().and_then(claims) {
            info.apply(&claims);
        }
        Some(info)
    }

    /// What the login session says. Its `expires_at` is that of the access token, whatever an ID token claims.
    #[must_use]
    pub fn of_session(tokens: OpenIdTokens) -> Self {
        Self {
            access_token: tokens.access_token.filter(is_filled),
            id_token: tokens.id_token.filter(is_filled),
            expires_at: tokens.expires_at.filter(|seconds| *seconds != 0),
            ..Self::default()
        }
    }

    /// Whether there is an access token that has not expired yet.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.access_token.is_some() && self.expires_at.is_none_or(is_ahead)
    }

    /// The ID token, unless it says itself that it has expired.
    #[must_use]
    pub fn valid_id_token(&self) -> Option<&Secret> {
        let token = self.id_token.as_ref()?;
        let expiry = claims(token).and_then(|claims| claims.get("exp").and_then(seconds));
        expiry.is_none_or(is_ahead).then_some(token)
    }

    fn apply(&mut self, claims: &Map<String, Value>) {
        let text = |name: &str| match claims.get(name)? {
            Value::String(text) if text.is_empty() => None,
            value @ (Value::String(_) | Value::Number(_)) => Some(js_string(value)),
            _ => None,
        };
        if let Some(subject) = text("sub") {
            self.user_id = Some(subject);
        }
        if let Some(email) = text("email") {
            self.user_email = Some(email);
        }
        if let Some(name) = text("name") {
            self.user_name = Some(name);
        }
        if let Some(expiry) = claims.get("exp").and_then(seconds) {
            self.expires_at = Some(expiry);
        }
    }

    /// The value of `{{LIBRECHAT_OPENID_<name>}}`; unknown names have none.
    pub(super) fn placeholder(&self, name: &str) -> Option<String> {
        let secret = |token: &Option<Secret>| token.as_ref().map(Secret::expose).cloned();
        let value = match name {
            "TOKEN" | "ACCESS_TOKEN" => secret(&self.access_token),
            "ID_TOKEN" => secret(&self.id_token),
            "USER_ID" => self.user_id.clone(),
            "USER_EMAIL" => self.user_email.clone(),
            "USER_NAME" => self.user_name.clone(),
            "EXPIRES_AT" => self.expires_at.map(|seconds| seconds.to_string()),
            _ => return None,
        };
        Some(value.unwrap_or_default())
    }
}

/// Whether a time, in seconds since the epoch, is yet to come.
fn is_ahead(seconds: i64) -> bool {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = elapsed.map_or(0, |elapsed| elapsed.as_secs());
    i64::try_from(now).is_ok_and(|now| now < seconds)
}

fn is_present(tokens: &OpenIdTokens) -> bool {
    tokens.access_token.is_some() || tokens.id_token.is_some() || tokens.expires_at.is_some()
}

fn is_filled(token: &Secret) -> bool {
    !token.expose().is_empty()
}

/// The claims of a JWT, unverified: `LibreChat` verified the token when the user logged in.
fn claims(token: &Secret) -> Option<Map<String, Value>> {
    let payload = token.expose().split('.').nth(1)?;
    let payload = payload.replace('+', "-").replace('/', "_");
    let bytes = BASE64.decode(payload).ok()?;
    serde_json::from_slice(&bytes).ok()
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "the cast saturates, far outside of any time that matters"
)]
fn seconds(value: &Value) -> Option<i64> {
    value
        .as_i64()
        .or_else(|| value.as_f64().map(|seconds| seconds.ceil() as i64))
        .filter(|seconds| *seconds != 0)
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use serde_json::json;

    use super::*;

    const FUTURE: i64 = 4_102_444_800;

    fn user(fields: &[(&str, &str)]) -> User {
        User {
            id: Some("user-1".to_owned()),
            fields: fields
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..User::default()
        }
    }

    fn access(token: &str) -> OpenIdTokens {
        OpenIdTokens {
            access_token: Some(Secret::from(token)),
            ..OpenIdTokens::default()
        }
    }

    #[test]
    fn only_openid_users() {
        assert!(OpenIdTokenInfo::of(&user(&[("provider", "local")])).is_none());
        assert!(OpenIdTokenInfo::of(&user(&[("provider", "openid")])).is_some());
        assert!(OpenIdTokenInfo::of(&user(&[("openidId", "sub")])).is_some());
    }

    #[test]
    fn id_tokens_say_when_they_expire() {
        let id_token = |claims: Option<Value>| {
            let payload = claims.map(|claims| URL_SAFE_NO_PAD.encode(claims.to_string()));
            let token = payload.map_or_else(|| "opaque".to_owned(), |it| format!("h.{it}.s"));
            let info = OpenIdTokenInfo::of_session(OpenIdTokens {
                id_token: Some(Secret::new(token)),
                // The access token's.
                expires_at: Some(1),
                ..OpenIdTokens::default()
            });
            info.valid_id_token().is_some()
        };
        assert!(id_token(Some(json!({ "exp": FUTURE }))));
        assert!(!id_token(Some(json!({ "exp": 1 }))));
        assert!(id_token(Some(json!({}))));
        assert!(id_token(None));
        let none = OpenIdTokenInfo::of_session(access("token"));
        assert!(none.valid_id_token().is_none());
    }

    #[test]
    fn federated_tokens_come_first() {
        let mut user = user(&[("provider", "openid")]);
        user.openid_tokens = Some(access("openid"));
        assert_eq!(token(&user), Some("openid".to_owned()));
        user.federated_tokens = Some(OpenIdTokens::default());
        assert_eq!(
            token(&user),
            Some("openid".to_owned()),
            "empty ones do not count"
        );
        user.federated_tokens = Some(access("federated"));
        assert_eq!(token(&user), Some("federated".to_owned()));
    }

    fn token(user: &User) -> Option<String> {
        OpenIdTokenInfo::of(user)?.placeholder("TOKEN")
    }

    #[test]
    fn claims_win() {
        let payload = json!({ "sub": "s", "email": "e@x", "name": "Näme?~", "exp": FUTURE });
        let payload = payload.to_string();
        for encoded in [STANDARD.encode(&payload), URL_SAFE_NO_PAD.encode(&payload)] {
            let mut user = user(&[("openidId", "o"), ("email", "old"), ("username", "u")]);
            user.federated_tokens = Some(OpenIdTokens {
                access_token: Some(Secret::from("a")),
                id_token: Some(Secret::new(format!("h.{encoded}.s"))),
                expires_at: Some(1),
            });
            let info = OpenIdTokenInfo::of(&user).unwrap();
            assert!(info.is_valid());
            for (name, expected) in [
                ("ACCESS_TOKEN", "a"),
                ("USER_ID", "s"),
                ("USER_EMAIL", "e@x"),
                ("USER_NAME", "Näme?~"),
                ("EXPIRES_AT", "4102444800"),
            ] {
                assert_eq!(info.placeholder(name).as_deref(), Some(expected), "{name}");
            }
            assert_eq!(info.placeholder("OTHER"), None);
        }
    }

    #[test]
    fn unreadable_claims_are_skipped() {
        let mut user = user(&[("openidId", "o"), ("username", "u")]);
        for id_token in ["x", "a.b", "a.bnVsbA.c", "..", "a.é.c"] {
            user.federated_tokens = Some(OpenIdTokens {
                access_token: Some(Secret::from("a")),
                id_token: Some(Secret::from(id_token)),
                expires_at: Some(FUTURE),
            });
            let info = OpenIdTokenInfo::of(&user).unwrap();
            assert!(info.is_valid());
            assert_eq!(info.user_id.as_deref(), Some("o"));
            assert_eq!(info.user_name.as_deref(), Some("u"));
        }
    }

    #[test]
    fn validity() {
        let info = |token: Option<&str>, expires_at| OpenIdTokenInfo {
            access_token: token.map(Secret::from),
            expires_at,
            ..OpenIdTokenInfo::default()
        };
        assert!(info(Some("a"), None).is_valid());
        assert!(info(Some("a"), Some(FUTURE)).is_valid());
        assert!(!info(Some("a"), Some(1)).is_valid());
        assert!(!info(None, Some(FUTURE)).is_valid());
    }

    #[test]
    fn never_printed() {
        let mut user = user(&[("provider", "openid")]);
        user.federated_tokens = Some(access("hunter2"));
        assert!(!format!("{:?}", OpenIdTokenInfo::of(&user)).contains("hunter2"));
    }
}
