//! One MCP session: how it is made, what it answers, how it ends.
//!
//! A [`Recipe`] is data; [`connect`] turns it into a [`Connection`]. A connection that was lost is never mended in
//! place: its owner makes a new one from a recipe.

mod access;
mod answers;
mod breaker;
mod caller;
mod client;
mod connect;
mod engine;
mod events;
mod failures;
mod handshake;
mod inbound;
mod notices;
mod options;
mod param_headers;
mod receiver;
mod requests;
mod rounds;
mod sent;
mod session;
mod standard;
mod tools;

pub use crate::clock::now_ms;
pub use crate::transport::message::Params;
pub use access::{AccessTokens, connect_authorized};
pub use breaker::{Breaker, Breakers};
pub use caller::Caller;
pub use connect::{LastFailure, connect};
pub use events::{Event, Observer};
pub(crate) use failures::gone;
pub use handshake::Described;
pub use options::{CallOptions, Progress};
pub use requests::ProgressSink;
pub use tools::{ToolList, list_tools, list_tools_in_order};

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use http::header::AUTHORIZATION;
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::environment::Environment;
use crate::error::{Code, Error, Result};
use crate::foreign_text::{SentSecrets, foreign_error};
use crate::host::{ServerRequests, ToolPublisher};
use crate::log::Logger;
use crate::network::{HttpClient, NetworkRules, Policy};
use crate::secret::Secret;
use crate::server_config::{Fingerprint, ResolvedConfig};
use crate::settings::Settings;
use crate::telemetry::Metrics;
use crate::transport::Bearer;
use crate::transport::StreamRefusal;
use crate::transport::stdio::{Children, Ending};

/// How long a server may take to show that it answers, whatever time its caller has left.
const SIGN_OF_LIFE_TIMEOUT: Duration = Duration::from_secs(5);
/// JSON-RPC: the headers of a request say something else than its body (MCP 2026-07-28).
const HEADER_MISMATCH: i64 = -32020;

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
    /// Where it comes from, for a user who authorizes with the server.
    pub tokens: Option<Arc<dyn AccessTokens>>,
    pub policy: Policy,
    pub rules: NetworkRules,
    pub http: HttpClient,
    pub children: Children,
    pub settings: Arc<Settings>,
    pub metrics: Arc<Metrics>,
    pub environment: Environment,
    /// Answers what the server asks.
    pub server_requests: Option<Arc<dyn ServerRequests>>,
    /// Where the tools of a user go.
    pub publisher: Option<Arc<dyn ToolPublisher>>,
    /// Hears what happens to the connection.
    pub observer: Option<Arc<dyn Observer>>,
    pub logger: Logger,
}

impl Recipe {
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

/// `[MCP][User: id][server]`, without the user for shared connections.
#[must_use]
pub fn log_prefix(user_id: Option<&str>, server_name: &str) -> String {
    user_id.map_or_else(
        || format!("[MCP][{server_name}]"),
        |user| format!("[MCP][User: {user}][{server_name}]"),
    )
}

/// Which generation of the protocol a server speaks, once known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// `initialize` and sessions, up to 2025-11-25.
    Initialize,
    /// `server/discover` and self-contained requests, from 2026-07-28.
    Discover,
}

/// What earlier connections have told of a server.
#[derive(Debug, Clone, Default)]
pub struct Known {
    pub generation: Option<Generation>,
    pub stream: StreamRefusal,
}

/// An established MCP session.
pub struct Connection {
    pub recipe: Arc<Recipe>,
    /// Milliseconds since the epoch.
    pub created_at: i64,
    pub generation: Generation,
    /// What the host published the user's tools under when the connection was made.
    pub publication_generation: Option<String>,
    session: session::Session,
    /// How the server's process ends, where it is one.
    ending: Option<Ending>,
    /// When the connection was last seen working, in milliseconds since the epoch.
    checked_at: AtomicI64,
}

impl Connection {
    fn new(recipe: Arc<Recipe>, session: session::Session, ending: Option<Ending>) -> Result<Self> {
        let now = now_ms();
        Ok(Self {
            recipe,
            created_at: now,
            generation: session.described()?.generation(),
            publication_generation: None,
            session,
            ending,
            checked_at: AtomicI64::new(now),
        })
    }

    /// What the server says of itself: what it can do, and the revision of MCP that both sides agreed on.
    ///
    /// # Errors
    /// [`Code::ConnectionLost`](crate::error::Code::ConnectionLost) where there never was a handshake.
    pub fn described(&self) -> Result<Arc<Described>> {
        self.session.described()
    }

