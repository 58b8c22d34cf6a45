//! Tokens on behalf of the user, for connections and for single requests.

use std::sync::Arc;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Acquire, CallScope, ConnectionState, Lease, Manager, ServerScope};
use crate::connection::log_prefix;
use crate::error::{Cause, Error, Result};
use crate::host::User;
use crate::obo::{EXCHANGE_TIMEOUT, GraphToken, Obo, ServerToken, TokenUse, claims_challenge};
use crate::secret::Secret;
use crate::server_config::TransportKind;

/// One call's wish for a token.
#[derive(Clone, Copy)]
pub struct OboCall<'a> {
    pub purpose: TokenUse<'a>,
    /// How long the exchange may take; else [`EXCHANGE_TIMEOUT`].
    pub timeout: Option<Duration>,
    pub cancel: &'a CancellationToken,
}

impl Manager {
    /// The exchanges of this runtime.
    #[must_use]
    pub fn obo(&self) -> &Obo {
        &self.0.obo
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

    /// A connection for a request that carries the token. A server that does not take it gets another one, once.
    pub async fn acquire_on_behalf(
        &self,
        scope: &CallScope<'_>,
        server: &ServerScope,
        call: OboCall<'_>,
        request: &mut Acquire,
    ) -> Result<Lease> {
        let outcome = self.acquire(request).await;
        let (Err(refusal), Some(token)) = (&outcome, &request.recipe.bearer) else {
            return outcome;
        };
        let renewed = self.renewed_obo_token(scope, server, call, token, refusal);
        let Some(renewed) = renewed.await? else {
            return outcome;
        };
        request.options.headers = with_bearer(request.options.headers.take(), Some(&renewed));
        request.recipe.bearer = Some(renewed);
        self.acquire(request).await
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
        // The token of an OAuth login is none of ours to renew.
        if server.config.obo_scopes.is_none() {
            return Ok(None);
        }
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
        let config = &server.config;
        if config.obo_scopes.is_none() {
            return Ok(None);
        }
        match config.transport_kind()? {
            TransportKind::Sse | TransportKind::StreamableHttp => {}
            kind @ (TransportKind::Stdio | TransportKind::WebSocket) => {
                return Err(Error::invalid_config(format!(
                    "OBO is not available over the {} transport",
                    kind.as_str()
                )));
            }
        }
        let nobody = User::default();
        let request = ServerToken {
            host: scope.host,
            user: scope.user.unwrap_or(&nobody),
            server_name: &server.key.server_name,
            config,
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
