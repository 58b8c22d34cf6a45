//! What an exchanged token belongs to.

use std::collections::BTreeSet;
use std::fmt;

use ring::digest::{SHA256, digest};

use crate::digest::{Digest, Parts};
use crate::hex;
use crate::host::{Identity, OpenIdClient};
use crate::secret::Secret;

/// Ours among whatever else a shared cache holds.
const NAMESPACE: &str = "librechat-mcp-native:obo:v1";

/// A digest over everything that tells one exchanged token from another.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CacheKey(Digest);

/// Everything that tells one exchanged token from another.
pub(super) struct Subject<'a> {
    pub client: &'a OpenIdClient,
    pub tenant: Option<&'a str>,
    pub user: &'a str,
    pub scopes: &'a str,
    pub assertion: &'a Secret,
    /// Whose login it is, where the host says so beside the user.
    pub identity: Option<&'a Identity>,
}

impl CacheKey {
    pub(super) fn new(subject: &Subject<'_>) -> Self {
        let client = subject.client;
        let issuer = client.issuer.as_deref().unwrap_or(&client.token_endpoint);
        let scopes: BTreeSet<&str> = subject.scopes.split_whitespace().collect();
        let assertion = digest(&SHA256, subject.assertion.expose().as_bytes());

        let mut parts = Parts::of(NAMESPACE);
        add_identity(&mut parts, subject.identity);
        parts.add(issuer);
        parts.add(subject.tenant.unwrap_or_default());
        parts.add(&client.client_id);
        parts.add(subject.user);
        parts.add(assertion);
        for scope in scopes {
            parts.add(scope);
        }
        Self(parts.digest())
    }

    /// Of another kind of exchange, whose name is the first part.
    #[must_use]
    pub fn of(parts: Parts) -> Self {
        Self(parts.digest())
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Whose login it is, where the host says so beside the user.
pub fn add_identity(parts: &mut Parts, identity: Option<&Identity>) {
    let Some(identity) = identity else {
        return;
    };
    parts.add("identity");
    for text in [
        &identity.app_user_id,
        &identity.openid_subject,
        &identity.tenant_id,
        &identity.openid_issuer,
    ] {
        parts.add(text.as_deref().unwrap_or_default());
    }
}

/// The key in the shared cache.
impl fmt::Display for CacheKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{NAMESPACE}:{}", hex::encode(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::ClientAuth;

    fn client(issuer: Option<&str>, client_id: &str) -> OpenIdClient {
        OpenIdClient {
            issuer: issuer.map(str::to_owned),
            token_endpoint: "https://idp/token".to_owned(),
            client_id: client_id.to_owned(),
            client_auth: ClientAuth::None,
        }
    }

    fn key(client: &OpenIdClient, tenant: &str, user: &str, scopes: &str, token: &str) -> CacheKey {
        CacheKey::new(&Subject {
            client,
            tenant: Some(tenant),
            user,
            scopes,
            assertion: &Secret::from(token),
            identity: None,
        })
    }

    #[test]
    fn identities_are_kept_apart() {
        let client = client(Some("https://idp"), "c");
        let of = |identity: Option<Identity>| {
            CacheKey::new(&Subject {
                client: &client,
                tenant: None,
                user: "u",
                scopes: "a",
                assertion: &Secret::from("x"),
                identity: identity.as_ref(),
            })
        };
        let text = |text: &str| Some(text.to_owned());
        let nobody = Identity::default;
        let keys = [
            of(None),
            of(Some(nobody())),
            of(Some(Identity {
                app_user_id: text("1"),
                ..nobody()
            })),
            of(Some(Identity {
                openid_subject: text("1"),
                ..nobody()
            })),
            of(Some(Identity {
                tenant_id: text("1"),
                ..nobody()
            })),
            of(Some(Identity {
                openid_issuer: text("1"),
                ..nobody()
            })),
        ];
        let distinct: std::collections::HashSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
    }

    #[test]
    fn every_part_counts() {
        let one = client(Some("https://idp"), "c");
        let keys = [
            key(&one, "t", "u", "a b", "x"),
            key(&client(Some("https://idp2"), "c"), "t", "u", "a b", "x"),
            key(&client(None, "c"), "t", "u", "a b", "x"),
            key(&client(Some("https://idp"), "d"), "t", "u", "a b", "x"),
            key(&one, "", "u", "a b", "x"),
            key(&one, "t", "v", "a b", "x"),
            key(&one, "t", "u", "a", "x"),
            key(&one, "t", "u", "ab", "x"),
            key(&one, "t", "u", "a b", "y"),
            // Parts do not run together.
            key(&one, "tu", "", "a b", "x"),
            key(&one, "", "tu", "a b", "x"),
        ];
        let distinct: std::collections::HashSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
    }

    #[test]
    fn scopes_are_a_set() {
        let client = client(Some("https://idp"), "c");
        let expected = key(&client, "t", "u", "a b", "x");
        for scopes in ["b a", " a  b ", "a b a", "b\ta"] {
            assert!(key(&client, "t", "u", scopes, "x") == expected, "{scopes}");
        }
        assert!(key(&client, "t", "u", "A b", "x") != expected);
    }

    #[test]
    fn shows_no_part() {
        let client = client(Some("https://idp"), "client");
        let shown = key(&client, "tenant", "user", "scope", "token").to_string();
        let digest = shown.strip_prefix(NAMESPACE).expect("the namespace");
        assert!(digest.len() == 65 && digest.bytes().skip(1).all(|b| b.is_ascii_hexdigit()));
    }
}