    /// Sends a request and returns the result as the server wrote it. A request that the server refuses for its token
    /// is sent once more with another, where one is to be had without asking the user.
    pub async fn request<'a>(
        &self,
        method: &str,
        params: impl Into<Params<'a>>,
        options: &CallOptions,
    ) -> Result<Box<RawValue>> {
        let params = params.into();
        let has_own = |tokens: &&Arc<dyn AccessTokens>| {
            let headers = options.headers_of(method);
            tokens.is_required()
                && headers.is_some_and(|headers| headers.contains_key(AUTHORIZATION))
        };
        let tokens = self.recipe.tokens.as_ref();
        let Some(tokens) = tokens.filter(|tokens| !has_own(tokens)) else {
            return self.send(method, params, options).await;
        };
        if tokens.is_due() {
            match options.bound(tokens.current()).await {
                Ok(Some(token)) => self.recipe.bearer.set(token),
                Err(error) if tokens.is_required() => return Err(error),
                _ => {}
            }
        }
        let used = self.recipe.bearer.get();
        let error = match self.send(method, params, options).await {
            Err(error) if access::is_refused_token(&error) => error,
            answer => return answer,
        };
        if let Some(refusal) = tokens.final_refusal(&error) {
            return Err(refusal);
        }
        let current = self.recipe.bearer.get();
        // Another request may have been refused, and have led to a new token, in the meantime.
        if current == used {
            let Some(refused) = &used else {
                return Err(error);
            };
            match options.bound(tokens.replace(refused)).await? {
                Some(token) => self.recipe.bearer.set(token),
                None => return Err(error),
            }
        }
        // The server has seen both tokens by now.
        let sent = SentSecrets::from(Vec::from_iter(used));
        let outcome = self.send(method, params, options).await;
        outcome.map_err(|error| foreign_error(error, &sent))
    }

    /// A server of 2026-07-28 may want arguments of a tool as headers, which its list of tools names.
    async fn send(
        &self,
        method: &str,
        params: Params<'_>,
        options: &CallOptions,
    ) -> Result<Box<RawValue>> {
        if method != "tools/call" || self.generation != Generation::Discover {
            return self.send_once(method, params, options).await;
        }
        match self.send_once(method, params, options).await {
            // Nobody has read the list over this connection yet, or it has changed since. The call itself was not made.
            Err(error) if error.rpc_code == Some(HEADER_MISMATCH) => {
                Box::pin(list_tools(self, options))
                    .await
                    .map_err(|_| error)?;
                self.send_once(method, params, options).await
            }
            outcome => outcome,
        }
    }

    /// One request. That of a process that has ended fails with how it ended.
    async fn send_once(
        &self,
        method: &str,
        params: Params<'_>,
        options: &CallOptions,
    ) -> Result<Box<RawValue>> {
        let bearer = self.recipe.bearer.get();
        let outcome = self.session.request(method, params, options).await;
        let error = match (outcome, &self.ending) {
            (Ok(answer), _) => return Ok(answer),
            (Err(error), Some(ending)) => ending.explain(error, &options.cancel).await,
            (Err(error), None) => error,
        };
        let headers = options.headers_of(method).map(Arc::as_ref);
        Err(foreign_error(
            error,
            &self.recipe.sent_secrets(bearer, headers),
        ))
    }

    /// How often the server has said that its tools changed.
    #[must_use]
    pub fn tools_changes(&self) -> u64 {
        self.session.tools_changes()
    }

    /// Whether the transport is gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.session.is_closed()
    }

    /// Whether the server still answers: asked at most once per `MCP_CONNECTION_CHECK_TTL`.
    pub async fn is_connected(&self, options: &CallOptions) -> bool {
        if self.is_closed() {
            return false;
        }
        let now = now_ms();
        let checked =
            Duration::from_millis((now - self.checked_at.load(Ordering::Relaxed)).unsigned_abs());
        if checked < self.recipe.settings.connection_check_ttl
            || self.generation == Generation::Discover
        {
            return true;
        }
        self.checked_at.store(now, Ordering::Relaxed);
        // Boxed: rarely asked, and large.
        match Box::pin(self.session.ping(options)).await {
            Ok(()) => !self.is_closed(),
            Err(error) => {
                let sent = self.recipe.sent_secrets(None, options.headers.as_deref());
                let error = foreign_error(error, &sent);
                self.recipe
                    .logger
                    .error(format!("{} Ping failed: {error}", self.recipe.log_prefix()));
                false
            }
        }
    }

    /// Whether the server still answers anything, after a request has failed with `error`.
    pub async fn answers(&self, error: &Error, options: &CallOptions) -> bool {
        let options = CallOptions {
            deadline: Instant::now() + SIGN_OF_LIFE_TIMEOUT,
            ..options.clone()
        };
        let asked = async {
            match self.generation {
                Generation::Initialize => self.session.ping(&options).await,
                Generation::Discover => {
                    let discover = self
                        .session
                        .request("server/discover", Params::None, &options);
                    discover.await.map(drop)
                }
            }
        };
        match Box::pin(asked).await {
            Ok(()) => !self.is_closed(),
            // It has answered the request, in its own way.
            Err(failure) if failure.code == Code::Timeout => error.innermost().rpc_code.is_some(),
            Err(_) => false,
        }
    }

    /// Whether the config changed after it was read for this connection. `updated_at` in milliseconds since the epoch.
    #[must_use]
    pub fn is_stale(&self, updated_at: i64) -> bool {
        self.recipe.made_at < updated_at
    }

    /// Ends the session: `DELETE` over HTTP, end of the process group over stdio. Bounded by the transport.
    pub async fn close(&self) {
        self.session.close().await;
    }
}
