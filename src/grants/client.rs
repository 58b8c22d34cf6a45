//! How this program's client proves itself to an authorization server.

use super::authorization_server::AuthorizationServer;
use crate::error::{Code, Error, Result};
use crate::host::{AssertionRequest, ClientAssertions};
use crate::oauth::{AuthMethod, Form, OAuthOptions, authenticate};
use crate::secret::Secret;

/// The client of a server's config, which may have none for a grant that proves enough.
#[derive(Clone, Copy)]
pub(super) struct Client<'a> {
    pub server_name: &'a str,
    pub options: &'a OAuthOptions,
    pub assertions: Option<&'a dyn ClientAssertions>,
}

impl<'a> Client<'a> {
    /// Puts what the client has into the form, for one request; what it gives back is the value of `Authorization`. An
    /// assertion is for this authorization server alone, so that it is of no use to another one. One that only the MCP
    /// server names gets neither secret nor assertion: it could pass for the client with them.
    ///
    /// Fails with [`Code::OAuthDiscoveryFailed`] for such a one, with [`Code::InvalidConfig`] for a key that cannot be used,
    /// and as the host fails.
    pub async fn authenticate(
        self,
        form: &mut Form,
        at: &'a AuthorizationServer,
    ) -> Result<Option<Secret>> {
        let options = self.options;
        let Some(client_id) = options.client_id.as_deref() else {
            return Ok(None);
        };
        if !at.is_configured
            && (options.client_secret.is_some() || options.private_key_jwt.is_some())
        {
            return Err(Error::new(
                Code::OAuthDiscoveryFailed,
                "Only the MCP server names the authorization server, which gets nothing that proves the client. \
                 Configure `oauth.issuer` or `oauth.token_url`",
            ));
        }
        let texts = |list: &'a [String]| list.iter().map(String::as_str).collect::<Vec<_>>();
        let Some(key) = &options.private_key_jwt else {
            let methods = texts(at.auth_methods.as_deref().unwrap_or_default());
            let method = AuthMethod::for_secret(options.forced_auth_method, None, &methods);
            let secret = options.client_secret.as_ref();
            return Ok(authenticate(form, method, client_id, secret));
        };
        let endpoint = at.token_endpoint.as_str();
        let request = AssertionRequest {
            server_name: self.server_name,
            client_id,
            audience: at.issuer.as_deref().unwrap_or(endpoint),
            endpoint,
        };
        let algs = at.signing_algs.as_deref().map(texts);
        let assertion = key
            .assertion(&request, algs.as_deref(), self.assertions)
            .await?;
        Ok(authenticate(
            form,
            AuthMethod::PrivateKeyJwt,
            client_id,
            Some(&assertion),
        ))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use url::Url;

    use super::*;

    #[tokio::test]
    async fn what_proves_the_client_goes_where_the_config_says() {
        for (members, is_configured, is_sent) in [
            (json!({ "client_secret": "s" }), true, true),
            (json!({ "client_secret": "s" }), false, false),
            (json!({ "private_key_jwt": { "key": "k" } }), false, false),
            (json!({ "private_key_jwt": {} }), false, false),
            (json!({}), false, true),
        ] {
            let mut oauth = json!({ "client_id": "c" }).as_object().unwrap().clone();
            oauth.extend(members.as_object().unwrap().clone());
            let client = Client {
                server_name: "srv",
                options: &OAuthOptions::new(Some(&oauth)),
                assertions: None,
            };
            let at = AuthorizationServer {
                issuer: Some("https://as.test".to_owned()),
                token_endpoint: Url::parse("https://as.test/token").unwrap(),
                auth_methods: None,
                signing_algs: None,
                wants_dpop: false,
                resource: "https://mcp.test/mcp".to_owned(),
                scope: None,
                is_configured,
            };
            let mut form = Form::default();
            let outcome = client.authenticate(&mut form, &at).await;
            assert_eq!(outcome.is_ok(), is_sent, "{members}");
            if let Err(error) = outcome {
                assert_eq!(error.code, Code::OAuthDiscoveryFailed);
                assert_eq!(form.encode(), "");
            }
        }
    }
}
