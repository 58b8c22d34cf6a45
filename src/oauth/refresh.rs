//! The refresh grant (RFC 6749, section 6), as `LibreChat` sends it.

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::client_auth::{AuthMethod, authenticate, authenticate_client};
use super::documents::{ClientInfo, ServerMetadata, Tokens, same_issuer};
use super::http::{Endpoints, Form};
use super::metadata::{check_resource, resource_metadata, server_metadata};
use super::options::OAuthOptions;
use crate::error::{Code, Error, Result};
use crate::host::Logger;
use crate::secret::Secret;

const WHAT: &str = "Token refresh";

/// What is known about the grant that a refresh token came from.
pub struct Refresh<'a> {
    pub endpoints: &'a Endpoints,
    pub options: &'a OAuthOptions,
    pub server_name: &'a str,
    /// The MCP server's.
    pub server_url: Option<&'a Url>,
    pub client: Option<&'a ClientInfo>,
    /// Of the authorization server's metadata when the user authorized.
    pub stored: StoredEndpoint<'a>,
    pub logger: &'a Logger,
}

#[derive(Clone, Copy, Default)]
pub struct StoredEndpoint<'a> {
    pub token_endpoint: Option<&'a str>,
    pub auth_methods: Option<&'a [&'a str]>,
    pub issuer: Option<&'a str>,
    /// The resource indicator of the grant (RFC 8707).
    pub resource: Option<&'a str>,
}

struct Target {
    url: Url,
    auth_methods: Option<Vec<String>>,
}

