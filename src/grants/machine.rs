//! Tokens of this program's own: one for each server, whoever asks.

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use parking_lot::Mutex;
use serde_json::{Map, Value};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use super::authorization_server::AuthorizationServers;
use super::client::Client;
use super::exchange::exchange;
use super::issued::{Description, Issued};
use crate::cancel::until_closed;
use crate::digest::{Digest, Parts};
use crate::error::{Code, Error, Result};
use crate::flights::Flights;
use crate::host::Host;
use crate::log::{Level, LogMeta, log_prefix};
use crate::lru_map::LruMap;
use crate::network::{HttpClient, NetworkRules};
use crate::oauth::{Endpoints, OAuthOptions};
use crate::secret::Secret;
use crate::server_config::{ResolvedConfig, Transport};
use crate::settings::Settings;

/// Servers of operators, of which there are never as many.
const KNOWN: usize = 10_000;
/// Bound on finding the authorization server and asking it.
const LIMIT: Duration = Duration::from_secs(30);

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
    key: Digest,
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
        .configured_at(&options.endpoints());
        Ok(Some(Self {
            key: key(server_name, url, config.oauth.as_ref(), headers),
            server_name: server_name.to_owned(),
            server_url: url.clone(),
            options,
            endpoints,
            http,
            allowed_addresses: rules.allowed_addresses.clone(),
            settings,
            host: host.clone(),
        }))
    }

    pub(super) fn client(&self) -> Client<'_> {
        Client {
            server_name: &self.server_name,
            options: &self.options,
            assertions: self.host.client_assertions.as_deref(),
        }
    }

    fn log(&self, level: Level, message: &str, error: &Error) {
        let message = format!("{} {message}", log_prefix(None, &self.server_name));
        let logger = &self.host.logger;
        logger.with(level, message, LogMeta::Error(error.clone()));
    }

    /// What a call is told, whose user has no part in it: nobody is to be asked to log in.
    fn failed(&self, error: Error) -> Error {
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

/// The tokens of one runtime. Cheap to clone.
#[derive(Clone)]
pub struct Grants {
    servers: AuthorizationServers,
    /// By server.
    issued: Arc<LruMap<Digest, Slot>>,
    requests: Flights<Digest, Issued>,
    closing: CancellationToken,
}

/// The token in use, if there is one.
type Slot = Arc<Mutex<Option<Issued>>>;

impl Grants {
    /// Requests are counted by `tasks`, and end with `closing`.
    #[must_use]
    pub fn new(tasks: TaskTracker, closing: CancellationToken) -> Self {
        Self {
            servers: AuthorizationServers::default(),
            issued: Arc::new(LruMap::new(KNOWN)),
            requests: Flights::new(tasks, "A token request broke off"),
            closing,
        }
    }

    /// The authorization servers that were used.
    #[must_use]
    pub const fn authorization_servers(&self) -> &AuthorizationServers {
        &self.servers
    }

    fn slot(&self, server: &MachineServer) -> Slot {
        let none = || Ok::<_, Error>(Slot::default());
        self.issued
            .get_or_make(&server.key, none)
            .unwrap_or_default()
    }

    /// Describes the token to use now, which is asked for where there is none.
    pub async fn describe(&self, server: MachineServer) -> Result<Description> {
        let issued = self.current(&Arc::new(server)).await?;
        Ok(issued.describe())
    }

    /// The token to use now. One that is due is asked for anew, and does for as long as that fails and it is good.
    pub(super) async fn current(&self, server: &Arc<MachineServer>) -> Result<Issued> {
        let known = self.slot(server).lock().clone();
        if let Some(known) = known.as_ref().filter(|known| !known.is_due()) {
            return Ok(known.clone());
        }
        let asked = self.ask(server, None).await;
        match (asked, known.filter(Issued::is_good)) {
            (Err(error), Some(usable)) if error.code != Code::Closed => Ok(usable),
            (asked, _) => asked,
        }
    }

    /// Another token in place of one that the server has refused.
    pub(super) async fn replaced(
        &self,
        server: &Arc<MachineServer>,
        refused: &Secret,
    ) -> Result<Issued> {
        let known = self.slot(server).lock().clone();
        match known.filter(|known| known.token != *refused && known.is_good()) {
            Some(another) => Ok(another),
            None => self.ask(server, Some(refused.clone())).await,
        }
    }

    /// All who want a token at the same time share one request.
    async fn ask(&self, server: &Arc<MachineServer>, refused: Option<Secret>) -> Result<Issued> {
        let (grants, slot, wanted) = (self.clone(), self.slot(server), Arc::clone(server));
        let request = self.requests.join(&server.key, async move {
            // A request may have ended since this one was found to be needed.
            let known = slot.lock().clone();
            let is_new = |known: &Issued| !known.is_due() && refused.as_ref() != Some(&known.token);
            if let Some(known) = known.as_ref().filter(|known| is_new(known)) {
                return Ok(known.clone());
            }
            let asked = timeout(LIMIT, exchange(&wanted, &grants.servers, refused.is_some()));
            let asked = until_closed(&grants.closing, asked).await?;
            let late = || {
                Err(Error::timeout(
                    "the authorization server did not answer in time",
                ))
            };
            match asked.unwrap_or_else(|_| late()) {
                Ok(issued) => {
                    *slot.lock() = Some(issued.clone());
                    Ok(issued)
                }
                Err(error) => {
                    let error = wanted.failed(error);
                    wanted.log(Level::Error, "Failed to get a token", &error);
                    if let Some(known) = &mut *slot.lock() {
                        known.postpone();
                    }
                    Err(error)
                }
            }
        });
        request.await
    }
}
