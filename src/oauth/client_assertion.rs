//! `private_key_jwt`: a client proves itself with an assertion that its key signs (RFC 7523, section 2.2).
//!
//! Who gets an assertion could pass for the client at the audience that it names. So it names one, the issuer where the
//! config has it (draft-ietf-oauth-rfc7523bis), and it goes only to an endpoint that the config or that issuer's own
//! metadata says is his: not to one that a stored flow, a row, or an MCP server names.

use async_trait::async_trait;
use url::Url;

use super::client_auth::{AuthMethod, authenticate};
use super::form::Form;
use super::grant_options::{KeySource, PrivateKeyJwt};
use super::http::Endpoints;
use super::issuer::{origin_of, same_url, stated_issuer};
use super::metadata::issuer_metadata;
use super::options::OAuthOptions;
use crate::error::{Code, Error, Result};
use crate::host::{AssertionRequest, ClientAssertions};
use crate::jws::SigningKey;
use crate::secret::Secret;
use crate::secret_file::{self, UNSET, misplaced};

/// An endpoint at which a client authenticates.
#[derive(Clone, Copy)]
pub struct ClientEndpoint<'a> {
    pub endpoints: &'a Endpoints,
    pub url: &'a Url,
    /// Its member of the authorization server's metadata.
    pub name: &'a str,
}

/// Where the config of a server is found by who has no more than a flow or a row of it: those hold no keys.
#[async_trait]
pub trait ClientKeys: Send + Sync {
    /// As [`KeyedClient::authenticate`].
    async fn authenticate(
        &self,
        server_name: &str,
        client_id: &str,
        form: &mut Form,
        at: ClientEndpoint<'_>,
    ) -> Result<bool>;
}

/// The client of a server's config, if it has a key.
#[derive(Clone, Copy)]
pub struct KeyedClient<'a> {
    pub options: &'a OAuthOptions,
    pub server_name: &'a str,
    pub assertions: Option<&'a dyn ClientAssertions>,
}

/// For whom an assertion is.
struct Recipient {
    audience: String,
    /// The algorithms that he says he takes.
    algs: Option<Vec<String>>,
}

impl KeyedClient<'_> {
    /// Puts a new assertion into the form, for one request. `false` where the config has no key for this client.
    ///
    /// Fails with [`Code::InvalidConfig`] for a key that cannot be used, with [`Code::OAuthDiscoveryFailed`] where the
    /// endpoint is not one of the config's authorization server, and as the host fails.
    pub async fn authenticate(
        &self,
        client_id: &str,
        form: &mut Form,
        at: ClientEndpoint<'_>,
    ) -> Result<bool> {
        let key = self.options.private_key_jwt.as_ref();
        let key = key.filter(|_| self.options.client_id.as_deref() == Some(client_id));
        let Some(key) = key else {
            return Ok(false);
        };
        let Recipient { audience, algs } = self.recipient(at).await?;
        let algs: Option<Vec<&str>> = algs
            .as_ref()
            .map(|algs| algs.iter().map(String::as_str).collect());
        let request = AssertionRequest {
            server_name: self.server_name,
            client_id,
            audience: &audience,
            endpoint: at.url.as_str(),
        };
        let assertion = key.assertion(&request, algs.as_deref(), self.assertions);
        let assertion = assertion.await?;
        let method = AuthMethod::PrivateKeyJwt;
        let header = authenticate(form, method, client_id, Some(&assertion));
        debug_assert!(header.is_none(), "an assertion goes into the form");
        Ok(true)
    }

    /// Finds out that a key cannot be used before a user is asked for anything.
    pub async fn check(&self) -> Result<()> {
        match &self.options.private_key_jwt {
            Some(key) if key.key == KeySource::Host => {
                key.host(self.server_name, self.assertions).map(drop)
            }
            Some(key) => key.signing_key(self.server_name, None).await.map(drop),
            None => Ok(()),
        }
    }

    async fn recipient(&self, at: ClientEndpoint<'_>) -> Result<Recipient> {
        let options = self.options;
        let (issuer, token_url) = (options.issuer.as_deref(), options.token_url.as_deref());
        let (is_his, recipient) = match (token_url, issuer) {
            (Some(token_url), _) => {
                let is_named = |url: &Option<String>| {
                    url.as_deref()
                        .is_some_and(|url| same_url(url, at.url.as_str()))
                };
                let is_his = if at.name == "token_endpoint" {
                    is_named(&options.token_url)
                } else {
                    is_named(&options.revocation_endpoint)
                        || origin_of(token_url) == Some(at.url.origin())
                };
                let recipient = Recipient {
                    audience: issuer.unwrap_or(token_url).to_owned(),
                    algs: None,
                };
                (is_his, recipient)
            }
            (None, Some(issuer)) => {
                let server = issuer_metadata(at.endpoints, issuer).await?;
                let server = server
                    .ok_or_else(|| refused("The issuer of the config publishes no metadata"))?;
                let announced = server.text(at.name);
                let recipient = Recipient {
                    audience: stated_issuer(&server, issuer).to_owned(),
                    algs: server.signing_algs(),
                };
                let is_his = announced.is_some_and(|url| same_url(url, at.url.as_str()));
                (is_his, recipient)
            }
            (None, None) => (
                false,
                Recipient {
                    audience: String::new(),
                    algs: None,
                },
            ),
        };
        if is_his {
            return Ok(recipient);
        }
        Err(refused(&format!(
            "The {} is not one of the authorization server that `oauth.token_url` or `oauth.issuer` names, so it gets no \
             assertion of the client",
            at.name
        )))
    }
}

