//! Members of `oauth` beyond those of `LibreChat`'s schemas: how a token is asked for without a user's login, and what
//! proves who asks. They were judged when the config was read.

use std::path::PathBuf;

use indexmap::IndexMap;
use serde_json::{Map, Value};
use url::Url;

use super::client_auth::AuthMethod;
use super::documents::text;
use crate::secret::Secret;

/// What signs assertions that authenticate the client (RFC 7523).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivateKeyJwt {
    /// Where it stands in a config, for errors.
    pub member: &'static str,
    pub key: KeySource,
    /// ES256, PS256, RS256 or `EdDSA`. `None` leaves it to the kind of key.
    pub alg: Option<String>,
    pub kid: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    Pem(Secret),
    /// Read again for each assertion, since keys are rotated.
    File(PathBuf),
    /// The host makes the assertion, with a key that this program does not see.
    Host,
}

/// Who turns users' ID tokens into assertions that the server's authorization server takes (SEP-990).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityProvider {
    pub issuer: Option<String>,
    pub token_url: Option<String>,
    pub client_id: Option<String>,
    pub client_secret: Option<Secret>,
    pub private_key_jwt: Option<PrivateKeyJwt>,
    pub forced_auth_method: Option<AuthMethod>,
}

/// Where a workload's assertion comes from (SEP-1933).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum AssertionSource {
    /// One that the platform writes and rotates.
    File(PathBuf),
    /// The platform's metadata service.
    Metadata {
        url: Url,
        headers: IndexMap<String, String>,
    },
    #[default]
    Host,
}

impl PrivateKeyJwt {
    /// Of `oauth`, or of its `identity_provider`; `member` says which.
    pub(super) fn of(members: &Map<String, Value>, member: &'static str) -> Option<Self> {
        let members = members.get("private_key_jwt")?.as_object()?;
        let owned = |name| text(members, name).map(str::to_owned);
        let key = owned("key").map(|pem| KeySource::Pem(Secret::new(pem)));
        let file = || owned("key_file").map(|path| KeySource::File(path.into()));
        Some(Self {
            member,
            key: key.or_else(file).unwrap_or(KeySource::Host),
            alg: owned("alg"),
            kid: owned("kid"),
        })
    }
}

impl IdentityProvider {
    pub(super) fn of(oauth: &Map<String, Value>) -> Option<Self> {
        let members = oauth.get("identity_provider")?.as_object()?;
        let owned = |name| text(members, name).map(str::to_owned);
        Some(Self {
            issuer: owned("issuer"),
            token_url: owned("token_url"),
            client_id: owned("client_id"),
            client_secret: owned("client_secret").map(Secret::new),
            private_key_jwt: PrivateKeyJwt::of(members, "oauth.identity_provider.private_key_jwt"),
            forced_auth_method: AuthMethod::forced(text(members, "token_exchange_method")),
        })
    }
}

impl AssertionSource {
    pub(super) fn of(oauth: &Map<String, Value>) -> Self {
        let Some(Value::Object(members)) = oauth.get("assertion") else {
            return Self::Host;
        };
        if let Some(path) = text(members, "file") {
            return Self::File(path.into());
        }
        let url = text(members, "metadata_url").and_then(|url| Url::parse(url).ok());
        let headers = members.get("metadata_headers").and_then(Value::as_object);
        let headers = headers.into_iter().flatten().filter_map(|(name, value)| {
            let value = value.as_str()?;
            Some((name.clone(), value.to_owned()))
        });
        url.map_or(Self::Host, |url| Self::Metadata {
            url,
            headers: headers.collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::options::OAuthOptions;
    use super::*;

    #[test]
    fn keys_and_where_assertions_come_from() {
        let options = |value: Value| OAuthOptions::new(value.as_object());
        let key = |value: Value| options(json!({ "private_key_jwt": value })).private_key_jwt;
        let file = key(json!({ "key_file": "/key.pem", "kid": "1" })).unwrap();
        assert_eq!(file.key, KeySource::File("/key.pem".into()));
        assert_eq!(file.kid.as_deref(), Some("1"));
        assert_eq!(key(json!({})).unwrap().key, KeySource::Host);
        let pem = key(json!({ "key": "pem", "alg": "ES256" })).unwrap();
        assert_eq!(pem.key, KeySource::Pem(Secret::from("pem")));
        assert!(!format!("{pem:?}").contains("pem"));

        let assertion = |value: Value| options(json!({ "assertion": value })).assertion;
        assert_eq!(assertion(json!(null)), AssertionSource::Host);
        assert_eq!(
            assertion(json!({ "file": "/t" })),
            AssertionSource::File("/t".into())
        );
        let metadata = json!({ "metadata_url": "http://m.test/t", "metadata_headers": { "Metadata": "true" } });
        assert!(matches!(
            assertion(metadata),
            AssertionSource::Metadata { url, headers } if url.path() == "/t" && headers["Metadata"] == "true"
        ));
        let provider = json!({ "client_id": "i", "issuer": "https://idp", "private_key_jwt": {} });
        let provider = options(json!({ "identity_provider": provider })).identity_provider;
        assert_eq!(
            provider.unwrap().private_key_jwt.unwrap().key,
            KeySource::Host
        );
    }
}
