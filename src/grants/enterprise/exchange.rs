//! The two steps from an ID token to an access token.

use std::sync::Arc;

use async_trait::async_trait;

use super::client::ask;
use super::diagnosis::{Step, configuration};
use super::identity_provider::{Asked, Provider};
use super::target::Target;
use crate::error::Result;
use crate::grants::authorization_server::{AuthorizationServer, AuthorizationServers, Protected};
use crate::grants::client::Client;
use crate::host::Host;
use crate::network::HttpClient;
use crate::oauth::{Form, ResourceMetadata, check_resource, protected_resource};
use crate::obo::{Exchanging, Failure, Grant, granted, once_more};
use crate::secret::Secret;

/// RFC 7523, section 2.1.
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

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
}

#[async_trait]
impl Exchanging for IdJagExchange {
    async fn exchange(&self) -> Result<Grant> {
        let at_server = |error| Step::Server.failed(error);
        let found = self.authorization_server().await;
        let (server, issuer, resource) = found.map_err(at_server)?;
        let options = &self.target.options;
        let asked = Asked {
            server_name: &self.server_name,
            id_token: &self.id_token,
            audience: &issuer,
            resource: options.send_resource_parameter.then_some(&resource),
            scope: server.scope.as_deref(),
        };
        let id_jag = once_more(&self.host.logger, self.again("an ID-JAG"), || {
            self.provider.id_jag(&self.http, &self.host, &asked)
        });
        let id_jag = id_jag
            .await
            .map_err(|error| Step::IdentityProvider.failed(error))?;
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

    /// Redeems the ID-JAG, at the authorization server that it was made for (RFC 7523).
    async fn access(
        &self,
        server: &AuthorizationServer,
        id_jag: &Secret,
    ) -> Result<Grant, Failure> {
        let mut form = Form::default();
        form.set("grant_type", GRANT_TYPE);
        form.set("assertion", id_jag.expose());
        let client = Client {
            server_name: &self.server_name,
            options: &self.target.options,
            assertions: self.host.client_assertions.as_deref(),
        };
        let authorization = client.authenticate(&mut form, server).await?;
        let (endpoints, url) = (&self.target.endpoints, &server.token_endpoint);
        let (status, members) = ask(endpoints, url, &form, authorization.as_ref()).await?;
        granted(status, &members)
    }

    /// The authorization server whose ID-JAG is asked for, its issuer, and what the MCP server is called there.
    async fn authorization_server(&self) -> Result<(AuthorizationServer, String, String)> {
        let Target {
            url,
            options,
            endpoints,
            settings,
        } = &*self.target;
        let logger = &self.host.logger;
        let protected = Protected {
            server_name: &self.server_name,
            server_url: url,
            options,
            endpoints,
            settings,
            logger,
        };
        let server = self.servers.find(protected).await?;
        let issuer = server.issuer.clone().ok_or_else(|| {
            configuration("`oauth.grant: enterprise` needs `oauth.issuer` beside `oauth.token_url`")
        })?;
        if !server.is_configured {
            let resource = server.resource.clone();
            return Ok((server, issuer, resource));
        }
        // The config says who the authorization server is, and the MCP server what it is called itself.
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
