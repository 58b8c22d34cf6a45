//! What the exchange of a flow's code needs, and whether a code may be exchanged.

use indexmap::IndexMap;
use serde_json::{Map, Value};
use url::Url;

use super::cipher::Cipher;
use super::documents::{ClientInfo, ResourceMetadata, ServerMetadata, text, texts};
use super::dpop::{FLOW_KEY, THUMBPRINT};
use super::initiate::{CONFIGURED_ENDPOINTS, SEND_RESOURCE};
use super::issuer::{is_response_issuer, origin_of};
use crate::dpop::Prover;
use crate::error::{Code, Error, Result};
use crate::host::CredentialsKey;
use crate::network::NetworkRules;
use crate::secret::Secret;

#[derive(Debug, Clone, Default)]
pub struct Received {
    pub state: Option<Secret>,
    /// RFC 9207.
    pub iss: Option<String>,
}

/// A flow's metadata, as far as the exchange needs it.
pub(super) struct Exchange {
    pub server_url: Url,
    pub server: ServerMetadata,
    pub resource: Option<ResourceMetadata>,
    pub client: ClientInfo,
    pub verifier: Secret,
    pub rules: NetworkRules,
    /// Those that its token endpoint gets.
    pub oauth_headers: Option<IndexMap<String, String>>,
    pub configured_endpoints: bool,
    pub sends_resource: bool,
    /// Encrypted; what its tokens are to be bound to.
    pub key: Option<Secret>,
}

impl Exchange {
    pub fn read(metadata: &Map<String, Value>) -> Result<Self> {
        let object = |name: &str| metadata.get(name).and_then(Value::as_object).cloned();
        let flag = |name: &str| metadata.get(name).and_then(Value::as_bool);
        let list = |name: &str| -> Vec<String> {
            let items = texts(metadata, name).unwrap_or_default();
            items.into_iter().map(str::to_owned).collect()
        };
        let read = || {
            Some(Self {
                server_url: Url::parse(text(metadata, "serverUrl")?).ok()?,
                server: ServerMetadata(object("metadata")?),
                resource: object("resourceMetadata").map(ResourceMetadata),
                client: ClientInfo::new(object("clientInfo")?)?,
                verifier: text(metadata, "codeVerifier").map(Secret::from)?,
                rules: NetworkRules {
                    // Endpoints of authorization servers are judged whatever this says, unless they are listed.
                    ssrf_protection: false,
                    allowed_domains: list("allowedDomains"),
                    allowed_addresses: list("allowedAddresses"),
                    tls: None,
                },
                oauth_headers: object("oauthHeaders").map(|headers| {
                    let texts = headers.into_iter();
                    texts
                        .filter_map(|(name, value)| Some((name, value.as_str()?.to_owned())))
                        .collect()
                }),
                configured_endpoints: flag(CONFIGURED_ENDPOINTS).unwrap_or(false),
                sends_resource: flag(SEND_RESOURCE).unwrap_or(true),
                key: text(metadata, FLOW_KEY).map(Secret::from),
            })
        };
        read().ok_or_else(|| Error::new(Code::OAuthFlowFailed, "Invalid flow metadata"))
    }

    /// What the token request proves, where its tokens are to be bound to a key.
    ///
    /// Fails with [`Code::TokenStore`] where the key cannot be read, and where it is not the one that the user was asked for.
    pub fn prover(&self, credentials_key: &dyn CredentialsKey) -> Result<Option<Prover>> {
        let Some(encrypted) = &self.key else {
            return Ok(None);
        };
        let cipher = Cipher::new(credentials_key.key()?.as_ref())?;
        let prover = Prover::stored(&cipher.decrypt(encrypted)?)?;
        if self.server.text(THUMBPRINT) == Some(prover.thumbprint()) {
            return Ok(Some(prover));
        }
        Err(Error::new(
            Code::TokenStore,
            "A flow has another DPoP key than it says",
        ))
    }

    /// RFC 9207, section 2.4: a response of another issuer must not have its code sent to this one.
    pub fn check_issuer(&self, received: Option<&Received>) -> Result<()> {
        let Some(received) = received else {
            return Ok(());
        };
        let announced = self
            .server
            .0
            .get("authorization_response_iss_parameter_supported")
            .and_then(Value::as_bool)
            .unwrap_or(false);
        let issuer = self.server.text("issuer");
        let fits = match (&received.iss, issuer) {
            (None, _) => !announced,
            (Some(iss), _) if self.configured_endpoints => self.is_at_endpoints(iss, false),
            // What stands there where nobody stated an issuer.
            (Some(iss), Some(issuer)) if issuer == self.server_url.as_str() => {
                self.is_at_endpoints(iss, true)
            }
            (Some(iss), issuer) => issuer.is_some_and(|issuer| is_response_issuer(issuer, iss)),
        };
        if fits {
            return Ok(());
        }
        Err(Error::new(
            Code::OAuthFlowFailed,
            "The authorization response names another issuer than the one that was asked (RFC 9207)",
        ))
    }

