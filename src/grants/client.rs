//! How this program's client proves itself to an authorization server.

use super::authorization_server::AuthorizationServer;
use crate::error::Result;
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
    /// assertion is for this authorization server alone, so that it is of no use to another one.
    ///
    /// Fails with [`Code::InvalidConfig`](crate::error::Code::InvalidConfig) for a key that cannot be used, and as the host
    /// fails.
    pub async fn authenticate(
        self,
        form: &mut Form,
        at: &'a AuthorizationServer,
    ) -> Result<Option<Secret>> {
        let options = self.options;
        let Some(client_id) = options.client_id.as_deref() else {
            return Ok(None);
        };
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
