//! `oauth` of a server's config (`OAuthOptionsSchema` of `LibreChat`).

use serde_json::{Map, Value};
use url::Url;

use super::client_auth::AuthMethod;
use super::documents::{ResourceMetadata, ServerMetadata, text, texts};
use super::grant_options::{AssertionSource, IdentityProvider, PrivateKeyJwt};
use super::issuer::{is_issuer, origin_of, same_url};
use crate::error::{Code, Error, Result};
use crate::secret::Secret;
use crate::server_config::Grant;

/// Placeholders are expanded already.
#[derive(Debug, Clone)]
pub struct OAuthOptions {
    pub authorization_url: Option<String>,
    pub token_url: Option<String>,
    /// A registered id, or the `https` URL of a client-ID metadata document.
    pub client_id: Option<String>,
    pub client_secret: Option<Secret>,
    pub scope: Option<String>,
    pub forced_auth_method: Option<AuthMethod>,
    pub grant_types_supported: Option<Vec<String>>,
    pub token_auth_methods: Option<Vec<String>>,
    pub response_types_supported: Option<Vec<String>>,
    pub code_challenge_methods: Option<Vec<String>>,
    pub skip_code_challenge_check: bool,
    /// For providers that scope tokens by `audience` (Auth0, Cognito).
    pub audience: Option<String>,
    pub forward_audience_on_refresh: bool,
    /// Entra answers AADSTS9010010 to a `resource` (RFC 8707).
    pub send_resource_parameter: Option<bool>,
    pub revocation_endpoint: Option<String>,
    pub revocation_auth_methods: Option<Vec<String>>,
    /// `None`: users log in.
    pub grant: Option<Grant>,
    /// Metadata of any other issuer is refused.
    pub issuer: Option<String>,
    pub private_key_jwt: Option<PrivateKeyJwt>,
    /// `None`: where the resource's metadata requires it.
    pub dpop: Option<bool>,
    /// `None`: the operator's `OpenID` client, as for on-behalf-of.
    pub identity_provider: Option<IdentityProvider>,
    pub assertion: AssertionSource,
}

impl Default for OAuthOptions {
    fn default() -> Self {
        Self::new(None)
    }
}

impl OAuthOptions {
    #[must_use]
    pub fn new(members: Option<&Map<String, Value>>) -> Self {
        let none = Map::new();
        let members = members.unwrap_or(&none);
        let owned = |name| text(members, name).map(str::to_owned);
        let list = |name| {
            let items = texts(members, name)?;
            Some(items.into_iter().map(str::to_owned).collect())
        };
        let flag = |name| members.get(name).and_then(Value::as_bool);
        Self {
            authorization_url: owned("authorization_url"),
            token_url: owned("token_url"),
            client_id: owned("client_id"),
            client_secret: owned("client_secret").map(Secret::new),
            scope: owned("scope"),
            forced_auth_method: AuthMethod::forced(text(members, "token_exchange_method")),
            grant_types_supported: list("grant_types_supported"),
            token_auth_methods: list("token_endpoint_auth_methods_supported"),
            response_types_supported: list("response_types_supported"),
            code_challenge_methods: list("code_challenge_methods_supported"),
            skip_code_challenge_check: flag("skip_code_challenge_check").unwrap_or(false),
            audience: owned("audience"),
            forward_audience_on_refresh: flag("forward_audience_on_refresh").unwrap_or(true),
            send_resource_parameter: flag("send_resource_parameter"),
            revocation_endpoint: owned("revocation_endpoint"),
            revocation_auth_methods: list("revocation_endpoint_auth_methods_supported"),
            grant: Grant::of(members),
            issuer: owned("issuer"),
            private_key_jwt: PrivateKeyJwt::of(members, "oauth.private_key_jwt"),
            dpop: flag("dpop"),
            identity_provider: IdentityProvider::of(members),
            assertion: AssertionSource::of(members),
        }
    }

    /// The client and both endpoints are in the config: nothing has to be discovered.
    #[must_use]
    pub fn pinned(&self) -> Option<(&str, &str, &str)> {
        Some((
            self.client_id.as_deref()?,
            self.authorization_url.as_deref()?,
            self.token_url.as_deref()?,
        ))
    }

    /// Whether requests have the `resource` that is known.
    #[must_use]
    pub fn sends_resource(&self) -> bool {
        self.send_resource_parameter.unwrap_or(true)
    }

