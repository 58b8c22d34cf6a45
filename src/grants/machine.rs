//! Tokens of this program's own: one for each server, whoever asks.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::authorization_server::AuthorizationServers;
use super::exchange::exchange;
use super::issued::{Description, Issued};
use super::machine_server::MachineServer;
use crate::cancel::until_closed;
use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::flights::Flights;
use crate::log::Level;
use crate::lru_map::LruMap;
use crate::network::sanitize_url;
use crate::secret::Secret;

/// Servers of operators, of which there are never as many.
const KNOWN: usize = 10_000;
/// Bound on finding the authorization server and asking it.
const LIMIT: Duration = Duration::from_secs(30);

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
            let is_bound = known.is_some_and(|known| known.prover.is_some());
            let is_refused = refused.is_some();
            let asks_server = is_refused || is_bound;
            // Boxed, because it would make every future around it large.
            let asked = Box::pin(exchange(&wanted, &grants.servers, is_refused, asks_server));
            let asked = timeout(LIMIT, asked);
            let asked = until_closed(&grants.closing, asked).await?;
            let late = || {
                let mut named = wanted
                    .options
                    .token_url
                    .iter()
                    .chain(&wanted.options.issuer);
                let named = named.find_map(|url| url.parse().ok());
                let named = named.map(|url| format!(" {}", sanitize_url(&url)));
                Err(Error::timeout(format!(
                    "the authorization server{} did not answer in time",
                    named.unwrap_or_default()
                )))
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
