//! The server that wants a token, as one call sees it.

use std::sync::Arc;

use url::Url;

use super::diagnosis::configuration;
use crate::environment::Environment;
use crate::error::Result;
use crate::network::{HttpClient, NetworkRules};
use crate::oauth::{Asking, Endpoints, OAuthOptions};
use crate::server_config::{ResolvedConfig, Transport};
use crate::settings::Settings;

/// A server whose tokens an identity provider vouches for.
#[derive(Clone)]
pub struct Target {
    pub(super) url: Url,
    pub(super) options: OAuthOptions,
    /// The way to the server's documents, and to its authorization server.
    pub(super) endpoints: Endpoints,
    pub(super) settings: Arc<Settings>,
}

impl Target {
    /// Fails with [`Code::OboExchangeFailed`](crate::error::Code::OboExchangeFailed) for a process, which has no
    /// authorization server, and as [`Endpoints::new`] does.
    pub fn new(
        config: &ResolvedConfig,
        rules: &NetworkRules,
        environment: &Environment,
        settings: Arc<Settings>,
        http: HttpClient,
    ) -> Result<Self> {
        let Transport::Http { url, proxy, .. } = &config.transport else {
            return Err(configuration(
                "Only a server with a URL can be authorized for",
            ));
        };
        let options = OAuthOptions::new(config.oauth.as_ref());
        let headers = &config.oauth_headers;
        let endpoints = Endpoints::new(http, rules, environment, proxy.as_deref(), headers)?
            .configured_at(&options.endpoints())
            .asking(Asking::default().keeping(config.secrets()));
        Ok(Self {
            url: Url::clone(url),
            options,
            endpoints,
            settings,
        })
    }

    /// As [`Endpoints::told_of`].
    #[must_use]
    pub fn told_of(self, server_name: &str, user_id: Option<&str>) -> Self {
        Self {
            endpoints: self.endpoints.told_of(Some(server_name), user_id),
            ..self
        }
    }
}
