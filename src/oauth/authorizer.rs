//! One user's relation to one server.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use indexmap::IndexMap;
use parking_lot::Mutex;
use tokio::sync::OnceCell;
use url::Url;

use super::asking::Asking;
use super::client_assertion::KeyedClient;
use super::flow_id::flow_id;
use super::http::Endpoints;
use super::leases::Leases;
use super::options::OAuthOptions;
use super::runtime::OAuth;
use super::storage::{Storage, StoredAccess};
use crate::clock::now_ms;
use crate::connection::{Access, EpochMark, Login, SharedSession};
use crate::dpop::Prover;
use crate::error::{Code, Error, Result};
use crate::host::{FlowStore, Host};
use crate::network::{HttpClient, NetworkRules};
use crate::server_config::Coordination;
use crate::settings::Settings;

/// A token is replaced this long before it expires, so that no request meets the end.
pub(super) const EARLY: Duration = Duration::from_secs(30);

/// How long a store may take that is asked once more.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Who authorizes with what.
pub struct Relation {
    pub user_id: String,
    pub server_name: String,
    pub server_url: Url,
    pub options: OAuthOptions,
    pub oauth_headers: IndexMap<String, String>,
    pub coordination: Coordination,
    /// The server's own proxy.
    pub proxy: Option<String>,
    /// How the server is asked what it wants.
    pub asking: Asking,
    pub rules: NetworkRules,
    pub settings: Arc<Settings>,
    /// What processes share of the connection's session.
    pub session: Option<Arc<SharedSession>>,
    /// Tells processes of logins and logouts.
    pub epoch: Option<Arc<EpochMark>>,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Authorizer(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub oauth: OAuth,
    pub host: Host,
    pub flows: Arc<dyn FlowStore>,
    pub storage: Storage,
    pub endpoints: Endpoints,
    pub relation: Relation,
    /// The user and the server, for calls in this process.
    pub key: String,
    /// What [`Authorizer::flow_id`] has found out.
    pub flow_id: OnceCell<String>,
    /// What [`Authorizer::leases`] has found out.
    pub leases: OnceCell<Option<Leases>>,
    pub prefix: String,
    /// The generation that the host has published a change of these tokens under.
    pub published: Mutex<Option<String>>,
    /// When the token that was handed out last is due to be replaced, in milliseconds since the epoch.
    pub due_at: AtomicI64,
    /// That of the last token which was bound to a key: what servers want in its proofs is known to it.
    pub prover: Mutex<Option<Prover>>,
}

impl Inner {
    pub fn keyed_client(&self) -> KeyedClient<'_> {
        KeyedClient {
            options: &self.relation.options,
            server_name: &self.relation.server_name,
            assertions: self.host.client_assertions.as_deref(),
        }
    }
}

impl Authorizer {
    /// Fails with [`Code::TokenStore`] where the host can store neither tokens nor flows, and with
    /// [`Code::InvalidConfig`] for headers that HTTP cannot carry.
    pub fn new(
        oauth: &OAuth,
        http: HttpClient,
        host: &Host,
        mut relation: Relation,
    ) -> Result<Self> {
        let flows = host.flows.clone().ok_or_else(|| {
            Error::new(
                Code::TokenStore,
                "OAuth flows cannot be stored: the host has no flowManager",
            )
        })?;
        let endpoints = Endpoints::new(
            http,
            &relation.rules,
            &host.environment,
            relation.proxy.as_deref(),
            &relation.oauth_headers,
        )?
        .configured_at(&relation.options.endpoints())
        .asking(std::mem::take(&mut relation.asking))
        .told_of(Some(&relation.server_name), Some(&relation.user_id));
        let host = Host {
            logger: endpoints.logger(&host.logger),
            ..host.clone()
        };
        let storage = Storage::of_host(&host, &relation.user_id, &relation.server_name)?;
        Ok(Self(Arc::new(Inner {
            oauth: oauth.clone(),
            flows,
            endpoints,
            key: flow_id(&relation.user_id, &relation.server_name, None),
            flow_id: OnceCell::new(),
            leases: OnceCell::new(),
            prefix: storage.log_prefix(),
            storage,
            host,
            relation,
            published: Mutex::default(),
            due_at: AtomicI64::new(i64::MAX),
            prover: Mutex::default(),
        })))
    }

    pub(super) async fn stored(&self) -> Result<Option<StoredAccess>> {
        let Relation {
            server_url,
            options,
            ..
        } = &self.0.relation;
        let read = || {
            let known = self.0.prover.lock().clone();
            self.0
                .storage
                .access_for(server_url.as_str(), options, known)
        };
        let stored = match read().await {
            // A process that was held up has not heard what came in time.
            Err(error) if error.code == Code::HostTimeout => {
                let again = tokio::time::timeout(LOOK_AGAIN, read()).await;
                again.unwrap_or(Err(error))
            }
            stored => stored,
        }?;
        if let Some(prover) = stored.as_ref().and_then(|stored| stored.prover.clone()) {
            *self.0.prover.lock() = Some(prover);
        }
        Ok(stored)
    }

    pub(super) fn hand_out(&self, stored: StoredAccess) -> Access {
        let early = i64::try_from(EARLY.as_millis()).unwrap_or_default();
        let due = stored
            .expires_at
            .map_or(i64::MAX, |end| end.saturating_sub(early));
        // A token that lives no longer than that is used while it lasts; the server says when it does not.
        let due = if due <= now_ms() { i64::MAX } else { due };
        self.0.due_at.store(due, Ordering::Relaxed);
        let set = stored.credential_set_id;
        let lineage = |set: String| Login::Sets(self.0.oauth.lineage(&set));
        Access {
            token: stored.token,
            login: set.map_or(Login::Unknown, lineage),
            prover: stored.prover,
        }
    }
}
