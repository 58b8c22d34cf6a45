//! Connections of users who authorize with the server, and asking them to.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use url::Url;

use super::{Acquire, CallScope, Lease, Manager, ServerScope};
use crate::connection::Recipe;
use crate::error::{Code, Error, Result};
use crate::host::{AuthorizationPrompt, Host};
use crate::oauth::{
    Asking, Authorizer, BearerChallenge, FlowRequest, FlowStart, OAuth, OAuthOptions, Pending,
    Relation, after_login, wants_only_dpop,
};
use crate::server_config::{ServerConfig, Transport};

/// How a call asks the user to authorize.
#[derive(Clone)]
pub struct Consent {
    pub prompt: Option<Arc<dyn AuthorizationPrompt>>,
    /// Waits until the user has authorized, instead of handing out the URL and failing.
    pub waits: bool,
    /// Bound on asking, else the time that the user has; it is not the server's, so it has its own.
    pub limit: Option<Duration>,
    /// Why the user has to authorize although there is a token: what a request on an open connection failed with.
    pub refusal: Option<Error>,
}

impl Consent {
    /// For a call that waits for the user: `None` where the caller has no `oauthStart`, and nobody would be told the URL.
    #[must_use]
    pub fn of_call(host: &Host) -> Option<Self> {
        let prompt = host.prompt.as_ref();
        let tells = prompt.is_some_and(|prompt| prompt.takes_url());
        tells.then(|| Self::waiting(host))
    }

    /// Waits for the user, as calls do that cannot go on without.
    #[must_use]
    pub fn waiting(host: &Host) -> Self {
        Self {
            prompt: host.prompt.clone(),
            waits: true,
            limit: None,
            refusal: None,
        }
    }
}

/// What the user was asked.
#[derive(Clone, Default)]
pub struct ConsentOutcome {
    pub was_asked: bool,
    /// The URL that still waits for the user.
    pub issued: Option<IssuedUrl>,
}

/// A URL that waits for the user.
#[derive(Clone)]
pub struct IssuedUrl {
    /// `None` where the caller's own `oauthStart` got it.
    pub url: Option<String>,
    /// Until when the pending flow can be joined, in milliseconds since the epoch.
    pub expires_at: i64,
}

impl CallScope<'_> {
    /// Tells the registry of a challenge to a request for a server that is not known to want logins. Whether its config is
    /// another one now.
    pub fn hear_challenge(&self, server_name: &str, config: &ServerConfig, error: &Error) -> bool {
        let undecided = config.requires_oauth.is_none() && !config.runs_oauth_flow();
        let refusal = error.refusal().filter(|_| undecided);
        let refusal = refusal.filter(|refusal| refusal.status == Some(401));
        let challenge = refusal
            .and_then(|refusal| refusal.challenge.as_deref())
            .filter(|challenge| BearerChallenge::parse(challenge).is_some());
        challenge.is_some_and(|challenge| {
            let registry = &self.host.registry;
            registry.hear_challenge(server_name, config, challenge)
        })
    }
}

impl Manager {
    /// [`Manager::acquire`]; where the user has to authorize first, asks once and connects then. `asked` tells what
    /// came of that, also when this fails.
    ///
    /// Fails with [`Code::OAuthRequired`] when the URL was handed out and the user has yet to open it.
    pub async fn acquire_asking(
        &self,
        call: &CallScope<'_>,
        server: &ServerScope,
        request: &mut Acquire<'_>,
        consent: &Consent,
        asked: &mut ConsentOutcome,
    ) -> Result<Lease> {
        let refusal = match &consent.refusal {
            Some(refusal) => refusal.clone(),
            None => match self.acquire(request).await {
                Err(error) if error.wants_authorization() => error,
                outcome => return outcome,
            },
        };
        let recipe = request.recipe(self)?;
        let Some(authorizer) = self.authorizer(call, server, &recipe)? else {
            let tokens = recipe.tokens.as_ref();
            let refusal = tokens
                .and_then(|tokens| tokens.final_refusal(&refusal, None))
                .unwrap_or(refusal);
            return Err(refusal);
        };
        let asking = ConsentFlow {
            manager: self,
            authorizer: &authorizer,
            recipe: &recipe,
            request,
            consent,
        };
        asked.was_asked = true;
        let since = Instant::now();
        Box::pin(asking.ask(&refusal, &mut asked.issued)).await?;
        request.options.deadline += since.elapsed();
        self.acquire(request).await.map_err(after_login)
    }

