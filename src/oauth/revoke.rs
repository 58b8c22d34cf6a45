//! Token revocation (RFC 7009).

use url::Url;

use super::client_auth::{AuthMethod, authenticate};
use super::http::{Endpoints, Form};
use crate::error::{Code, Error, Result};
use crate::host::Logger;
use crate::network::sanitize_url;
use crate::secret::Secret;

/// A token to revoke, and the client it was issued to.
pub struct Revocation<'a> {
    pub server_name: &'a str,
    pub token: &'a Secret,
    pub is_refresh_token: bool,
    pub server_url: Option<&'a str>,
    pub client_id: &'a str,
    pub client_secret: Option<&'a Secret>,
    /// Else `/revoke` on the server.
    pub endpoint: Option<&'a str>,
    pub auth_methods: Option<&'a [&'a str]>,
}

/// Fails with [`Code::OAuthRevocationFailed`].
pub async fn revoke(
    revocation: &Revocation<'_>,
    endpoints: &Endpoints,
    logger: &Logger,
) -> Result<()> {
    let failed = |problem: String| Error::new(Code::OAuthRevocationFailed, problem);
    let legacy = || {
        let server = Url::parse(revocation.server_url?).ok()?;
        server.join("/revoke").ok().map(String::from)
    };
    let url = match revocation.endpoint {
        Some(endpoint) => Some(endpoint.to_owned()),
        None => legacy(),
    };
    let url =
        url.ok_or_else(|| failed("Token revocation failed: no endpoint is known".to_owned()))?;
    let url = endpoints.check(&url, "revocation_endpoint")?;
    let hint = if revocation.is_refresh_token {
        "refresh_token"
    } else {
        "access_token"
    };
    let mut form = Form::default();
    form.set("token", revocation.token.expose());
    form.set("token_type_hint", hint);
    let method = AuthMethod::for_secret(
        None,
        None,
        revocation.auth_methods.unwrap_or(&["client_secret_basic"]),
    );
    let authorization = authenticate(
        &mut form,
        method,
        revocation.client_id,
        revocation.client_secret,
    );
    let name = revocation.server_name;
    logger.info(format!(
        "[MCPOAuth] Revoking tokens for {name} via {}",
        sanitize_url(&url)
    ));
    let answer = endpoints
        .post_form(&url, &form, authorization.as_ref())
        .await
        .map_err(|error| {
            let retryable = error.retryable;
            failed(format!("Token revocation failed: {error}"))
                .with_retryable(retryable)
                .caused_by(error)
        })?;
    if answer.status.is_success() {
        return Ok(());
    }
    let status = answer.status.as_u16();
    logger.error(format!(
        "[MCPOAuth] Token revocation failed for {name}: HTTP {status}"
    ));
    Err(failed(format!("Token revocation failed: HTTP {status}"))
        .with_status(status)
        .with_retryable(answer.status.is_server_error()))
}