    /// Whether the issuer is at the origin of the authorization or the token endpoint, or of `both`.
    fn is_at_endpoints(&self, issuer: &str, both: bool) -> bool {
        let Some(origin) = origin_of(issuer) else {
            return false;
        };
        let is_there = |name: &str| {
            let endpoint = self.server.text(name).and_then(origin_of);
            endpoint.as_ref() == Some(&origin)
        };
        let (user, code) = (
            is_there("authorization_endpoint"),
            is_there("token_endpoint"),
        );
        if both { user && code } else { user || code }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn exchange(members: &Value, configured: bool) -> Exchange {
        let metadata = json!({
            "serverUrl": "https://mcp.test/mcp",
            "codeVerifier": "v",
            "clientInfo": { "client_id": "c" },
            "metadata": members,
            "configuredEndpoints": configured,
        });
        Exchange::read(metadata.as_object().unwrap()).unwrap()
    }

    fn accepts(exchange: &Exchange, iss: Option<&str>) -> bool {
        let received = Received {
            state: None,
            iss: iss.map(str::to_owned),
        };
        exchange.check_issuer(Some(&received)).is_ok()
    }

    #[test]
    fn responses_name_the_issuer_of_the_flow() {
        let issuer = |issuer: Value, announced: Value| {
            let members = json!({
                "issuer": issuer,
                "authorization_response_iss_parameter_supported": announced,
            });
            exchange(&members, false)
        };
        let (honest, evil) = ("https://h.test", "https://evil.test");
        for (announced, iss, fits) in [
            (true, Some(honest), true),
            (true, Some("https://h.test/"), false),
            (true, Some(evil), false),
            (true, Some("https://h.test.evil.test"), false),
            (true, Some(""), false),
            (true, None, false),
            (false, None, true),
            (false, Some(honest), true),
            (false, Some(evil), false),
        ] {
            let exchange = issuer(json!(honest), json!(announced));
            assert_eq!(accepts(&exchange, iss), fits, "{announced} {iss:?}");
        }
        for unstated in [json!(null), json!(5), json!(""), json!([honest])] {
            assert!(!accepts(
                &issuer(unstated.clone(), json!(null)),
                Some(honest)
            ));
            assert!(accepts(&issuer(unstated, json!(null)), None));
        }
        let template = issuer(json!("https://login.test/{tenantid}/v2.0"), json!(true));
        assert!(accepts(&template, Some("https://login.test/contoso/v2.0")));
        assert!(!accepts(&template, Some("https://evil.test/contoso/v2.0")));
        assert!(
            issuer(json!(honest), json!(true))
                .check_issuer(None)
                .is_ok()
        );
    }

    #[test]
    fn where_nobody_stated_an_issuer_it_is_at_the_endpoints() {
        let (user, code) = ("https://accounts.test", "https://tokens.test");
        let members = |authorization: &str, token: &str| {
            json!({
                "issuer": "https://mcp.test/mcp",
                "authorization_endpoint": format!("{authorization}/authorize"),
                "token_endpoint": format!("{token}/token"),
            })
        };
        // The operator says that they belong together.
        let configured = exchange(&members(user, code), true);
        for (iss, fits) in [
            ("https://accounts.test/realm", true),
            (code, true),
            ("https://accounts.test:8443", false),
            ("https://accounts.test@evil.test", false),
            ("https://evil.test", false),
            ("accounts.test", false),
        ] {
            assert_eq!(accepts(&configured, Some(iss)), fits, "{iss}");
        }
        // Here a server says it.
        let guessed = exchange(&members(user, user), false);
        assert!(accepts(&guessed, Some(user)) && !accepts(&guessed, Some(code)));
        let mixed = exchange(&members(user, code), false);
        assert!(!accepts(&mixed, Some(user)) && !accepts(&mixed, Some(code)));
    }

    #[test]
    fn incomplete_flows() {
        let error = Exchange::read(&Map::new()).err().unwrap();
        assert_eq!(error.message, "Invalid flow metadata");
    }
}
