//! The operator's identity provider. Its endpoint is the operator's word alone: no MCP server names it.

use serde_json::{Map, Value};
use url::Url;

use super::diagnosis::configuration;
use super::target::Target;
use crate::error::Result;
use crate::host::{Host, OpenIdClient};
use crate::oauth::{Form, IdentityProvider, OAuthOptions};
use crate::obo::{credentials, invalid, not_available, on_behalf_of};
use crate::secret::Secret;

/// RFC 8693, section 2.1.
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// RFC 8693, section 3.
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
/// draft-ietf-oauth-identity-assertion-authz-grant, section 6.1.
const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";

/// Who is asked for an ID-JAG, as which client.
pub(super) enum Provider {
    /// `oauth.identity_provider` of the server's config. It has an `issuer` or a `token_url`.
    Configured(Box<OAuthOptions>),
    /// The operator's `OpenID` client, as for on-behalf-of.
    Hosts(OpenIdClient),
}

/// What an ID-JAG is asked for.
pub(super) struct Asked<'a> {
    /// The issuer of the authorization server that is to take it.
    pub audience: &'a str,
    /// The MCP server, as its authorization server calls it.
    pub resource: Option<&'a str>,
    pub scope: Option<&'a str>,
}

impl Asked<'_> {
    pub fn form(&self, id_token: &Secret) -> Form {
        let mut form = Form::default();
        form.set("grant_type", GRANT_TYPE);
        form.set("requested_token_type", ID_JAG);
        form.set("audience", self.audience);
        for (name, value) in [("resource", self.resource), ("scope", self.scope)] {
            if let Some(value) = value {
                form.set(name, value);
            }
        }
        form.set("subject_token", id_token.expose());
        form.set("subject_token_type", ID_TOKEN);
        form
    }
}

impl Provider {
    /// The config's, else the host's.
    pub async fn of(target: &Target, host: &Host) -> Result<Self> {
        let Some(provider) = &target.options.identity_provider else {
            let client = on_behalf_of(host)?.openid_client().await?;
            return client.map(Self::Hosts).ok_or_else(not_available);
        };
        let IdentityProvider {
            issuer,
            token_url,
            client_id,
            client_secret,
            private_key_jwt,
            forced_auth_method,
        } = provider.clone();
        if issuer.is_none() && token_url.is_none() {
            let message = "`oauth.identity_provider` needs an `issuer` or a `token_url`";
            return Err(configuration(message));
        }
        Ok(Self::Configured(Box::new(OAuthOptions {
            token_url,
            client_id,
            client_secret,
            forced_auth_method,
            issuer,
            private_key_jwt,
            ..OAuthOptions::default()
        })))
    }

    /// Which provider and client it is, for keys of caches.
    pub fn name(&self) -> [&str; 2] {
        let [issuer, endpoint, client_id] = match self {
            Self::Configured(options) => {
                let names = [&options.issuer, &options.token_url, &options.client_id];
                names.map(|name| name.as_deref())
            }
            Self::Hosts(client) => [
                client.issuer.as_deref(),
                Some(client.token_endpoint.as_str()),
                Some(client.client_id.as_str()),
            ],
        };
        [
            issuer.or(endpoint).unwrap_or_default(),
            client_id.unwrap_or_default(),
        ]
    }
}

/// Puts what the host's client has into the form; what it gives back is where the form goes, and the `Authorization` that
/// goes with it.
pub(super) async fn authenticate_hosts(
    client: &OpenIdClient,
    host: &Host,
    form: &mut Form,
) -> Result<(Url, Option<Secret>)> {
    let url = Url::parse(&client.token_endpoint)
        .map_err(|_| configuration("The OpenID token endpoint is no valid URL"))?;
    let sent = credentials(client, on_behalf_of(host)?).await?;
    form.set("client_id", &client.client_id);
    for (name, value) in sent.form {
        form.set(name, &value);
    }
    let header = sent.authorization.as_ref();
    let header = header.and_then(|header| header.to_str().ok());
    Ok((url, header.map(Secret::from)))
}

/// The ID-JAG of an answer (draft, section 4.3.3). An access token in its place is nobody's proof, and goes nowhere.
pub(super) fn id_jag_of(members: &Map<String, Value>) -> Result<Secret> {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_but_an_id_jag_is_one() {
        let taken = |answer: Value| id_jag_of(answer.as_object().unwrap()).is_ok();
        let other = "urn:ietf:params:oauth:token-type:access_token";
        for (answer, is_taken) in [
            (
                json!({ "access_token": "j", "issued_token_type": ID_JAG, "token_type": "N_A" }),
                true,
            ),
            (
                json!({ "access_token": "j", "issued_token_type": ID_JAG, "token_type": "n_a" }),
                true,
            ),
            (
                json!({ "access_token": "j", "issued_token_type": ID_JAG, "token_type": "Bearer" }),
                false,
            ),
            (
                json!({ "access_token": "j", "issued_token_type": ID_JAG }),
                false,
            ),
            (
                json!({ "access_token": "j", "issued_token_type": other, "token_type": "N_A" }),
                false,
            ),
            (json!({ "access_token": "j", "token_type": "N_A" }), false),
            (
                json!({ "access_token": "", "issued_token_type": ID_JAG, "token_type": "N_A" }),
                false,
            ),
            (
                json!({ "access_token": ["j"], "issued_token_type": ID_JAG, "token_type": "N_A" }),
                false,
            ),
            (json!({}), false),
        ] {
            assert_eq!(taken(answer.clone()), is_taken, "{answer}");
        }
    }
}
