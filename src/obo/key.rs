//! What an exchanged token belongs to.

use std::collections::BTreeSet;
use std::fmt;

use ring::digest::{self, Context, SHA256};

use crate::host::OpenIdClient;
use crate::secret::Secret;

/// Ours among whatever else a shared cache holds.
const NAMESPACE: &str = "librechat-mcp-native:obo:v1";

/// A digest over everything that tells one exchanged token from another. Parts are prefixed with their length, so that
/// no two lists of parts run together.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct CacheKey([u8; digest::SHA256_OUTPUT_LEN]);

/// Everything that tells one exchanged token from another.
pub(super) struct Subject<'a> {
    pub client: &'a OpenIdClient,
    pub tenant: Option<&'a str>,
    pub user: &'a str,
    pub scopes: &'a str,
    pub assertion: &'a Secret,
}

impl CacheKey {
    pub fn new(subject: &Subject<'_>) -> Self {
        let client = subject.client;
        let issuer = client.issuer.as_deref().unwrap_or(&client.token_endpoint);
        let scopes: BTreeSet<&str> = subject.scopes.split_whitespace().collect();
        let assertion = digest::digest(&SHA256, subject.assertion.expose().as_bytes());

        let mut context = Context::new(&SHA256);
        let mut part = |bytes: &[u8]| {
            context.update(&(bytes.len() as u64).to_be_bytes());
            context.update(bytes);
        };
        part(NAMESPACE.as_bytes());
        part(issuer.as_bytes());
        part(subject.tenant.unwrap_or_default().as_bytes());
        part(client.client_id.as_bytes());
        part(subject.user.as_bytes());
        part(assertion.as_ref());
        for scope in scopes {
            part(scope.as_bytes());
        }
        let mut key = [0; digest::SHA256_OUTPUT_LEN];
        key.copy_from_slice(context.finish().as_ref());
        Self(key)
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The key in the shared cache.
impl fmt::Display for CacheKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{NAMESPACE}:")?;
        self.0
            .iter()
            .try_for_each(|byte| write!(formatter, "{byte:02x}"))
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
        })
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
