//! Which authorization server a grant goes to. What proves who asks is as good as a password there, so an MCP server has
//! no second say in it: the first that was used stays.

use std::sync::Arc;

use serde_json::Map;
use url::Url;

use crate::digest::{Digest, Parts};
use crate::error::{Code, Error, Result};
use crate::log::Logger;
use crate::lru_map::LruMap;
use crate::network::sanitize_url;
use crate::oauth::{
    BearerChallenge, Endpoints, OAuthOptions, ResourceMetadata, ServerMetadata,
    authorization_server, check_resource, is_same_origin, issuer_metadata, protected_resource,
    same_issuer, stated_issuer, wants_dpop,
};
use crate::settings::Settings;

/// Servers of operators, of which there are never as many.
const KNOWN: usize = 10_000;

/// An authorization server, and what is known of the MCP server there.
#[derive(Debug, Clone)]
pub struct AuthorizationServer {
    /// Absent where the config names a token endpoint and nothing else.
    pub issuer: Option<String>,
    pub token_endpoint: Url,
    /// Ways to authenticate a client at the token endpoint, where they are known.
    pub auth_methods: Option<Vec<String>>,
    /// Algorithms of clients' assertions that it takes, where it says so.
    pub signing_algs: Option<Vec<String>>,
    /// Tokens are to be bound to a key (RFC 9449).
    pub wants_dpop: bool,
    /// What tokens are to be good for (RFC 8707).
    pub resource: String,
    /// Scopes that the MCP server asks for, where the config has none.
    pub scope: Option<String>,
    /// Whether the operator named it, and not the MCP server.
    pub is_configured: bool,
}

/// The MCP server that wants a token, and the way to those who know of one.
#[derive(Clone, Copy)]
pub struct Protected<'a> {
    pub server_name: &'a str,
    pub server_url: &'a Url,
    pub options: &'a OAuthOptions,
    pub endpoints: &'a Endpoints,
    pub settings: &'a Settings,
    pub logger: &'a Logger,
    /// Whether it has refused a token, or takes no token without a proof: then it is asked what it takes, also where the
    /// operator named the authorization server.
    pub asks_server: bool,
}

/// Those that were used, by config, for as long as the runtime lives. Cheap to clone.
#[derive(Clone)]
pub struct AuthorizationServers(Arc<LruMap<Digest, Used>>);

#[derive(Clone, PartialEq)]
struct Used {
    issuer: String,
    token_endpoint: Url,
}

impl Default for AuthorizationServers {
    fn default() -> Self {
        Self(Arc::new(LruMap::new(KNOWN)))
    }
}

impl AuthorizationServers {
    /// Finds out where a token for the server is to be had: from the config, else from the server's own documents.
    ///
    /// Fails with [`Code::OAuthDiscoveryFailed`] where nobody says so, where documents are not of those they are about, and
    /// where the server names another authorization server than at first.
    pub async fn find(&self, protected: Protected<'_>) -> Result<AuthorizationServer> {
        let options = protected.options;
        let is_named = options.token_url.is_some() || options.issuer.is_some();
        let (challenge, resource) = if is_named && protected.asks_server && options.dpop.is_none() {
            protected.asked().await
        } else {
            (None, None)
        };
        let dpop = |metadata: &ServerMetadata| {
            wants_dpop(
                options.dpop,
                resource.as_ref(),
                challenge.as_ref(),
                metadata,
            )
        };
        let named =
            |wants_dpop, issuer, token_endpoint, auth_methods, signing_algs| AuthorizationServer {
                wants_dpop,
                issuer,
                token_endpoint,
                auth_methods,
                signing_algs,
                resource: protected.server_url.to_string(),
                scope: options.scope.clone(),
                is_configured: true,
            };
        if let Some(url) = &options.token_url {
            return Ok(named(
                dpop(&ServerMetadata(Map::new()))?,
                options.issuer.clone(),
                protected.endpoints.check(url, "token_url")?,
                options.token_auth_methods.clone(),
                None,
            ));
        }
        if let Some(issuer) = &options.issuer {
            let metadata = issuer_metadata(protected.endpoints, issuer).await?;
            let metadata = metadata.ok_or_else(|| {
                discovery(format!(
                    "{issuer} publishes no metadata (RFC 8414). Configure `oauth.token_url` beside `oauth.issuer`"
                ))
            })?;
            return Ok(named(
                dpop(&metadata)?,
                Some(stated_issuer(&metadata, issuer).to_owned()),
                protected.token_endpoint(&metadata)?,
                protected.auth_methods(&metadata),
                metadata.signing_algs(),
            ));
        }
        let (server, issuer) = protected.announced().await?;
        self.keep(protected, issuer, &server.token_endpoint)?;
        Ok(server)
    }

    /// Refuses another one than the first.
    fn keep(&self, protected: Protected<'_>, issuer: String, token_endpoint: &Url) -> Result<()> {
        let mut parts = Parts::of("authorization server");
        for part in [
            protected.server_name,
            protected.server_url.as_str(),
            protected.options.client_id.as_deref().unwrap_or_default(),
        ] {
            parts.add(part);
        }
        let now = Used {
            issuer,
            token_endpoint: token_endpoint.clone(),
        };
        let made = || Ok::<_, Error>(now.clone());
        let first = self.0.get_or_make(&parts.digest(), made)?;
        if same_issuer(&first.issuer, &now.issuer) && first.token_endpoint == now.token_endpoint {
            return Ok(());
        }
        let shown = |used: &Used| sanitize_url(&used.token_endpoint);
        Err(discovery(format!(
            "The MCP server names another authorization server ({}) than at first ({}), which gets nothing. If it is \
             meant, configure `oauth.issuer`",
            shown(&now),
            shown(&first)
        )))
    }
}

