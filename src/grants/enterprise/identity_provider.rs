//! The operator's identity provider. Its endpoint is the operator's word alone: no MCP server names it.

use serde_json::{Map, Value};
use url::Url;

use super::client::{SecretClient, ask};
use super::diagnosis::configuration;
use super::target::Target;
use crate::error::Result;
use crate::host::{AssertionRequest, Host, OpenIdClient};
use crate::network::HttpClient;
use crate::oauth::{AuthMethod, Endpoints, Form, IdentityProvider, authenticate, issuer_metadata};
use crate::obo::{Failure, credentials, invalid, not_available, on_behalf_of};
use crate::secret::Secret;

/// RFC 8693, section 2.1.
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// RFC 8693, section 3.
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
/// draft-ietf-oauth-identity-assertion-authz-grant, section 6.1.
const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";

const AUTH_METHODS: &str = "token_endpoint_auth_methods_supported";
const SIGNING_ALGS: &str = "token_endpoint_auth_signing_alg_values_supported";

/// Who is asked for an ID-JAG, as which client.
#[derive(Clone)]
pub(super) enum Provider {
    /// `oauth.identity_provider` of the server's config.
    Configured(IdentityProvider),
    /// The operator's `OpenID` client, as for on-behalf-of.
    Hosts(OpenIdClient),
}

/// For whom, and what, an ID-JAG is asked.
pub(super) struct Asked<'a> {
    pub server_name: &'a str,
    pub id_token: &'a Secret,
    /// The issuer of the authorization server that is to take it.
    pub audience: &'a str,
    /// The MCP server, as its authorization server calls it.
    pub resource: Option<&'a str>,
    pub scope: Option<&'a str>,
}

impl Provider {
    /// The config's, else the host's.
    pub async fn of(target: &Target, host: &Host) -> Result<Self> {
        if let Some(provider) = &target.options.identity_provider {
            return Ok(Self::Configured(provider.clone()));
        }
        let client = on_behalf_of(host)?.openid_client().await?;
        client.map(Self::Hosts).ok_or_else(not_available)
    }

    /// Which provider and client it is, for keys of caches.
    pub fn name(&self) -> [&str; 2] {
        match self {
            Self::Configured(provider) => {
                let issuer = provider.issuer.as_ref().or(provider.token_url.as_ref());
                let client_id = provider.client_id.as_deref();
                [
                    issuer.map_or("", |issuer| issuer),
                    client_id.unwrap_or_default(),
                ]
            }
            Self::Hosts(client) => {
                let issuer = client.issuer.as_ref().unwrap_or(&client.token_endpoint);
                [issuer, &client.client_id]
            }
        }
    }

    /// Exchanges the ID token (RFC 8693).
    pub async fn id_jag(
        &self,
        http: &HttpClient,
        host: &Host,
        asked: &Asked<'_>,
    ) -> Result<Secret, Failure> {
        let endpoints = Endpoints::trusted(http.clone(), &host.environment)?;
        let mut form = Form::default();
        form.set("grant_type", GRANT_TYPE);
        form.set("requested_token_type", ID_JAG);
        form.set("audience", asked.audience);
        for (name, value) in [("resource", asked.resource), ("scope", asked.scope)] {
            if let Some(value) = value {
                form.set(name, value);
            }
        }
        form.set("subject_token", asked.id_token.expose());
        form.set("subject_token_type", ID_TOKEN);
        let authenticated = self.authenticate(&endpoints, host, asked.server_name, &mut form);
        let (url, authorization) = authenticated.await?;
        let (status, members) = ask(&endpoints, &url, &form, authorization.as_ref()).await?;
        id_jag_of(&members).map_err(|error| Failure::of_answer(status, error))
    }

    /// Where the form goes, and the `Authorization` header that goes with it.
    async fn authenticate(
        &self,
        endpoints: &Endpoints,
        host: &Host,
        server_name: &str,
        form: &mut Form,
    ) -> Result<(Url, Option<Secret>)> {
        let no_url = || configuration("The identity provider's token endpoint is no valid URL");
        let url = |text: &str| Url::parse(text).map_err(|_| no_url());
        let client = match self {
            Self::Configured(provider) => provider,
            Self::Hosts(client) => {
                let sent = credentials(client, on_behalf_of(host)?).await?;
                form.set("client_id", &client.client_id);
                for (name, value) in sent.form {
                    form.set(name, &value);
                }
                let header = sent.authorization.as_ref();
                let header = header.and_then(|header| header.to_str().ok());
                return Ok((url(&client.token_endpoint)?, header.map(Secret::from)));
            }
        };
        let metadata = match (&client.token_url, &client.issuer) {
            (None, Some(issuer)) => issuer_metadata(endpoints, issuer).await?,
            _ => None,
        };
        let announced = metadata.as_ref().and_then(|it| it.text("token_endpoint"));
        let endpoint = client.token_url.as_deref().or(announced);
        let endpoint = endpoint.ok_or_else(|| {
            configuration(
                "The identity provider of `oauth.identity_provider.issuer` publishes no metadata: configure \
                 `oauth.identity_provider.token_url`",
            )
        })?;
        let listed = |name| metadata.as_ref().and_then(|it| it.texts(name));
        let client_id = client.client_id.as_deref().unwrap_or_default();
        let header = if let Some(key) = &client.private_key_jwt {
            let request = AssertionRequest {
                server_name,
                client_id,
                audience: client.issuer.as_deref().unwrap_or(endpoint),
                endpoint,
            };
            let assertions = host.client_assertions.as_deref();
            let algs = listed(SIGNING_ALGS);
            let assertion = key.assertion(&request, algs.as_deref(), assertions).await?;
            authenticate(form, AuthMethod::PrivateKeyJwt, client_id, Some(&assertion))
        } else {
            let known = SecretClient {
                id: client_id,
                secret: client.client_secret.as_ref(),
                forced: client.forced_auth_method,
            };
            known.authenticate(form, &listed(AUTH_METHODS).unwrap_or_default())
        };
        Ok((url(endpoint)?, header))
    }
}

/// The ID-JAG of an answer (draft, section 4.3.3). An access token in its place is nobody's proof, and goes nowhere.
fn id_jag_of(members: &Map<String, Value>) -> Result<Secret> {
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let is_id_jag = text("issued_token_type") == Some(ID_JAG)
        && text("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("N_A"));
    let token = text("access_token").unwrap_or_default();
    if is_id_jag && !token.is_empty() {
        return Ok(Secret::from(token));
    }
    Err(invalid(
        "The token endpoint answered with something else than an ID-JAG: `issued_token_type` must be \
         urn:ietf:params:oauth:token-type:id-jag, and `token_type` N_A",
    ))
}
