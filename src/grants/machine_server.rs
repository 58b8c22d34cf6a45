//! A server that this program has a token of its own for.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Map, Value};
use url::Url;

use super::client::Client;
use crate::digest::{Digest, Parts};
use crate::error::{Code, Error, Result};
use crate::foreign_text::foreign_error;
use crate::host::Host;
use crate::log::{Level, LogMeta, log_prefix};
use crate::network::{HttpClient, NetworkRules};
use crate::oauth::{Asking, Endpoints, OAuthOptions};
use crate::server_config::{ResolvedConfig, Transport};
use crate::settings::Settings;

/// A server that this program has a token of its own for.
pub struct MachineServer {
    pub(super) server_name: String,
    pub(super) server_url: Url,
    pub(super) options: OAuthOptions,
    pub(super) endpoints: Endpoints,
    pub(super) http: HttpClient,
    /// `mcpSettings.allowedAddresses`, for the platform's metadata service.
    pub(super) allowed_addresses: Vec<String>,
    pub(super) settings: Arc<Settings>,
    pub(super) host: Host,
    /// Everything that decides which token it is.
    pub(super) key: Digest,
}

impl MachineServer {
    /// `None` for a process, which has no authorization server.
    ///
    /// Fails as [`Endpoints::new`] does.
    pub fn new(
        server_name: &str,
        config: &ResolvedConfig,
        http: HttpClient,
        rules: &NetworkRules,
        settings: Arc<Settings>,
        host: &Host,
    ) -> Result<Option<Self>> {
        let Transport::Http { url, proxy, .. } = &config.transport else {
            return Ok(None);
        };
        let options = OAuthOptions::new(config.oauth.as_ref());
        let headers = &config.oauth_headers;
        let endpoints = Endpoints::new(
            http.clone(),
            rules,
            &host.environment,
            proxy.as_deref(),
            headers,
        )?
        .configured_at(&options.endpoints())
        .asking(Asking::default().keeping(config.secrets()))
        .told_of(Some(server_name), None);
        let host = Host {
            logger: endpoints.logger(&host.logger),
            ..host.clone()
        };
        Ok(Some(Self {
            key: key(server_name, url, config.oauth.as_ref(), headers),
            server_name: server_name.to_owned(),
            server_url: Url::clone(url),
            options,
            endpoints,
            http,
            allowed_addresses: rules.allowed_addresses.clone(),
            settings,
            host,
        }))
    }

    pub(super) fn client(&self) -> Client<'_> {
        Client {
            server_name: &self.server_name,
            options: &self.options,
            assertions: self.host.client_assertions.as_deref(),
        }
    }

    pub(super) fn log(&self, level: Level, message: &str, error: &Error) {
        let message = format!("{} {message}", log_prefix(None, &self.server_name));
        let logger = &self.host.logger;
        logger.with(level, message, LogMeta::Error(error.clone()));
    }

    /// What a call is told, whose user has no part in it: nobody is to be asked to log in.
    pub(super) fn failed(&self, error: Error) -> Error {
        let error = foreign_error(error, self.endpoints.secrets());
        if matches!(
            error.code,
            Code::Aborted
                | Code::AddressNotAllowed
                | Code::Closed
                | Code::HostError
                | Code::HostTimeout
                | Code::InvalidConfig
        ) {
            return error;
        }
        self.refused(&format!("There is no token for it: {error}"))
            .with_retryable(error.retryable)
            .caused_by(error)
    }

    pub(super) fn refused(&self, problem: &str) -> Error {
        let message = format!("MCP server \"{}\": {problem}", self.server_name);
        Error::new(Code::GrantFailed, message)
    }
}

fn key(
    server_name: &str,
    url: &Url,
    oauth: Option<&Map<String, Value>>,
    headers: &IndexMap<String, String>,
) -> Digest {
    let mut parts = Parts::of("machine");
    parts.add(server_name);
    parts.add(url.as_str());
    let oauth = oauth.map(serde_json::to_string);
    parts.add(oauth.transpose().ok().flatten().unwrap_or_default());
    for (name, value) in headers {
        parts.add(name);
        parts.add(value);
    }
    parts.digest()
}
