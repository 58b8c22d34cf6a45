//! Token revocation (RFC 7009).

use url::Url;

use super::client_assertion::{ClientEndpoint, ClientKeys};
use super::client_auth::{AuthMethod, authenticate};
use super::http::{Endpoints, Form};
use super::issuer::same_issuer;
use super::metadata::issuer_metadata;
use crate::error::{Code, Error, Result};
use crate::log::Logger;
use crate::network::sanitize_url;
use crate::secret::Secret;

/// A token to revoke, and the client it was issued to.
pub struct Revocation<'a> {
    pub server_name: &'a str,
    pub token: &'a Secret,
    pub is_refresh_token: bool,
    /// The MCP server's, which gets nothing.
    pub server_url: Option<&'a str>,
    pub client_id: &'a str,
    pub client_secret: Option<&'a Secret>,
    /// Of the authorization server that issued the token; else its issuer is asked.
    pub endpoint: Option<&'a str>,
    pub issuer: Option<&'a str>,
    pub auth_methods: Option<&'a [&'a str]>,
}

struct Target {
    url: Url,
    auth_methods: Option<Vec<String>>,
}

impl Revocation<'_> {
    async fn target(&self, endpoints: &Endpoints) -> Result<Target> {
        let owned = |methods: &[&str]| methods.iter().map(|&method| method.to_owned()).collect();
        let target = |url: &str, methods: Option<&[&str]>| {
            Ok(Target {
                url: endpoints.check(url, "revocation_endpoint")?,
                auth_methods: methods.map(owned),
            })
        };
        if let Some(endpoint) = self.endpoint {
            return target(endpoint, self.auth_methods);
        }
        let issuer = self.issuer.filter(|issuer| {
            // `LibreChat` stores the MCP server's URL for an issuer that nobody has told it.
            let server_url = self.server_url;
            server_url.is_none_or(|server_url| !same_issuer(issuer, server_url))
        });
        let announced = match issuer {
            Some(issuer) => issuer_metadata(endpoints, issuer).await?,
            None => None,
        };
        let announced = announced.as_ref();
        match announced.and_then(|it| it.text("revocation_endpoint")) {
            Some(endpoint) => {
                let name = "revocation_endpoint_auth_methods_supported";
                let methods = announced.and_then(|it| it.texts(name));
                target(endpoint, self.auth_methods.or(methods.as_deref()))
            }
            None => Err(Error::new(
                Code::OAuthRevocationFailed,
                "Token revocation failed: no revocation endpoint of the authorization server is known; nothing was sent",
            )),
        }
    }
}

/// Fails with [`Code::OAuthRevocationFailed`] or, where the endpoint cannot be found out or must not be contacted,
/// [`Code::OAuthDiscoveryFailed`].
pub async fn revoke(
    revocation: &Revocation<'_>,
    endpoints: &Endpoints,
    keys: Option<&dyn ClientKeys>,
    logger: &Logger,
) -> Result<()> {
    let failed = |problem: String| Error::new(Code::OAuthRevocationFailed, problem);
    let Target { url, auth_methods } = revocation.target(endpoints).await?;
    let hint = if revocation.is_refresh_token {
        "refresh_token"
    } else {
        "access_token"
    };
    let mut form = Form::default();
    form.set("token", revocation.token.expose());
    form.set("token_type_hint", hint);
    let methods: Option<Vec<&str>> = auth_methods
        .as_ref()
        .map(|methods| methods.iter().map(String::as_str).collect());
    let method = AuthMethod::for_secret(
        None,
        None,
        methods.as_deref().unwrap_or(&["client_secret_basic"]),
    );
    let authorization = authenticate(
        &mut form,
        method,
        revocation.client_id,
        revocation.client_secret,
    );
    let name = revocation.server_name;
    if let (Some(keys), None) = (keys, revocation.client_secret) {
        let at = ClientEndpoint {
            endpoints,
            url: &url,
            name: "revocation_endpoint",
        };
        let proving = keys.authenticate(name, revocation.client_id, &mut form, at);
        proving.await?;
    }
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
    let told = answer.explanation();
    Err(
        failed(format!("Token revocation failed: HTTP {status}{told}"))
            .with_status(status)
            .with_retryable(answer.status.is_server_error()),
    )
}
