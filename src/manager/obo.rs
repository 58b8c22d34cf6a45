//! Tokens that are exchanged for those of the user's login, for connections and for single requests.
//!
//! A connection gets its token from [`OboTokens`] when it is made. Each call then asks again, as its own user, and sends
//! what it got: the caches answer, and a user or an author who lost their rights is noticed.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::directory::ConnectionState;
use super::exchanger::Exchanger;
use super::lease::Lease;
use super::scope::{CallScope, ServerScope};
use super::state::Manager;
use super::token_request::TokenRequest;
use crate::connection::{Access, AccessTokens, Recipe};
use crate::error::{Cause, Error, Result};
use crate::grants::Enterprise;
use crate::host::Host;
use crate::log::log_prefix;
use crate::obo::{EXCHANGE_TIMEOUT, GraphToken, Obo, ServerToken, TokenUse, claims_challenge};
use crate::secret::Secret;
use crate::server_config::{ServerConfig, resolve};
use crate::transport::Bearer;
use crate::user::User;

/// Where a connection's token comes from: the exchange, as the call that asked for the connection.
struct OboTokens {
    exchanger: Exchanger,
    host: Host,
    user: User,
    server_name: Arc<str>,
    config: Arc<ServerConfig>,
    log_prefix: String,
    /// The connection's, which each call gives its own token.
    bearer: Bearer,
    /// The token that came in place of a refused one; that one is not replaced again.
    replacement: Mutex<Option<Secret>>,
}

impl OboTokens {
    /// Whether the login session was there for a call that has ended.
    fn is_over(&self) -> bool {
        let upstream = self.host.upstream_tokens.as_ref();
        upstream.is_some_and(|upstream| upstream.is_over())
    }

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
        self.exchanger.token(&request).await
    }
}

#[async_trait]
impl AccessTokens for OboTokens {
    async fn current(&self) -> Result<Option<Access>> {
        let token = match self.bearer.get().filter(|_| self.is_over()) {
            Some(token) => Some(token),
            None => self.token(None).await?,
        };
        Ok(token.map(Access::from))
    }

    fn is_due(&self) -> bool {
        true
    }

    fn is_required(&self) -> bool {
        true
    }

    fn final_refusal(&self, refusal: &Error, _refused: Option<&Secret>) -> Option<Error> {
        claims_challenge(refusal)
    }

    fn replacement(&self) -> Option<Secret> {
        self.replacement.lock().clone()
    }

    async fn replace(&self, refused: &Secret) -> Result<Option<Access>> {
        if self.is_over() || self.replacement.lock().as_ref() == Some(refused) {
            return Ok(None);
        }
        let token = self.token(Some(refused)).await?;
        self.replacement.lock().clone_from(&token);
        Ok(token.map(Access::from))
    }
}

impl Manager {
    /// The exchanges of this runtime.
    #[must_use]
    pub fn obo(&self) -> &Obo {
        &self.0.obo
    }

    /// The enterprise-managed authorizations of this runtime.
    pub(super) fn enterprise(&self) -> &Enterprise {
        &self.0.enterprise
    }

    /// Where connections to this server get their token from; `None` for servers whose users' tokens are not exchanged.
    pub(super) fn obo_tokens(
        &self,
        scope: &CallScope<'_>,
        server: &ServerScope,
        recipe: &Recipe,
    ) -> Result<Option<Arc<dyn AccessTokens>>> {
        let Some(exchanger) = self.exchanger(scope, server, || Ok(&recipe.config))? else {
            return Ok(None);
        };
        let transport = recipe.config.transport.kind();
        if !transport.has_headers_per_request() {
            return Err(Error::invalid_config(format!(
                "{} is not available over the {} transport",
                exchanger.name(),
                transport.as_str()
            )));
        }
        Ok(Some(Arc::new(OboTokens {
            exchanger,
            host: scope.host.clone(),
            user: scope.user.cloned().unwrap_or_default(),
            server_name: Arc::clone(&server.key.server_name),
            config: Arc::clone(&server.config),
            log_prefix: log_prefix(server.key.owner.user_id(), &server.key.server_name),
            bearer: recipe.bearer.clone(),
            replacement: Mutex::default(),
        })))
    }

    /// The token that a call sends to the server: one on behalf of its user, or the user's own; `None` for servers that
    /// get neither.
    pub async fn call_token(
        &self,
        scope: &CallScope<'_>,
        server: &ServerScope,
        call: TokenRequest<'_>,
    ) -> Result<Option<Secret>> {
        if !server.config.exchanges_tokens() {
            return self.forwarded_token(scope, server, call, false).await;
        }
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

    /// The token that the call goes on with once it is connected, which the requests that belong to no call follow from now
    /// on: its own, or what came in its place where the connection was made for this call and its own was refused.
    #[must_use]
    pub fn settle_token(lease: &Lease, own: &Arc<Recipe>, token: Secret) -> Secret {
        let recipe = &lease.connection().recipe;
        // Headers of tool calls alone may carry a token that the connection goes without.
        let Some(tokens) = &recipe.tokens else {
            return token;
        };
        let is_own = Arc::ptr_eq(recipe, own);
        let replacement = is_own.then(|| tokens.replacement()).flatten();
        let token = replacement.unwrap_or(token);
        recipe.bearer.set(token.clone());
        token
    }

    /// Another token in place of one that the server answered with 401; `None` where the refusal has nothing to do
    /// with it.
    pub(super) async fn renewed_token(
        &self,
        scope: &CallScope<'_>,
        server: &ServerScope,
        call: TokenRequest<'_>,
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
        let is_forwarded = !server.config.exchanges_tokens();
        if let Some(challenge) = claims_challenge(refusal).filter(|_| !is_forwarded) {
            return Err(challenge);
        }
        // A 403 is about what the user may do, which another token does not change.
        if refusal.status != Some(401) {
            return Ok(None);
        }
        if !is_forwarded {
            return self.server_token(scope, server, call, Some(rejected)).await;
        }
        let token = self.forwarded_token(scope, server, call, true).await?;
        Ok(token.filter(|token| token != rejected))
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
        self.until_cancelled(cancel, self.0.obo.graph_token(&request))
            .await
    }

    async fn server_token(
        &self,
        scope: &CallScope<'_>,
        server: &ServerScope,
        call: TokenRequest<'_>,
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
        let resolved = || resolve(&server.config, &scope.context(&server.key.owner));
        let Some(exchanger) = self.exchanger(scope, server, resolved)? else {
            return Ok(None);
        };
        self.until_cancelled(call.cancel, exchanger.token(&request))
            .await?
    }
}
