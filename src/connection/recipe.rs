//! What a connection is made from.

use std::sync::Arc;

use super::access::AccessTokens;
use super::events::Observer;
use super::known_lists::KnownLists;
use super::login::LoginInUse;
use super::result_cache::ResultCache;
use super::shared::{EpochMark, Share, SharedSession};
use crate::environment::Environment;
use crate::governance::Guard;
use crate::host::{ClientProfile, ServerRequests, SharedLimits, ToolPublisher};
use crate::log::{Logger, log_prefix};
use crate::network::{HttpClient, NetworkRules, Policy};
use crate::secret::Secret;
use crate::server_config::{Fingerprint, ResolvedConfig, ToolRules};
use crate::settings::Settings;
use crate::telemetry::Metrics;
use crate::transport::Bearer;
use crate::transport::stdio::Children;

/// Everything a connection is made from.
#[derive(Clone)]
pub struct Recipe {
    pub server_name: String,
    /// The user whose connection this is; `None` for one that all users share.
    pub user_id: Option<String>,
    pub config: ResolvedConfig,
    pub fingerprint: Fingerprint,
    /// The same of the config alone, without what calls and users fill in.
    pub template: Fingerprint,
    /// Whether users authorize with the server.
    pub uses_oauth: bool,
    /// When the config was read, in milliseconds since the epoch.
    pub made_at: i64,
    /// The token in use. Requests of an open connection follow it.
    pub bearer: Bearer,
    /// Whose that is, where a user may have several logins.
    pub login: LoginInUse,
    /// Where it comes from, for a user who authorizes with the server.
    pub tokens: Option<Arc<dyn AccessTokens>>,
    pub policy: Policy,
    pub rules: NetworkRules,
    pub http: HttpClient,
    pub children: Children,
    /// Whether a failure that may pass is followed by another attempt.
    pub retries: bool,
    pub settings: Arc<Settings>,
    pub metrics: Arc<Metrics>,
    pub environment: Environment,
    /// Where other processes find the session, and where theirs are found.
    pub shared: Option<Arc<SharedSession>>,
    /// What tells processes that a user who authorizes with the server has logged out or in.
    pub epoch: Option<Arc<EpochMark>>,
    /// Answers what the server asks.
    pub server_requests: Option<Arc<dyn ServerRequests>>,
    /// Who the server is told that we are.
    pub client: Arc<ClientProfile>,
    /// Where the tools of a user go.
    pub publisher: Option<Arc<dyn ToolPublisher>>,
    /// What processes count together.
    pub limits: Option<Arc<dyn SharedLimits>>,
    /// Results that servers say are still valid.
    pub results: ResultCache,
    /// Lists of tools that were read before.
    pub lists: KnownLists,
    /// What its config said about its tools when it was made.
    pub own_rules: Option<Arc<ToolRules>>,
    /// What tells the server from an operator's of the same name.
    pub identity: Option<String>,
    /// Which of the tools there are. Absent: all.
    pub guard: Option<Arc<Guard>>,
    /// Hears what happens to the connection.
    pub observer: Option<Arc<dyn Observer>>,
    pub logger: Logger,
}

impl Recipe {
    /// The connection's part in a session that processes share.
    pub(super) fn share(&self) -> Option<Share> {
        let session = self.shared.clone()?;
        let epoch = self.epoch.as_ref().map(|epoch| epoch.begun_in());
        Some(Share::new(session, self.login.clone(), epoch))
    }

    /// For another connection, where one has been made from this: the token of that may be of another login.
    #[must_use]
    pub fn apart(self: Arc<Self>) -> Arc<Self> {
        let tokens = self.tokens.as_ref().filter(|tokens| !tokens.is_required());
        if tokens.is_none() || self.bearer.get().is_none() {
            return self;
        }
        Arc::new(Self {
            bearer: Bearer::default(),
            login: LoginInUse::of_several(),
            epoch: self.epoch.as_ref().map(|epoch| epoch.apart()),
            ..(*self).clone()
        })
    }

    /// Makes what has no token of its own use this one, where the connection sends any.
    pub fn go_on_with(&self, token: Option<&Secret>) {
        if let (Some(_), Some(token)) = (&self.tokens, token) {
            self.bearer.set(token.clone());
        }
    }

    /// The prefix of every log line about this connection.
    #[must_use]
    pub fn log_prefix(&self) -> String {
        log_prefix(self.user_id.as_deref(), &self.server_name)
    }
}