impl Refresh<'_> {
    /// Sends the token once, and once more without `scope` where the endpoint takes none; nothing after `send_by`.
    ///
    /// Fails with [`Code::OAuthRefreshFailed`]; its message has the endpoint's `error` and `error_description`.
    pub async fn send(
        &self,
        refresh_token: &Secret,
        send_by: Option<Instant>,
        closing: &CancellationToken,
    ) -> Result<Tokens> {
        // Once the token is on its way, what comes back has to be stored, whoever leaves meanwhile.
        let target = tokio::select! {
            biased;
            () = closing.cancelled() => return Err(Error::closed()),
            target = self.target() => target.map_err(as_refresh)?,
        };
        let too_late = || send_by.is_some_and(|send_by| Instant::now() > send_by);
        if too_late() {
            return Err(as_refresh(Error::timeout(
                "the authorization server's metadata or the stored tokens took too long",
            )));
        }
        let mut form = Form::default();
        form.set("grant_type", "refresh_token");
        form.set("refresh_token", refresh_token.expose());
        let authorization = self.add_client(&mut form, &target);
        if let (Some(audience), true) = (
            &self.options.audience,
            self.options.forward_audience_on_refresh,
        ) {
            form.set("audience", audience);
        }
        if let Some(resource) = self.stored.resource {
            form.set("resource", resource);
        }
        let post = async |form: &Form| {
            let sent = self
                .endpoints
                .post_form(&target.url, form, authorization.as_ref());
            sent.await.map_err(as_refresh)
        };
        let mut answer = post(&form).await?;
        if answer.rejects_scope() && !too_late() && form.remove("scope") {
            self.logger.warn(format!(
                "[MCPOAuth] {} rejected the scope parameter on token refresh (HTTP {}); retrying without scope per RFC \
                 6749 §6",
                self.server_name,
                answer.status.as_u16()
            ));
            answer = post(&form).await?;
        }
        let members = answer.success(Code::OAuthRefreshFailed, WHAT)?;
        Tokens::from_response(members, Code::OAuthRefreshFailed)
    }

    /// The registered client's scope and credentials, else the configured client's, else none.
    fn add_client(&self, form: &mut Form, target: &Target) -> Option<Secret> {
        let options = self.options;
        let methods: Option<Vec<&str>> = target
            .auth_methods
            .as_ref()
            .map(|methods| methods.iter().map(String::as_str).collect());
        let forced = options.forced_auth_method;
        if let Some(client) = self.client {
            if let Some(scope) = client.scope() {
                form.set("scope", scope);
            }
            return authenticate_client(form, client, forced, methods.as_deref());
        }
        let (Some(id), Some(_)) = (&options.client_id, &options.token_url) else {
            return None;
        };
        if let Some(scope) = &options.scope {
            form.set("scope", scope);
        }
        let supported = methods.as_deref().unwrap_or(&["client_secret_basic"]);
        let method = AuthMethod::for_secret(forced, None, supported);
        authenticate(form, method, id, options.client_secret.as_ref())
    }

    /// The token endpoint: the config's, else the one that is announced, else the stored one. Never a guess: the MCP
    /// server itself must not see refresh tokens.
    async fn target(&self) -> Result<Target> {
        let failed = |problem: &str| Error::new(Code::OAuthRefreshFailed, problem);
        if let Some(url) = &self.options.token_url {
            return Ok(Target {
                url: self.endpoints.check(url, "token_url")?,
                auth_methods: self.options.token_auth_methods.clone(),
            });
        }
        let server_url = self
            .server_url
            .ok_or_else(|| failed("No token URL available for refresh"))?;
        let client_secret = self.client.and_then(ClientInfo::secret);
        if client_secret.is_some() && client_secret == self.options.client_secret {
            return Err(failed(
                "[MCPOAuth] Stored OAuth client_secret from unpinned configuration cannot be used with auto-discovered \
                 token endpoints. Configure oauth.token_url or re-authenticate without oauth.client_secret.",
            ));
        }
        let announced = match self.announced(server_url).await {
            Err(error) if self.stored.token_endpoint.is_none() => return Err(error),
            announced => announced.ok().flatten(),
        };
        // Another issuer has no business with this grant.
        let announced = announced.filter(|server| {
            self.stored.token_endpoint.is_none()
                || self.stored.issuer.is_none_or(|stored| {
                    let announced = server.text("issuer");
                    announced.is_some_and(|announced| same_issuer(announced, stored))
                })
        });
        if let Some(server) = announced {
            let url = server.endpoint("token_endpoint")?;
            let methods = server.texts("token_endpoint_auth_methods_supported");
            return Ok(Target {
                url: self.endpoints.check(url, "token_url")?,
                auth_methods: methods
                    .map(|methods| methods.into_iter().map(str::to_owned).collect()),
            });
        }
        let Some(url) = self.stored.token_endpoint else {
            return Err(failed("No OAuth metadata discovered for token refresh"));
        };
        Ok(Target {
            url: self.endpoints.check(url, "token_url")?,
            auth_methods: self
                .stored
                .auth_methods
                .map(|methods| methods.iter().map(|&method| method.to_owned()).collect()),
        })
    }

    /// What the server's own origin announces, as in the reference; without a stored endpoint also what its protected
    /// resource document leads to.
    async fn announced(&self, server_url: &Url) -> Result<Option<ServerMetadata>> {
        let announced = server_metadata(self.endpoints, server_url).await?;
        if announced.is_some() || self.stored.token_endpoint.is_some() {
            return Ok(announced);
        }
        let Some(document) = resource_metadata(self.endpoints, server_url, None).await? else {
            return Ok(None);
        };
        check_resource(server_url, &document)?;
        let Some(named) = document.authorization_server() else {
            return Ok(None);
        };
        let url = self.endpoints.check(named, "authorization_server")?;
        server_metadata(self.endpoints, &url).await
    }
}

fn as_refresh(error: Error) -> Error {
    if error.code == Code::OAuthRefreshFailed {
        return error;
    }
    let retryable = error.retryable;
    Error::new(Code::OAuthRefreshFailed, format!("{WHAT} failed: {error}"))
        .with_retryable(retryable)
        .caused_by(error)
}
