//! The two steps from an ID token to an access token.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::diagnosis::{Step, configuration};
use super::identity_provider::{Asked, Provider, authenticate_hosts, id_jag_of};
use super::target::Target;
use super::token_endpoint::ask;
use crate::error::Result;
use crate::foreign_text::foreign_error;
use crate::grants::authorization_server::{AuthorizationServer, AuthorizationServers, Protected};
use crate::grants::client::Client;
use crate::grants::jwt::{JWT_BEARER, claims};
use crate::host::Host;
use crate::network::HttpClient;
use crate::oauth::{
    Endpoints, Form, OAuthOptions, ResourceMetadata, check_resource, protected_resource,
};
use crate::obo::{Exchanging, Failure, Grant, granted, once_more};
use crate::secret::Secret;

/// The exchange for one user and one server.
pub(super) struct IdJagExchange {
    pub http: HttpClient,
    pub servers: AuthorizationServers,
    pub host: Host,
    pub server_name: String,
    pub user: String,
    pub target: Arc<Target>,
    pub provider: Provider,
    pub id_token: Secret,
    /// Where the claims of the ID-JAG are put, for who wants to see them.
    pub seen: Option<Seen>,
}

/// What an ID-JAG claims, once there is one.
pub(super) type Seen = Arc<OnceLock<Map<String, Value>>>;

#[async_trait]
impl Exchanging for IdJagExchange {
    async fn exchange(&self) -> Result<Grant> {
        let at_server = |error| Step::Server.failed(error);
        let found = self.authorization_server().await;
        let (server, issuer, resource) = found.map_err(at_server)?;
        let options = &self.target.options;
        let asked = Asked {
            audience: &issuer,
            resource: options.sends_resource().then_some(&resource),
            scope: server.scope.as_deref(),
        };
        let id_jag = once_more(&self.host.logger, self.again("an ID-JAG"), || {
            self.id_jag(&asked)
        });
        let id_jag = id_jag
            .await
            .map_err(|error| Step::IdentityProvider.failed(error))?;
        if let (Some(seen), Some(claims)) = (&self.seen, claims(&id_jag)) {
            let _ = seen.set(claims);
        }
        let granted = once_more(&self.host.logger, self.again("an access token"), || {
            self.access(&server, &id_jag)
        });
        granted.await.map_err(at_server)
    }
}

impl IdJagExchange {
    fn again(&self, what: &str) -> String {
        format!(
            "[EnterpriseTokenService] Transient failure to get {what} for user: {}, retrying once",
            self.user
        )
    }

    fn client<'a>(&'a self, options: &'a OAuthOptions) -> Client<'a> {
        Client {
            server_name: &self.server_name,
            options,
            assertions: self.host.client_assertions.as_deref(),
        }
    }

    /// Exchanges the ID token, at the operator's identity provider (RFC 8693).
    async fn id_jag(&self, asked: &Asked<'_>) -> Result<Secret, Failure> {
        let endpoints = Endpoints::trusted(self.http.clone(), &self.host.environment)?
            .told_of(Some(&self.server_name), Some(&self.user));
        let mut form = asked.form(&self.id_token);
        let (url, authorization) = match &self.provider {
            Provider::Configured(options) => {
                let protected = Protected {
                    options,
                    endpoints: &endpoints,
                    ..self.protected()
                };
                let provider = self.servers.find(protected).await?;
                let client = self.client(options);
                let authorization = client.authenticate(&mut form, &provider).await?;
                (provider.token_endpoint, authorization)
            }
            Provider::Hosts(client) => authenticate_hosts(client, &self.host, &mut form).await?,
        };
        let (status, members) = ask(&endpoints, &url, &form, authorization.as_ref()).await?;
        id_jag_of(&members).map_err(|error| Failure::of_answer(status, error))
    }

    /// Redeems the ID-JAG, at the authorization server that it was made for (RFC 7523).
    async fn access(
        &self,
        server: &AuthorizationServer,
        id_jag: &Secret,
    ) -> Result<Grant, Failure> {
        let mut form = Form::default();
        form.set("grant_type", JWT_BEARER);
        form.set("assertion", id_jag.expose());
        let Target {
            options, endpoints, ..
        } = &*self.target;
        let client = self.client(options);
        let authorization = client.authenticate(&mut form, server).await?;
        let (url, authorization) = (&server.token_endpoint, authorization.as_ref());
        let (status, members) = ask(endpoints, url, &form, authorization).await?;
        granted(status, &members)
    }

    fn protected(&self) -> Protected<'_> {
        let target = &*self.target;
        Protected {
            server_name: &self.server_name,
            server_url: &target.url,
            options: &target.options,
            endpoints: &target.endpoints,
            settings: &target.settings,
            logger: &self.host.logger,
            asks_server: false,
        }
    }

    /// The authorization server whose ID-JAG is asked for, its issuer, and what the MCP server is called there.
    async fn authorization_server(&self) -> Result<(AuthorizationServer, String, String)> {
        let found = self.found().await;
        found.map_err(|error| foreign_error(error, self.target.endpoints.secrets()))
    }

    async fn found(&self) -> Result<(AuthorizationServer, String, String)> {
        let server = self.servers.find(self.protected()).await?;
        let issuer = server.issuer.clone().ok_or_else(|| {
            configuration("`oauth.grant: enterprise` needs `oauth.issuer` beside `oauth.token_url`")
        })?;
        if !server.is_configured {
            let resource = server.resource.clone();
            return Ok((server, issuer, resource));
        }
        // The config says who the authorization server is, and the MCP server what it is called itself.
        let Target {
            url,
            endpoints,
            settings,
            ..
        } = &*self.target;
        let logger = &self.host.logger;
        let (_, document) = protected_resource(endpoints, url, settings, logger).await;
        let document = document.unwrap_or_default();
        if let Some(document) = &document {
            check_resource(url, document)?;
        }
        let named = document.as_ref().and_then(ResourceMetadata::resource);
        let resource = named.unwrap_or(&server.resource).to_owned();
        Ok((server, issuer, resource))
    }
}
