//! The client's own grant (RFC 6749, section 4.4): the client proves who it is, and that is all.

use super::authorization_server::AuthorizationServer;
use super::machine::MachineServer;
use crate::error::Result;
use crate::oauth::{AuthMethod, Form, authenticate};
use crate::secret::Secret;

/// What is sent, with the value of `Authorization` where the client authenticates there.
pub(super) fn form(
    server: &MachineServer,
    at: &AuthorizationServer,
) -> Result<(Form, Option<Secret>)> {
    let options = &server.options;
    let mut form = Form::default();
    form.set("grant_type", "client_credentials");
    let methods = at.auth_methods.as_deref().unwrap_or_default();
    let methods: Vec<_> = methods.iter().map(String::as_str).collect();
    let method = AuthMethod::for_secret(options.forced_auth_method, None, &methods);
    let client_id = options.client_id.as_deref().unwrap_or_default();
    let secret = options.client_secret.as_ref();
    let authorization = authenticate(&mut form, method, client_id, secret);
    Ok((form, authorization))
}