    /// What a token is asked to be good for where the config has all endpoints, so that no document of the server says it: its URL (RFC 8707, section 2), without
    /// what may be a key of the operator's. `LibreChat` sends nothing then, so it has to be asked for.
    pub(super) fn own_resource(&self, server_url: &Url) -> Option<ResourceMetadata> {
        if self.send_resource_parameter != Some(true) || self.pinned().is_none() {
            return None;
        }
        let mut url = server_url.clone();
        url.set_fragment(None);
        url.set_query(None);
        let (url, is_origin) = (url.as_str(), url.path() == "/");
        let url = if is_origin {
            url.trim_end_matches('/')
        } else {
            url
        };
        let member = ("resource".to_owned(), Value::from(url));
        Some(ResourceMetadata(Map::from_iter([member])))
    }

    /// How a client of the config proves itself that has no secret.
    pub(super) const fn method_without_secret(&self) -> AuthMethod {
        match &self.private_key_jwt {
            Some(_) => AuthMethod::PrivateKeyJwt,
            None => AuthMethod::None,
        }
    }

    /// The endpoints that the config names, be it all of them or not.
    #[must_use]
    pub fn endpoints(&self) -> Vec<&str> {
        let named = [&self.authorization_url, &self.token_url];
        named.into_iter().flatten().map(String::as_str).collect()
    }

    /// An endpoint of the config is the one that is meant, also where the other or the client is left to discovery.
    ///
    /// Where the config names one of both, the other has to be at the same origin: it says who the authorization server is.
    ///
    /// Fails with [`Code::OAuthDiscoveryFailed`] where the server announces another one.
    pub(super) fn check_announced(&self, server: &ServerMetadata) -> Result<()> {
        let stated = server.text("issuer");
        if let Some(issuer) = &self.issuer
            && !stated.is_some_and(|stated| is_issuer(stated, issuer))
        {
            return Err(Error::new(
                Code::OAuthDiscoveryFailed,
                "[MCPOAuth] The authorization server that was discovered is another one than `oauth.issuer` of the config",
            ));
        }
        let without_query = |url: &str| url.split(['?', '#']).next().unwrap_or_default().to_owned();
        let is_announced = |configured: &Option<String>, name: &str| {
            let announced = server.text(name).unwrap_or_default();
            configured.as_ref().is_none_or(|configured| {
                // Operators add parameters, such as `prompt`.
                same_url(&without_query(configured), &without_query(announced))
            })
        };
        let is_beside = |configured: &Option<String>, other: &str| {
            configured.as_deref().is_none_or(|configured| {
                origin_of(configured) == server.text(other).and_then(origin_of)
            })
        };
        let (authorization, token) = ("authorization_endpoint", "token_endpoint");
        let is_pinned = self.authorization_url.is_some() && self.token_url.is_some();
        for (configured, option, name, other) in [
            (
                &self.authorization_url,
                "authorization_url",
                authorization,
                token,
            ),
            (&self.token_url, "token_url", token, authorization),
        ] {
            if !is_announced(configured, name) || !(is_pinned || is_beside(configured, other)) {
                return Err(Error::new(
                    Code::OAuthDiscoveryFailed,
                    format!(
                        "[MCPOAuth] The authorization server that was discovered has another {name} than \
                         `oauth.{option}` of the config, or its {other} at another origin. Configure `oauth.client_id`, `oauth.authorization_url` and \
                         `oauth.token_url`, or none of the URLs"
                    ),
                ));
            }
        }
        Ok(())
    }

    /// A secret goes only to endpoints that the operator named, never to those that a server announces.
    ///
    /// Fails with [`Code::InvalidConfig`](crate::error::Code::InvalidConfig).
    pub fn check_secret(&self) -> Result<()> {
        if self.private_key_jwt.is_some() {
            return self.check_key();
        }
        if self.client_secret.is_none() {
            return Ok(());
        }
        if self.client_id.is_none() {
            return Err(Error::invalid_config(
                "[MCPOAuth] OAuth client_secret requires oauth.client_id.",
            ));
        }
        if self.pinned().is_none() {
            return Err(Error::invalid_config(
                "[MCPOAuth] OAuth client_secret requires both oauth.authorization_url and oauth.token_url; refusing to \
                 use it with auto-discovered OAuth endpoints.",
            ));
        }
        Ok(())
    }

    /// So it is with what a key signs; to name the issuer is enough, since it says itself which endpoints are its own.
    fn check_key(&self) -> Result<()> {
        let problem = if self.client_secret.is_some() {
            "is one way to authenticate the client, oauth.client_secret another: configure one."
        } else if self.client_id.is_none() {
            "requires oauth.client_id."
        } else if self.issuer.is_none() && self.token_url.is_none() {
            "requires oauth.issuer or oauth.token_url: an assertion is not sent to an authorization server that only the \
             MCP server names."
        } else {
            return Ok(());
        };
        Err(Error::invalid_config(format!(
            "[MCPOAuth] OAuth private_key_jwt {problem}"
        )))
    }