impl Protected<'_> {
    /// What the MCP server says that it takes. It has no say in more than that here.
    async fn asked(self) -> (Option<BearerChallenge>, Option<ResourceMetadata>) {
        let (url, settings) = (self.server_url, self.settings);
        let asked = protected_resource(self.endpoints, url, settings, self.logger);
        let (challenge, resource) = asked.await;
        let resource = resource.ok().flatten();
        (
            challenge,
            resource.filter(|it| check_resource(url, it).is_ok()),
        )
    }

    /// What the MCP server's documents say, and the issuer of it.
    async fn announced(self) -> Result<(AuthorizationServer, String)> {
        let Protected {
            server_url,
            options,
            endpoints,
            settings,
            logger,
            ..
        } = self;
        let (challenge, resource) =
            protected_resource(endpoints, server_url, settings, logger).await;
        let resource = resource?;
        if let Some(resource) = &resource {
            check_resource(server_url, resource)?;
        }
        let found = authorization_server(endpoints, server_url, resource.as_ref()).await?;
        let metadata = found.ok_or_else(|| {
            discovery(
                "The MCP server names no authorization server (RFC 9728). Configure `oauth.issuer` or `oauth.token_url`"
                    .to_owned(),
            )
        })?;
        let token_endpoint = self.token_endpoint(&metadata)?;
        let issuer = metadata.text("issuer").unwrap_or_default().to_owned();
        if !is_same_origin(&issuer, &token_endpoint) {
            // An operator may confirm that both belong together, an MCP server may not.
            return Err(discovery(format!(
                "The authorization server that the MCP server names has its token endpoint ({}) at another origin than \
                 itself. If it is meant, configure `oauth.issuer`",
                sanitize_url(&token_endpoint)
            )));
        }
        let resource = resource.as_ref();
        let named = resource.and_then(ResourceMetadata::resource);
        let wants_dpop = wants_dpop(options.dpop, resource, challenge.as_ref(), &metadata)?;
        let asked = challenge.and_then(|challenge| challenge.scope);
        let server = AuthorizationServer {
            issuer: Some(issuer.clone()),
            auth_methods: self.auth_methods(&metadata),
            signing_algs: metadata.signing_algs(),
            wants_dpop,
            token_endpoint,
            resource: named.map_or_else(|| server_url.to_string(), str::to_owned),
            scope: (options.scope.clone().or(asked))
                .or_else(|| resource.and_then(ResourceMetadata::scopes))
                .filter(|scope| !scope.is_empty()),
            is_configured: false,
        };
        Ok((server, issuer))
    }

    fn token_endpoint(self, metadata: &ServerMetadata) -> Result<Url> {
        let url = metadata.text("token_endpoint").unwrap_or_default();
        self.endpoints.check(url, "token_endpoint")
    }

    /// The operator's word, else the authorization server's.
    fn auth_methods(self, metadata: &ServerMetadata) -> Option<Vec<String>> {
        let announced = || metadata.list("token_endpoint_auth_methods_supported");
        self.options.token_auth_methods.clone().or_else(announced)
    }
}

fn discovery(problem: String) -> Error {
    Error::new(Code::OAuthDiscoveryFailed, problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;
    use crate::network::{HttpClient, NetworkRules};

    #[test]
    fn the_first_that_was_used_stays() {
        let http = HttpClient::new();
        let rules = NetworkRules::default();
        let headers = indexmap::IndexMap::new();
        let endpoints =
            Endpoints::new(http, &rules, &Environment::default(), None, &headers).unwrap();
        let url = Url::parse("https://mcp.test/mcp").unwrap();
        let (options, settings, logger) = (
            OAuthOptions::default(),
            Settings::default(),
            Logger::silent(),
        );
        let servers = AuthorizationServers::default();
        let keep = |server_name: &str, issuer: &str, token_endpoint: &str| {
            let protected = Protected {
                server_name,
                server_url: &url,
                options: &options,
                endpoints: &endpoints,
                settings: &settings,
                logger: &logger,
                asks_server: false,
            };
            let token_endpoint = Url::parse(token_endpoint).unwrap();
            servers.keep(protected, issuer.to_owned(), &token_endpoint)
        };
        let (honest, evil) = ("https://as.test", "https://evil.test");
        keep("one", honest, "https://as.test/token").unwrap();
        keep("one", "https://as.test/", "https://as.test/token").unwrap();
        for (issuer, token_endpoint) in [
            (evil, "https://evil.test/token"),
            (honest, "https://as.test/other"),
            (evil, "https://as.test/token"),
        ] {
            let refused = keep("one", issuer, token_endpoint).unwrap_err();
            assert!(refused.message.contains("than at first"), "{refused}");
        }
        keep("one", honest, "https://as.test/token").unwrap();
        keep("two", evil, "https://evil.test/token").unwrap();
    }
}
