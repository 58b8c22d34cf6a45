//! The refresh grant (RFC 6749, section 6), as `LibreChat` sends it.

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::binding::Binding;
use super::client_assertion::{ClientEndpoint, KeyedClient};
use super::client_auth::{AuthMethod, authenticate, authenticate_client};
use super::documents::{ClientInfo, ServerMetadata, Tokens};
use super::form::Form;
use super::http::Endpoints;
use super::issuer::{bind_to_origin, origin_of, same_issuer, same_url};
use super::leases::refresh_unavailable;
use super::metadata::{authorization_server, check_resource, issuer_metadata, resource_metadata};
use super::options::OAuthOptions;
use super::storage::unbound;
use crate::cancel::until_closed;
use crate::error::{Code, Error, Result};
use crate::host::ClientAssertions;
use crate::log::Logger;
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
    /// Of the authorization server's metadata when the user authorized: whose the refresh token is.
    pub stored: StoredEndpoint<'a>,
    /// The store has no row of the client at all, which ends a year after the login while refresh tokens go on.
    pub nothing_stored: bool,
    /// Makes the assertions of a client whose key the host keeps.
    pub assertions: Option<&'a dyn ClientAssertions>,
    pub logger: &'a Logger,
}

#[derive(Clone, Copy, Default)]
pub struct StoredEndpoint<'a> {
    pub token_endpoint: Option<&'a str>,
    pub auth_methods: Option<&'a [&'a str]>,
    pub issuer: Option<&'a str>,
    /// The MCP server that the grant is for.
    pub server_url: Option<&'a str>,
    /// Where the client came from.
    pub client_source: Option<&'a str>,
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
    /// Fails with [`Code::ReauthenticationRequired`] where nothing says which authorization server issued the token, and
    /// with [`Code::OAuthRefreshFailed`]; its message has the endpoint's `error` and `error_description`. With
    /// [`Code::TokenRefreshUnavailable`] nothing was sent, since it was too late.
    pub async fn send(
        &self,
        refresh_token: &Secret,
        send_by: Option<Instant>,
        closing: &CancellationToken,
    ) -> Result<Tokens> {
        // Once the token is on its way, what comes back has to be stored, whoever leaves meanwhile.
        let target = until_closed(closing, self.target()).await?;
        let target = target.map_err(as_refresh)?;
        let too_late = || send_by.is_some_and(|send_by| Instant::now() > send_by);
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
        let own = self.server_url.map(|url| self.options.own_resource(url));
        let own = own.as_ref().and_then(|own| own.as_ref()?.resource());
        let resource = self.stored.resource.or(own);
        if let Some(resource) = resource.filter(|_| self.options.sends_resource()) {
            form.set("resource", resource);
        }
        let post = async |form: &mut Form| {
            // Each request has an assertion of its own, for servers take one once.
            let proved = until_closed(closing, self.prove(form, &target)).await?;
            proved.map_err(as_refresh)?;
            if too_late() {
                let why = "the authorization server's metadata or the stored tokens took too long";
                return Err(refresh_unavailable(self.server_name, Error::timeout(why)));
            }
            let sent = self
                .endpoints
                .post_form(&target.url, form, authorization.as_ref());
            sent.await.map_err(as_refresh)
        };
        let mut answer = post(&mut form).await?;
        if answer.wants_nonce() && !too_late() {
            answer = post(&mut form).await?;
        }
        if answer.rejects_scope() && !too_late() && form.remove("scope") {
            self.logger.warn(format!(
                "[MCPOAuth] {} rejected the scope parameter on token refresh (HTTP {}); retrying without scope per RFC \
                 6749 §6",
                self.server_name,
                answer.status.as_u16()
            ));
            answer = post(&mut form).await?;
        }
        let members = answer.success(Code::OAuthRefreshFailed, WHAT)?;
        Tokens::from_response(members, Code::OAuthRefreshFailed)
    }

    /// What a client with a key adds.
    async fn prove(&self, form: &mut Form, target: &Target) -> Result<()> {
        let configured = self.options.client_id.as_deref().unwrap_or_default();
        let client_id = self.client.map_or(configured, ClientInfo::id);
        let keyed = KeyedClient {
            options: self.options,
            server_name: self.server_name,
            assertions: self.assertions,
        };
        let at = ClientEndpoint {
            endpoints: self.endpoints,
            url: &target.url,
            name: "token_endpoint",
        };
        keyed.authenticate(client_id, form, at).await.map(drop)
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

    /// The token endpoint that the grant came from: the stored one, else the config's, else the one that the stored issuer
    /// announces. What the MCP server announces today says nothing about whose the token is.
    async fn target(&self) -> Result<Target> {
        let (options, stored) = (self.options, &self.stored);
        let configured = options.token_url.as_deref();
        let server_url = self.server_url.map(Url::as_str);
        // Rows of June 2026 say neither.
        if stored.server_url.is_some() || stored.client_source.is_some() {
            let binding = Binding {
                server_url: stored.server_url,
                token_endpoint: stored.token_endpoint,
                client_source: stored.client_source,
                resource: stored.resource,
                auth_methods: stored.auth_methods,
            };
            binding.check(self.server_name, server_url, self.client, options)?;
        }
        let differs = |stored: &str| configured.is_some_and(|it| !same_url(it, stored));
        if stored.token_endpoint.is_some_and(differs) {
            return Err(unbound(self.server_name));
        }
        let client_secret = self.client.and_then(ClientInfo::secret);
        if configured.is_none() && client_secret.is_some() && client_secret == options.client_secret
        {
            return Err(Error::new(
                Code::OAuthRefreshFailed,
                "[MCPOAuth] Stored OAuth client_secret from unpinned configuration cannot be used with auto-discovered \
                 token endpoints. Configure oauth.token_url or re-authenticate without oauth.client_secret.",
            ));
        }
        self.check_confidential()?;
        if let Some(url) = stored.token_endpoint.or(configured) {
            let owned =
                |methods: &[&str]| methods.iter().map(|&method| method.to_owned()).collect();
            let of_config = configured.and(options.token_auth_methods.clone());
            return Ok(Target {
                url: self.endpoints.check(url, "token_url")?,
                auth_methods: of_config.or_else(|| stored.auth_methods.map(owned)),
            });
        }
        // `LibreChat` stores the MCP server's URL for an issuer that nobody has told it.
        let issuer = stored
            .issuer
            .filter(|issuer| server_url.is_none_or(|server_url| !same_issuer(issuer, server_url)));
        let server = match (issuer, self.server_url) {
            (Some(issuer), _) => issuer_metadata(self.endpoints, issuer).await?,
            (None, Some(server_url)) if self.nothing_stored => self.own_server(server_url).await?,
            _ => None,
        };
        let server = server.ok_or_else(|| unbound(self.server_name))?;
        let methods = server.texts("token_endpoint_auth_methods_supported");
        let url = server.endpoint("token_endpoint")?;
        Ok(Target {
            url: self.endpoints.check(url, "token_url")?,
            auth_methods: methods.map(|methods| methods.into_iter().map(str::to_owned).collect()),
        })
    }

    /// The secret of a client goes only to the token endpoint that is stored with it, and only while the config wants no
    /// other client: whoever edits a server's config does not get the secrets of its users' registrations.
    fn check_confidential(&self) -> Result<()> {
        let Some((client, secret)) = self.client.and_then(|it| Some((it, it.secret()?))) else {
            return Ok(());
        };
        let refuse = |reason: &str| {
            Err(Error::new(
                Code::ReauthenticationRequired,
                format!("[MCPOAuth] Stored OAuth {reason}; re-authentication is required."),
            ))
        };
        let options = self.options;
        if self.stored.token_endpoint.is_none() {
            return if options.token_url.is_some() {
                refuse("client_secret is missing its bound token endpoint")
            } else {
                Ok(())
            };
        }
        // A client is registered all the same with a server that reads no metadata documents of clients.
        let wanted = options.client_id.as_deref();
        let wanted = wanted.filter(|_| !options.client_id_is_document());
        if wanted.is_some_and(|id| id != client.id() || options.client_secret != Some(secret)) {
            return refuse("client binding no longer matches current OAuth client configuration");
        }
        Ok(())
    }

    /// Without any row of the client only an MCP server that is its own authorization server, with everything at its own
    /// origin, may be whom the token came from; it is as in `LibreChat`, which sends the token where the server says.
    async fn own_server(&self, server_url: &Url) -> Result<Option<ServerMetadata>> {
        let resource = resource_metadata(self.endpoints, server_url, None).await?;
        if let Some(document) = &resource {
            check_resource(server_url, document)?;
        }
        let mut server =
            authorization_server(self.endpoints, server_url, resource.as_ref()).await?;
        if let Some(server) = &mut server {
            bind_to_origin(server)?;
        }
        Ok(server.filter(|server| {
            let own =
                |name: &str| server.text(name).and_then(origin_of) == Some(server_url.origin());
            own("issuer") && own("token_endpoint")
        }))
    }
}

fn as_refresh(error: Error) -> Error {
    if matches!(
        error.code,
        Code::OAuthRefreshFailed | Code::ReauthenticationRequired
    ) {
        return error;
    }
    let retryable = error.retryable;
    Error::new(Code::OAuthRefreshFailed, format!("{WHAT} failed: {error}"))
        .with_retryable(retryable)
        .caused_by(error)
}