impl PrivateKeyJwt {
    /// An assertion about the client, for one request. `algs` are the algorithms that its audience takes, where it says.
    ///
    /// Fails with [`Code::InvalidConfig`] for a key that cannot be used, and as the host fails.
    pub async fn assertion(
        &self,
        request: &AssertionRequest<'_>,
        algs: Option<&[&str]>,
        assertions: Option<&dyn ClientAssertions>,
    ) -> Result<Secret> {
        if self.key == KeySource::Host {
            let host = self.host(request.server_name, assertions)?;
            return host.client_assertion(request).await;
        }
        let kid = self.kid.iter();
        let header = kid
            .map(|kid| ("kid".to_owned(), kid.as_str().into()))
            .collect();
        let key = self.signing_key(request.server_name, algs).await?;
        key.client_assertion(header, request.client_id, request.audience)
    }

    async fn signing_key(&self, server_name: &str, algs: Option<&[&str]>) -> Result<SigningKey> {
        let unusable = |member: &str, problem: &str| {
            let name = self.member;
            Error::invalid_config(format!(
                "MCP server \"{server_name}\": `{name}{member} {problem}"
            ))
        };
        let (pem, name) = match &self.key {
            KeySource::Pem(pem) => match no_key(pem.expose()) {
                Some(problem) => return Err(unusable(".key`", problem)),
                None => (pem.clone(), ".key`".to_owned()),
            },
            KeySource::File(path) => (
                secret_file::read(path).await.map_err(|error| {
                    let is_pem = error.message.starts_with("holds a PEM");
                    let advice = if is_pem { ": write it under `key`" } else { "" };
                    let problem = format!("{}{advice}", error.message);
                    unusable(".key_file`", &problem).with_retryable(error.retryable)
                })?,
                format!(".key_file` ({})", path.display()),
            ),
            KeySource::Host => return Err(Error::internal()),
        };
        let read = |alg| {
            let key = SigningKey::from_pem(&pem, alg);
            key.map_err(|error| unusable(&name, &error.message))
        };
        let key = read(self.alg.as_deref())?;
        let takes = |alg| algs.is_none_or(|algs| algs.contains(&alg));
        if takes(key.alg()) {
            return Ok(key);
        }
        // An RSA key signs with either.
        if self.alg.is_none() && key.alg() == "RS256" && takes("PS256") {
            return read(Some("PS256"));
        }
        let problem = format!(
            "signs with {}, which the authorization server does not take",
            key.alg()
        );
        Err(unusable(&name, &problem))
    }

    fn host<'a>(
        &self,
        server_name: &str,
        assertions: Option<&'a dyn ClientAssertions>,
    ) -> Result<&'a dyn ClientAssertions> {
        assertions.ok_or_else(|| {
            Error::invalid_config(format!(
                "MCP server \"{server_name}\": `{}` has neither `key` nor `key_file`, and the host has no \
                 getClientAssertion",
                self.member
            ))
        })
    }
}

/// What `key` holds, where that is plainly no key.
fn no_key(text: &str) -> Option<&'static str> {
    if text.contains("${") {
        return Some(UNSET);
    }
    let is_path = text.contains(['/', '\\']) || text.contains(".pem");
    (is_path && misplaced(text).is_none())
        .then_some("holds the path of a file: write it under `key_file`")
}

fn refused(problem: &str) -> Error {
    Error::new(Code::OAuthDiscoveryFailed, format!("[MCPOAuth] {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jws::tests::RSA;

    #[tokio::test]
    async fn the_algorithm_is_one_that_the_audience_takes() {
        for (alg, algs, expected) in [
            (None, None, Some("RS256")),
            (None, Some(&["PS256", "RS256"][..]), Some("RS256")),
            (None, Some(&["ES256", "PS256"]), Some("PS256")),
            (None, Some(&["ES256"]), None),
            (None, Some(&[]), None),
            (Some("PS256"), None, Some("PS256")),
            (Some("RS256"), Some(&["PS256"]), None),
        ] {
            let key = PrivateKeyJwt {
                member: "oauth.private_key_jwt",
                key: KeySource::Pem(Secret::from(RSA)),
                alg: alg.map(str::to_owned),
                kid: None,
            };
            match key.signing_key("srv", algs).await {
                Ok(key) => assert_eq!(Some(key.alg()), expected, "{alg:?} {algs:?}"),
                Err(error) => {
                    assert_eq!(expected, None, "{alg:?} {algs:?}");
                    assert!(error.message.contains("does not take"), "{error}");
                }
            }
        }
    }
}
