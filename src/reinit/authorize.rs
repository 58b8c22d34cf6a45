//! Connecting in step 5, and asking the user where that needs a browser.

use std::time::Duration;

use tokio::time::Instant;

use super::{Connected, Run};
use crate::error::{Code, Error, Result};
use crate::manager::{Acquire, CallScope, Discover, ServerScope};
use crate::oauth::{Authorizer, BearerChallenge, Begun, Pending, Wish};

/// How long a call waits for the user where it says nothing else.
const DEFAULT_WAIT: Duration = Duration::from_mins(2);

impl Run<'_> {
    /// Connects; where the user has to authorize first, asks once and connects then.
    pub(super) async fn acquire(
        &self,
        scope: &CallScope<'_>,
        server: &ServerScope,
        mut request: Acquire,
        connected: &mut Connected,
    ) -> Result<(), (Error, Box<Acquire>)> {
        let mut asked = false;
        loop {
            let error = match self.manager.acquire(&request).await {
                Ok(lease) => {
                    connected.lease = Some(lease);
                    connected.options = Some(request.options);
                    return Ok(());
                }
                Err(error) => error,
            };
            if asked || !error.wants_authorization() || !server.config.runs_oauth_flow() {
                return Err((error, Box::new(request)));
            }
            asked = true;
            let since = Instant::now();
            let asking = self.authorize(scope, server, &request.recipe, &error, connected);
            let authorized = Box::pin(asking).await;
            // The user's time is not the server's.
            request.options.deadline += since.elapsed();
            if let Err(error) = authorized {
                return Err((error, Box::new(request)));
            }
        }
    }

    /// Tools that the server shows to anybody.
    pub(super) async fn discover(&self, request: Acquire, connected: &mut Connected) -> Result<()> {
        let discovery = Discover {
            recipe: request.recipe,
            options: request.options,
        };
        match self.manager.discover(discovery).await {
            Ok(list) if list.count > 0 => connected.discovered = Some(list),
            Ok(_) => {}
            Err(failure) => self.call.host.logger.debug(format!(
                "[MCP Reinitialize] Tool discovery failed for {}: {failure}",
                self.name
            )),
        }
        self.check()
    }

    /// Starts or joins the user's flow, hands out its URL once, and waits where the call wants that. `Ok` means that
    /// tokens are stored.
    ///
    /// Fails with [`Code::OAuthRequired`] when the URL is handed out and the user has yet to open it.
    async fn authorize(
        &self,
        scope: &CallScope<'_>,
        server: &ServerScope,
        recipe: &crate::connection::Recipe,
        refusal: &Error,
        connected: &mut Connected,
    ) -> Result<()> {
        let Some(authorizer) = self.manager.authorizer(scope, server, recipe)? else {
            return Err(refusal.clone());
        };
        let waits = !self.call.return_on_oauth;
        let limit = self.call.connection_timeout.unwrap_or(DEFAULT_WAIT);
        let deadline = Instant::now() + limit;
        self.call.host.logger.info(format!(
            "{} No usable tokens, triggering OAuth flow before connecting (timeout: {}ms)",
            recipe.log_prefix(),
            limit.as_millis()
        ));
        let challenge = refusal
            .challenge
            .as_deref()
            .and_then(BearerChallenge::parse);
        let wish = Wish {
            missing_scope: challenge.as_ref().and_then(BearerChallenge::missing_scope),
            takes_completed: waits,
            refused: recipe.bearer.get(),
        };
        let begun = tokio::time::timeout_at(deadline, Box::pin(authorizer.begin(&wish)));
        let begun = self.until_cancelled(async { Ok(begun.await) }).await?;
        let pending = match begun.unwrap_or_else(|_| Err(too_late()))? {
            Begun::Completed => return Ok(()),
            Begun::Pending(pending) => pending,
        };
        self.issue(&pending, connected).await?;
        if !waits {
            authorizer.watch(pending);
            return Err(Error::new(
                Code::OAuthRequired,
                "OAuth flow initiated - return early",
            ));
        }
        self.wait(&authorizer, &pending, deadline, connected).await
    }

    /// `oauthStart`, once per call. The result shows the URL only to callers who have no function of their own.
    async fn issue(&self, pending: &Pending, connected: &mut Connected) -> Result<()> {
        connected.oauth_expires_at = Some(pending.expires_at);
        let prompt = self.call.host.prompt.as_ref();
        let Some(prompt) = prompt.filter(|prompt| prompt.takes_url()) else {
            let (name, logger) = (self.name, &self.call.host.logger);
            logger.info(format!("[MCP Reinitialize] OAuth URL received for {name}"));
            connected.oauth_url = Some(pending.authorization_url.clone());
            return Ok(());
        };
        // As upstream tells it: a flow that has just begun has all its time.
        let expires_at = pending.joined.then_some(pending.expires_at);
        let started = prompt.start(&pending.authorization_url, expires_at);
        self.until_cancelled(started).await.map_err(prompt_failure)
    }

    async fn wait(
        &self,
        authorizer: &Authorizer,
        pending: &Pending,
        deadline: Instant,
        connected: &mut Connected,
    ) -> Result<()> {
        self.until_cancelled(authorizer.wait(pending, deadline))
            .await?;
        connected.oauth_url = None;
        connected.oauth_expires_at = None;
        if let Some(prompt) = &self.call.host.prompt {
            self.until_cancelled(prompt.end())
                .await
                .map_err(prompt_failure)?;
        }
        Ok(())
    }
}

/// Whether only the user can help: the server wants authorization, or the flow that asks for it came to nothing.
pub(super) const fn wants_user(error: &Error) -> bool {
    matches!(
        error.code,
        Code::AuthorizationRequired
            | Code::InsufficientScope
            | Code::OAuthDiscoveryFailed
            | Code::OAuthExchangeFailed
            | Code::OAuthFlowFailed
            | Code::OAuthRegistrationFailed
            | Code::OAuthRequired
            | Code::OAuthTimeout
            | Code::ReauthenticationRequired
    )
}

fn too_late() -> Error {
    Error::new(
        Code::OAuthTimeout,
        "The authorization server did not answer in time",
    )
}

/// A caller's function that fails is an OAuth failure, not one of the host; the flow stays as it is.
fn prompt_failure(error: Error) -> Error {
    if matches!(error.code, Code::Aborted | Code::Closed) {
        return error;
    }
    let message = format!("OAuth authentication failed: {error}");
    Error::new(Code::OAuthFlowFailed, message).caused_by(error)
}
