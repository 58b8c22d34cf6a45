//! Tokens on behalf of the user, for connections and for single requests.
//!
//! A connection gets its token from [`OboTokens`] when it is made. Each call then asks again, as its own user, and sends
//! what it got: the caches answer, and a user or an author who lost their rights is noticed.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{CallScope, ConnectionState, Lease, Manager, ServerScope};
use crate::connection::{AccessTokens, log_prefix};
use crate::error::{Cause, Error, Result};
use crate::host::{Host, User};
use crate::obo::{EXCHANGE_TIMEOUT, GraphToken, Obo, ServerToken, TokenUse, claims_challenge};
use crate::secret::Secret;
use crate::server_config::{ServerConfig, TransportKind};

/// One call's wish for a token.
#[derive(Clone, Copy)]
pub struct OboCall<'a> {
    pub purpose: TokenUse<'a>,
    /// How long the exchange may take; else [`EXCHANGE_TIMEOUT`].
    pub timeout: Option<Duration>,
    pub cancel: &'a CancellationToken,
}

/// Where a connection's token comes from: the exchange, as the call that asked for the connection.
struct OboTokens {
    obo: Obo,
    host: Host,
    user: User,
    server_name: Arc<str>,
    config: ServerConfig,
    log_prefix: String,
    /// The token that came in place of a refused one; that one is not replaced again.
    replacement: Mutex<Option<Secret>>,
}

impl OboTokens {
    async fn token(&self, rejected: Option<&Secret>) -> Result<Option<Secret>> {
        let request = ServerToken {
            host: &self.host,
            user: &self.user,
            server_name: &self.server_name,
            config: &self.config,
            log_prefix: &self.log_prefix,
            purpose: TokenUse::Connection,
            rejected,
            deadline: Instant::now() + EXCHANGE_TIMEOUT,
        };
        self.obo.token(&request).await
    }
}

#[async_trait]
impl AccessTokens for OboTokens {
    async fn current(&self) -> Result<Option<Secret>> {
        self.token(None).await
    }

    fn is_due(&self) -> bool {
        true
    }

    fn is_required(&self) -> bool {
        true
    }

    fn final_refusal(&self, refusal: &Error) -> Option<Error> {
        claims_challenge(refusal)
    }

    async fn replace(&self, refused: &Secret) -> Result<Option<Secret>> {
        if self.replacement.lock().as_ref() == Some(refused) {
            return Ok(None);
        }
        let token = self.token(Some(refused)).await?;
        self.replacement.lock().clone_from(&token);
        Ok(token)
    }
}

impl Manager {
    /// The exchanges of this runtime.
    #[must_use]
    pub fn obo(&self) -> &Obo {
        &self.0.obo
    }

    /// Where connections to this server get their token from; `None` for servers without `obo`.
    pub(super) fn obo_tokens(
        &self,
        scope: &CallScope<'_>,
        server: &ServerScope,
        transport: TransportKind,
    ) -> Result<Option<Arc<dyn AccessTokens>>> {
        if server.config.obo_scopes.is_none() {
            return Ok(None);
        }
        match transport {
            TransportKind::Sse | TransportKind::StreamableHttp => {}
            kind @ (TransportKind::Stdio | TransportKind::WebSocket) => {
                return Err(Error::invalid_config(format!(
                    "OBO is not available over the {} transport",
                    kind.as_str()
                )));
            }
        }
        Ok(Some(Arc::new(OboTokens {
            obo: self.0.obo.clone(),
            host: scope.host.clone(),
            user: scope.user.cloned().unwrap_or_default(),
            server_name: Arc::clone(&server.key.server_name),
            config: server.config.clone(),
            log_prefix: log_prefix(server.key.owner.user_id(), &server.key.server_name),
            replacement: Mutex::default(),
        })))
    }

    /// The token that a call sends to the server on behalf of its user; `None` for servers without `obo`.
    pub async fn obo_token(
        &self,
        scope: &CallScope<'_>,
        server: &ServerScope,
        call: OboCall<'_>,
    ) -> Result<Option<Secret>> {
        self.server_token(scope, server, call, None).await
    }