    /// `None` for servers that users do not authorize with, and for connections that belong to no user.
    ///
    /// Fails with [`Code::TokenStore`] where the host can store no tokens.
    pub fn authorizer(
        &self,
        call: &CallScope<'_>,
        server: &ServerScope,
        recipe: &Recipe,
    ) -> Result<Option<Authorizer>> {
        let (Some(user_id), Transport::Http { url, proxy, .. }, true) = (
            server.key.owner.user_id(),
            &recipe.config.transport,
            server.config.runs_oauth_flow(),
        ) else {
            return Ok(None);
        };
        let relation = Relation {
            user_id: user_id.to_owned(),
            server_name: recipe.server_name.clone(),
            server_url: Url::clone(url),
            options: OAuthOptions::new(recipe.config.oauth.as_ref()),
            oauth_headers: recipe.config.oauth_headers.clone(),
            coordination: server.config.oauth_coordination,
            proxy: proxy.clone(),
            asking: Asking::of(&recipe.config.transport)
                .without_authorization()
                .keeping(recipe.config.secrets()),
            rules: recipe.rules.clone(),
            settings: Arc::clone(&recipe.settings),
            session: recipe.shared.clone(),
            epoch: recipe.epoch.clone(),
        };
        Authorizer::new(self.oauth(), self.0.http.clone(), call.host, relation).map(Some)
    }

    /// What all authorizers of the runtime share.
    #[must_use]
    pub fn oauth(&self) -> &OAuth {
        &self.0.oauth
    }
}

/// One call's question to the user.
struct ConsentFlow<'a> {
    manager: &'a Manager,
    authorizer: &'a Authorizer,
    recipe: &'a Recipe,
    request: &'a Acquire<'a>,
    consent: &'a Consent,
}

impl ConsentFlow<'_> {
    /// Starts or joins the user's flow, hands out its URL once, and waits where the call wants that. `Ok` means that
    /// tokens are stored.
    async fn ask(&self, refusal: &Error, issued: &mut Option<IssuedUrl>) -> Result<()> {
        let limit = match self.consent.limit {
            Some(limit) => limit,
            None => self.authorizer.authorization_time().await,
        };
        let deadline = Instant::now() + limit;
        let (prefix, logger) = (self.recipe.log_prefix(), &self.recipe.logger);
        if refusal.status.is_none() {
            logger.info(format!(
                "{prefix} No stored tokens, proactively triggering OAuth flow before connecting (timeout: {}ms)",
                limit.as_millis()
            ));
        } else {
            logger.info(format!(
                "{prefix} The server wants authorization, triggering OAuth flow"
            ));
        }
        let challenge = refusal
            .challenge
            .as_deref()
            .and_then(BearerChallenge::parse);
        let request = FlowRequest {
            missing_scope: challenge.as_ref().and_then(BearerChallenge::missing_scope),
            challenge: challenge.as_ref(),
            wants_dpop: wants_only_dpop(refusal),
            // Where the server refused a token, a finished flow may be the one that brought it.
            takes_completed: self.consent.waits && refusal.status.is_none(),
        };
        let begun = async {
            tokio::time::timeout_at(deadline, self.authorizer.begin(&request))
                .await
                .unwrap_or_else(|_| {
                    Err(Error::new(
                        Code::OAuthTimeout,
                        "The authorization server did not answer in time",
                    ))
                })
        };
        let pending = match self.until_cancelled(begun).await? {
            FlowStart::Completed => return Ok(()),
            FlowStart::Pending(pending) => pending,
        };
        self.issue(&pending, issued).await?;
        if !self.consent.waits {
            self.authorizer.watch(&pending);
            return Err(Error::new(
                Code::OAuthRequired,
                "OAuth flow initiated - return early",
            ));
        }
        // Boxed, because each wait around it would carry its size once more.
        let authorized = Box::pin(self.authorizer.wait(&pending, deadline));
        self.until_cancelled(authorized).await?;
        *issued = None;
        match &self.consent.prompt {
            Some(prompt) => self
                .until_cancelled(prompt.end())
                .await
                .map_err(prompt_failure),
            None => Ok(()),
        }
    }

    /// `oauthStart`, once per call.
    async fn issue(&self, pending: &Pending, issued: &mut Option<IssuedUrl>) -> Result<()> {
        let prompt = self.consent.prompt.as_ref();
        let prompt = prompt.filter(|prompt| prompt.takes_url());
        *issued = Some(IssuedUrl {
            url: prompt.is_none().then(|| pending.authorization_url.clone()),
            expires_at: pending.expires_at,
        });
        let Some(prompt) = prompt else {
            return Ok(());
        };
        // As upstream tells it: a flow that has just begun has all its time.
        let expires_at = pending.joined.then_some(pending.expires_at);
        let started = prompt.start(&pending.authorization_url, expires_at);
        self.until_cancelled(started).await.map_err(prompt_failure)
    }

    async fn until_cancelled<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let cancel = &self.request.options.cancel;
        self.manager.until_cancelled(cancel, work).await?
    }
}

/// A caller's function that fails is an OAuth failure, not one of the host; the flow stays as it is.
fn prompt_failure(error: Error) -> Error {
    if matches!(error.code, Code::Aborted | Code::Closed) {
        return error;
    }
    let message = format!("OAuth authentication failed: {error}");
    Error::new(Code::OAuthFlowFailed, message).caused_by(error)
}