    /// Whether the client id is the URL of a client-ID metadata document
    /// (draft-ietf-oauth-client-id-metadata-document, section 3).
    #[must_use]
    pub fn client_id_is_document(&self) -> bool {
        let url = self.client_id.as_deref().and_then(|id| Url::parse(id).ok());
        url.is_some_and(|url| url.scheme() == "https" && url.path() != "/")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn options(value: &Value) -> OAuthOptions {
        OAuthOptions::new(value.as_object())
    }

    #[test]
    fn secrets_need_pinned_endpoints() {
        for (value, allowed) in [
            (json!({}), true),
            (json!({ "client_id": "c" }), true),
            (json!({ "client_secret": "s" }), false),
            (json!({ "client_id": "c", "client_secret": "s" }), false),
            (
                json!({ "client_id": "c", "client_secret": "s", "token_url": "https://a/t" }),
                false,
            ),
            (
                json!({ "client_id": "c", "client_secret": "s", "authorization_url": "https://a/a" }),
                false,
            ),
            (
                json!({ "client_id": "", "client_secret": "s", "token_url": "https://a/t", "authorization_url": "https://a/a" }),
                false,
            ),
            (
                json!({ "client_id": "c", "client_secret": "s", "token_url": ["https://a/t"], "authorization_url": "https://a/a" }),
                false,
            ),
            (
                json!({ "client_id": "c", "client_secret": "s", "token_url": "https://a/t", "authorization_url": "https://a/a" }),
                true,
            ),
        ] {
            assert_eq!(options(&value).check_secret().is_ok(), allowed, "{value}");
        }
    }

    #[test]
    fn configured_endpoints_are_the_announced_ones() {
        let announced = json!({
            "authorization_endpoint": "https://as.test/authorize",
            "token_endpoint": "https://as.test/token",
        });
        let announced = ServerMetadata(announced.as_object().unwrap().clone());
        for (value, fits) in [
            (json!({ "client_id": "c" }), true),
            (json!({ "token_url": "https://AS.test:443/token" }), true),
            (json!({ "token_url": "https://as.test/other" }), false),
            (json!({ "token_url": "https://as.test./token" }), false),
            (
                json!({ "token_url": "https://as.test@evil.test/token" }),
                false,
            ),
            (
                json!({ "authorization_url": "https://as.test/authorize?prompt=login" }),
                true,
            ),
            (
                json!({ "authorization_url": "https://evil.test/authorize" }),
                false,
            ),
            (json!({ "authorization_url": "no url" }), false),
        ] {
            let checked = options(&value).check_announced(&announced);
            assert_eq!(checked.is_ok(), fits, "{value}");
        }
    }

    #[test]
    fn a_server_s_own_url_is_sent_where_the_config_says_so() {
        let pinned = json!({
            "client_id": "c", "authorization_url": "https://as.test/a", "token_url": "https://as.test/t",
        });
        for (pinned, sends, url, expected) in [
            (
                &pinned,
                json!(true),
                "https://mcp.test/mcp?key=k#f",
                Some("https://mcp.test/mcp"),
            ),
            (
                &pinned,
                json!(true),
                "https://mcp.test",
                Some("https://mcp.test"),
            ),
            (&pinned, json!(false), "https://mcp.test", None),
            (&pinned, Value::Null, "https://mcp.test", None),
            (
                &json!({ "client_id": "c" }),
                json!(true),
                "https://mcp.test",
                None,
            ),
        ] {
            let mut members = pinned.clone();
            members["send_resource_parameter"] = sends;
            let own = options(&members).own_resource(&url.parse().unwrap());
            assert_eq!(own.as_ref().and_then(ResourceMetadata::resource), expected);
        }
    }

    #[test]
    fn metadata_documents() {
        for (id, expected) in [
            ("https://app.test/oauth/client.json", true),
            ("https://app.test/", false),
            ("http://app.test/client.json", false),
            ("client", false),
        ] {
            let options = options(&json!({ "client_id": id }));
            assert_eq!(options.client_id_is_document(), expected, "{id}");
        }
    }

    #[test]
    fn absent_is_default() {
        for value in [
            json!(null),
            json!({}),
            json!({ "send_resource_parameter": null }),
        ] {
            assert!(options(&value).forward_audience_on_refresh);
            assert!(options(&value).sends_resource());
        }
        let off = json!({ "send_resource_parameter": false });
        assert!(!options(&off).sends_resource());
        assert!(
            options(&json!({ "client_secret": "" }))
                .client_secret
                .is_none()
        );
    }
}