    /// In whose words a missing token is told: the reference connects first, and asks again for each call.
    #[must_use]
    pub fn token_use<'a>(&self, server: &ServerScope, tool_name: &'a str) -> TokenUse<'a> {
        if self.state(&server.key) == ConnectionState::Connected {
            TokenUse::ToolCall(tool_name)
        } else {
            TokenUse::Connection
        }
    }

    /// The token that the call goes on with once it is connected: what a new connection was accepted with, else its
    /// own, which the requests that belong to no call follow from now on.
    #[must_use]
    pub fn settle_token(lease: &Lease, token: Secret) -> Secret {
        let bearer = &lease.connection().recipe.bearer;
        if !lease.is_reused()
            && let Some(accepted) = bearer.get()
        {
            return accepted;
        }
        bearer.set(token.clone());
        token
    }

    /// Another token in place of one that the server answered with 401; `None` where the refusal has nothing to do
    /// with it. The caller tries once with the new one, and no further.
    pub async fn renewed_obo_token(
        &self,
        scope: &CallScope<'_>,
        server: &ServerScope,
        call: OboCall<'_>,
        rejected: &Secret,
        refusal: &Error,
    ) -> Result<Option<Secret>> {
        let refusal = match &refusal.cause {
            Some(Cause::Error(inner)) if refusal.status.is_none() => inner,
            _ => refusal,
        };
        if !refusal.wants_authorization() {
            return Ok(None);
        }
        if let Some(challenge) = claims_challenge(refusal) {
            return Err(challenge);
        }
        // A 403 is about what the user may do, which another token does not change.
        if refusal.status != Some(401) {
            return Ok(None);
        }
        self.server_token(scope, server, call, Some(rejected)).await
    }

    /// The Graph token of a call, where the config has a place for one. Without a token the placeholder stays.
    pub async fn graph_token(
        &self,
        scope: &CallScope<'_>,
        server: &ServerScope,
        cancel: &CancellationToken,
    ) -> Result<Option<Secret>> {
        let Some(user) = scope.user.filter(|_| server.config.uses_graph_token()) else {
            return Ok(None);
        };
        let request = GraphToken {
            host: scope.host,
            user,
            deadline: Instant::now() + EXCHANGE_TIMEOUT,
        };
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(Error::aborted()),
            () = self.0.closing.cancelled() => Err(Error::closed()),
            token = Box::pin(self.0.obo.graph_token(&request)) => Ok(token),
        }
    }

    async fn server_token(
        &self,
        scope: &CallScope<'_>,
        server: &ServerScope,
        call: OboCall<'_>,
        rejected: Option<&Secret>,
    ) -> Result<Option<Secret>> {
        let nobody = User::default();
        let request = ServerToken {
            host: scope.host,
            user: scope.user.unwrap_or(&nobody),
            server_name: &server.key.server_name,
            config: &server.config,
            log_prefix: &log_prefix(server.key.owner.user_id(), &server.key.server_name),
            purpose: call.purpose,
            rejected,
            deadline: Instant::now() + call.timeout.unwrap_or(EXCHANGE_TIMEOUT),
        };
        tokio::select! {
            biased;
            () = call.cancel.cancelled() => Err(Error::aborted()),
            () = self.0.closing.cancelled() => Err(Error::closed()),
            outcome = Box::pin(self.0.obo.token(&request)) => outcome,
        }
    }
}

/// Puts a token over the headers of a request, so that none but the call's own is ever sent.
pub fn with_bearer(
    headers: Option<Arc<HeaderMap>>,
    bearer: Option<&Secret>,
) -> Option<Arc<HeaderMap>> {
    let Some(bearer) = bearer else {
        return headers;
    };
    let mut headers = headers.map(Arc::unwrap_or_clone).unwrap_or_default();
    // An exchanged token was checked to fit a header when it came.
    if let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {}", bearer.expose())) {
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Some(Arc::new(headers))
}
