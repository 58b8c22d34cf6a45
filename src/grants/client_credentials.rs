//! The client's own grant (RFC 6749, section 4.4): the client proves who it is, and that is all.

use super::authorization_server::AuthorizationServer;
use super::machine::MachineServer;
use crate::error::Result;
use crate::host::AssertionRequest;
use crate::oauth::{AuthMethod, Form, authenticate};
use crate::secret::Secret;

/// What is sent, with the value of `Authorization` where the client authenticates there.
///
/// Fails as [`PrivateKeyJwt::assertion`](crate::oauth::PrivateKeyJwt::assertion) does.
pub(super) async fn form(
    server: &MachineServer,
    at: &AuthorizationServer,
) -> Result<(Form, Option<Secret>)> {
    let options = &server.options;
    let mut form = Form::default();
    form.set("grant_type", "client_credentials");
    let client_id = options.client_id.as_deref().unwrap_or_default();
    if let Some(key) = &options.private_key_jwt {
        let token_endpoint = at.token_endpoint.as_str();
        let request = AssertionRequest {
            server_name: &server.server_name,
            client_id,
            audience: at.issuer.as_deref().unwrap_or(token_endpoint),
            endpoint: token_endpoint,
        };
        let algs = listed(at.signing_algs.as_deref());
        let host = server.host.client_assertions.as_deref();
        let assertion = key.assertion(&request, algs.as_deref(), host).await?;
        let method = AuthMethod::PrivateKeyJwt;
        let authorization = authenticate(&mut form, method, client_id, Some(&assertion));
        return Ok((form, authorization));
    }
    let methods = listed(at.auth_methods.as_deref()).unwrap_or_default();
    let method = AuthMethod::for_secret(options.forced_auth_method, None, &methods);
    let secret = options.client_secret.as_ref();
    let authorization = authenticate(&mut form, method, client_id, secret);
    Ok((form, authorization))
}

fn listed(texts: Option<&[String]>) -> Option<Vec<&str>> {
    texts.map(|texts| texts.iter().map(String::as_str).collect())
}
