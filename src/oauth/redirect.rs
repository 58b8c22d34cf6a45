//! The user's return from the authorization server, for hosts without a route of their own.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, MissedTickBehavior};

use super::authorizer::Authorizer;
use super::client_assertion::{ClientEndpoint, ClientKeys};
use super::complete::{Callback, Completion, Persist, Persisted};
use super::documents::{Tokens, text};
use super::exchange::Received;
use super::flow_kind::FLOW_KIND;
use super::form::Form;
use super::pending::Pending;
use super::state_mapping::delete_state_mapping;
use crate::error::{Error, Result};
use crate::foreign_text::{SentSecrets, foreign_words};
use crate::host::{FlowState, FlowStatus, Redirect, RedirectEndpoint, RedirectOutcome};
use crate::secret::Secret;
use crate::settings::Settings;

/// How soon it is noticed that the flow is gone, or another one took its place.
const POLL: Duration = Duration::from_secs(1);

impl Authorizer {
    /// Completes the flow when the user comes back with its `state`, and stores its tokens. Ends with the flow, its
    /// time, or the runtime; the endpoint closes then.
    pub(super) fn receive(
        &self,
        mut endpoint: Box<dyn RedirectEndpoint>,
        pending: Pending,
        state: Secret,
        settings: Settings,
    ) {
        let authorizer = self.clone();
        let tasks = &self.0.oauth.tasks;
        tasks.spawn(async move {
            // As long as flows are kept.
            let until = Instant::now() + settings.flow_ttl();
            let mut poll = tokio::time::interval(POLL);
            poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                let redirect = tokio::select! {
                    biased;
                    () = authorizer.0.oauth.closing.cancelled() => return,
                    () = tokio::time::sleep_until(until) => return,
                    redirect = endpoint.next() => redirect,
                    _ = poll.tick() => {
                        if authorizer.awaits(&state).await {
                            continue;
                        }
                        return;
                    }
                };
                if redirect.state.as_ref() != Some(&state) {
                    endpoint.answer(RedirectOutcome::Unknown).await;
                    continue;
                }
                let outcome = authorizer.returned(redirect, &pending, &settings).await;
                let outcome = match outcome {
                    Ok(()) => RedirectOutcome::Authorized,
                    Err(_) => RedirectOutcome::Failed,
                };
                endpoint.answer(outcome).await;
                return;
            }
        });
    }

    /// Whether the flow that waits is still the one with this state.
    async fn awaits(&self, state: &Secret) -> bool {
        let flow = async {
            let flow_id = self.flow_id().await?;
            self.0.flows.get(flow_id, FLOW_KIND).await
        };
        flow.await.is_ok_and(|flow| {
            flow.is_some_and(|flow| {
                flow.status == FlowStatus::Pending
                    && text(&flow.metadata, "state").map(Secret::from).as_ref() == Some(state)
            })
        })
    }

    async fn returned(
        &self,
        redirect: Redirect,
        pending: &Pending,
        settings: &Settings,
    ) -> Result<()> {
        let inner = &self.0;
        let flow_id = self.flow_id().await?;
        let Some(code) = redirect.code else {
            let error = redirect.error.as_deref().unwrap_or("invalid_request");
            let sent = SentSecrets::from(Vec::from_iter(redirect.state));
            let mut error = error.to_owned();
            if let Some(description) = &redirect.error_description {
                error.push_str(": ");
                error.push_str(description);
            }
            let error = foreign_words(&error, &sent);
            inner.endpoints.source().step("authorization-callback", || {
                vec![("outcome", "error".to_owned()), ("error", error.clone())]
            });
            inner.flows.fail(flow_id, FLOW_KIND, &error).await?;
            return Err(Error::new(
                crate::error::Code::OAuthFlowFailed,
                "The authorization server gave no code",
            ));
        };
        let completion = Completion {
            http: inner.endpoints.http().clone(),
            flows: Arc::clone(&inner.flows),
            oauth_headers: inner.relation.oauth_headers.clone(),
            environment: inner.host.environment.clone(),
            settings: settings.clone(),
            logger: inner.host.logger.clone(),
            credentials_key: Arc::clone(&inner.host.credentials_key),
            persist: Some(Arc::new(LoginPersistence {
                authorizer: self.clone(),
                pending: pending.clone(),
            })),
            keys: Some(Arc::new(self.clone())),
            tls: inner.relation.rules.tls.clone(),
            secrets: inner.endpoints.secrets().clone(),
        };
        let state = redirect.state;
        let received = Received {
            state: state.clone(),
            iss: redirect.iss,
        };
        let callback = Callback {
            code,
            received: Some(received),
            attempt: None,
        };
        completion.complete(flow_id, &callback).await?;
        match &state {
            Some(state) => delete_state_mapping(&*inner.flows, state).await.map(drop),
            None => Ok(()),
        }
    }
}

/// Of its own server alone.
#[async_trait]
impl ClientKeys for Authorizer {
    async fn authenticate(
        &self,
        _: &str,
        client_id: &str,
        form: &mut Form,
        at: ClientEndpoint<'_>,
    ) -> Result<bool> {
        let keyed = self.0.keyed_client();
        keyed.authenticate(client_id, form, at).await
    }
}

/// Stores the tokens of a flow.
struct LoginPersistence {
    authorizer: Authorizer,
    pending: Pending,
}

#[async_trait]
impl Persist for LoginPersistence {
    async fn persist(&self, _: &str, _: &FlowState, tokens: Tokens) -> Result<Persisted> {
        Ok(Persisted {
            tokens: self.authorizer.store_login(&tokens, &self.pending).await?,
            is_completed: false,
        })
    }

    /// What was stored is the user's, whatever became of the flow.
    async fn roll_back(&self, _: &Tokens) {}
}
