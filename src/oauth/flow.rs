//! A user's flow in the store that all processes share: started or joined, waited for, its tokens stored.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::authorizer::Authorizer;
use super::binding::check_client_row;
use super::challenge::BearerChallenge;
use super::documents::{Tokens, text};
use super::failure::failure_text;
use super::flow_kind::FLOW_KIND;
use super::initiate::Initiation;
use super::issuer::same_url;
use super::leases::Leases;
use super::login::begin_under;
use super::pending::{Pending, ReusedClient, asked_scope, client_of_flow, row_of_flow};
use super::scope;
use super::state_mapping::{delete_flow_and_state, store_state_mapping};
use crate::clock::now_ms;
use crate::error::{Code, Error, Result};
use crate::foreign_text::foreign_error;
use crate::host::{FlowState, FlowStatus};
use crate::log::{Level, LogMeta};
use crate::server_config::is_client_rejection_message;
use crate::settings::Settings;
use crate::trace::detail;

/// How often a flow is looked at: soon, while somebody may just be clicking, then less often.
const POLL: Duration = Duration::from_millis(200);
const SLOW_POLL: Duration = Duration::from_millis(800);
const SLOW_AFTER: Duration = Duration::from_secs(20);
/// A flow that vanished is looked for once more: stores are not always consistent at once.
const VANISHED_PAUSE: Duration = Duration::from_millis(500);
/// What starting a flow came to.
pub enum FlowStart {
    /// The user has to open the URL.
    Pending(Box<Pending>),
    /// The user has just done so; the tokens are stored.
    Completed,
}

/// What a call wants of a flow.
#[derive(Default)]
pub struct FlowRequest<'a> {
    /// Scopes that the server said were missing.
    pub missing_scope: Option<&'a str>,
    /// What the server said when it refused a request.
    pub challenge: Option<&'a BearerChallenge>,
    /// Whether the server said that it takes no tokens but those of a `DPoP` key.
    pub wants_dpop: bool,
    /// Whether tokens of a flow that was completed a moment ago will do.
    pub takes_completed: bool,
}

impl Authorizer {
    /// Joins the user's pending flow, or starts one. The flow and its state are stored when this returns.
    ///
    /// Fails with [`Code::OAuthDiscoveryFailed`], [`Code::OAuthRegistrationFailed`], [`Code::InvalidConfig`],
    /// [`Code::InsufficientScope`], or [`Code::OAuthFlowFailed`] with the host's fault as its cause.
    pub async fn begin(&self, request: &FlowRequest<'_>) -> Result<FlowStart> {
        let inner = &self.0;
        let _starting = inner.oauth.starting.lock(&inner.key).await;
        // Boxed, since callers would carry its size in futures of their own.
        let started = Box::pin(self.begin_alone(request)).await;
        started.map_err(|error| {
            let message = format!("{} Failed to initiate OAuth flow", inner.prefix);
            let meta = LogMeta::Error(error.clone());
            inner.host.logger.with(Level::Error, message, meta);
            foreign_error(as_flow_failure(error), inner.endpoints.secrets())
        })
    }

    async fn begin_alone(&self, request: &FlowRequest<'_>) -> Result<FlowStart> {
        let inner = &self.0;
        let (prefix, logger) = (&inner.prefix, &inner.host.logger);
        let flow_id = self.flow_id().await?;
        let tenant_id = self.tenant_id().await?;
        let fence = self.fence_of_flow().await?;
        let time = self.authorization_time().await;
        let existing = inner.flows.get(flow_id, FLOW_KIND).await?;
        if let Some(flow) = &existing
            && let Some(started) = self.reuse(flow, request, time, fence.as_ref()).await?
        {
            return Ok(started);
        }
        let wanted = request.missing_scope.unwrap_or_default();
        let renews = match &existing {
            Some(flow) if scope::covers(&asked_scope(&flow.metadata), wanted) => {
                self.to_push_again(flow, time).await?
            }
            _ => None,
        };
        let relation = &inner.relation;
        let mut settings = Settings::clone(&relation.settings);
        let endpoint = match &inner.host.redirects {
            Some(redirects) => Some(redirects.listen().await?),
            None => None,
        };
        if let Some(endpoint) = &endpoint {
            endpoint.origin().clone_into(&mut settings.domain_server);
        }
        let remembered = inner.host.registry.challenge(&relation.server_name);
        let remembered = remembered.as_deref().and_then(BearerChallenge::parse);
        // One that asks for more scopes does not name the usual ones.
        let told = request
            .challenge
            .filter(|told| told.resource_metadata.is_some() && told.missing_scope().is_none());
        let initiated = Initiation {
            endpoints: &inner.endpoints,
            server_name: &relation.server_name,
            user_id: &relation.user_id,
            server_url: &relation.server_url,
            oauth_headers: &relation.oauth_headers,
            options: &relation.options,
            rules: &relation.rules,
            settings: &settings,
            logger,
            storage: Some(&inner.storage),
            missing_scope: request.missing_scope,
            challenge: told.or(remembered.as_ref()),
            wants_dpop: request.wants_dpop,
            tenant_id: tenant_id.as_deref(),
            assertions: inner.host.client_assertions.as_deref(),
            renews: renews.clone(),
        }
        .initiate()
        .await?;

        if existing.is_some() && renews.is_none() {
            self.discard().await;
        }
        let mut metadata = initiated.metadata;
        let url = String::from(initiated.authorization_url);
        let shown = || detail("url", &url);
        inner.endpoints.source().step("authorization-url", shown);
        metadata.insert("authorizationUrl".to_owned(), json!(url));
        if let Some(wait) = relation.coordination.persistence_wait {
            // LibreChat's callback waits so long when it stores the tokens.
            let wait = json!(wait.as_millis());
            metadata.insert("oauthPersistenceWaitTimeout".to_owned(), wait);
        }
        let created_at = now_ms();
        let begin = async {
            inner.flows.init(flow_id, FLOW_KIND, &metadata).await?;
            store_state_mapping(&*inner.flows, &initiated.state, flow_id).await
        };
        begin_under(fence.as_ref(), begin).await?;
        logger.info(format!(
            "{prefix} OAuth flow started, issuing authorization URL"
        ));
        let flow = FlowState {
            status: FlowStatus::Pending,
            metadata,
            created_at: Some(created_at),
            completed_at: None,
            result: None,
            error: None,
        };
        let pending = Pending::read(&flow, time, fence.as_ref()).map(|pending| Pending {
            joined: false,
            ..pending
        });
        let pending =
            pending.ok_or_else(|| Error::new(Code::Internal, "A flow without its URL"))?;
        if let Some(endpoint) = endpoint {
            self.receive(endpoint, pending.clone(), initiated.state, settings);
        }
        Ok(FlowStart::Pending(Box::new(pending)))
    }

    /// What an earlier flow is still good for.
    async fn reuse(
        &self,
        flow: &FlowState,
        request: &FlowRequest<'_>,
        time: Duration,
        fence: Option<&(Leases, i64)>,
    ) -> Result<Option<FlowStart>> {
        let inner = &self.0;
        let (prefix, logger) = (&inner.prefix, &inner.host.logger);
        let wanted = request.missing_scope.unwrap_or_default();
        let is_recent = |since: Option<i64>| {
            let age = since.map(|since| u64::try_from(now_ms() - since).unwrap_or_default());
            age.is_some_and(|age| Duration::from_millis(age) < time)
        };
        let is_ours = self.is_ours(flow).await?;
        match flow.status {
            FlowStatus::Pending => {
                let joinable = is_ours
                    && is_recent(flow.created_at)
                    && scope::covers(&asked_scope(&flow.metadata), wanted);
                let pending = Pending::read(flow, time, fence)
                    .filter(|pending| joinable && pending.expires_at > now_ms());
                if pending.is_some() {
                    logger.debug(format!(
                        "{prefix} Found recent PENDING OAuth flow, joining instead of creating new one"
                    ));
                }
                Ok(pending.map(|pending| FlowStart::Pending(Box::new(pending))))
            }
            // The user has just granted these scopes, and the server still asks for them: asking again is no use.
            FlowStatus::Completed
                if !wanted.is_empty() && scope::covers(&asked_scope(&flow.metadata), wanted) =>
            {
                Err(Error::new(
                    Code::InsufficientScope,
                    "The server asks for scopes that the user has granted already",
                ))
            }
            FlowStatus::Completed if request.takes_completed && is_ours => {
                let tokens = flow.result.as_ref().and_then(Tokens::from_value);
                let fresh = tokens.filter(|tokens| {
                    is_recent(flow.completed_at)
                        && tokens.expires_at().is_none_or(|end| end > now_ms())
                });
                match (fresh, Pending::read(flow, time, fence)) {
                    (Some(tokens), Some(pending)) => {
                        logger.debug(format!(
                            "{prefix} Found non-stale COMPLETED OAuth flow, reusing cached tokens"
                        ));
                        self.keep(&tokens, &pending).await?;
                        Ok(Some(FlowStart::Completed))
                    }
                    _ => Ok(None),
                }
            }
            FlowStatus::Failed => {
                self.clear_rejected_client(flow).await;
                Ok(None)
            }
            FlowStatus::Completed => Ok(None),
        }
    }

    /// Whether a flow is for this server as it is configured now, and for the tenant of the call. Flows that say nothing
    /// of their client's source are of a `LibreChat` that did not ask.
    pub(super) async fn is_ours(&self, flow: &FlowState) -> Result<bool> {
        let inner = &self.0;
        let (relation, metadata) = (&inner.relation, &flow.metadata);
        if inner.host.tenancy.is_some()
            && self.tenant_id().await?.as_deref() != text(metadata, "tenantId")
        {
            return Ok(false);
        }
        let server_url = relation.server_url.as_str();
        if text(metadata, "clientSource").is_none() {
            return Ok(text(metadata, "serverUrl").is_some_and(|url| same_url(url, server_url)));
        }
        let checked = check_client_row(
            &relation.server_name,
            Some(server_url),
            client_of_flow(metadata).as_ref(),
            row_of_flow(metadata).as_ref(),
            &relation.options,
        );
        if let Err(error) = &checked {
            let prefix = &inner.prefix;
            inner.host.logger.info(format!(
                "{prefix} Cached OAuth flow binding is stale; starting a new flow: {error}"
            ));
        }
        Ok(checked.is_ok())
    }

    /// Deletes an earlier flow and the way to it. Its authorization URLs lead nowhere afterwards.
    async fn discard(&self) {
        let inner = &self.0;
        let deleted = async {
            let flow_id = self.flow_id().await?;
            delete_flow_and_state(&*inner.flows, flow_id).await
        };
        if let Err(error) = deleted.await {
            inner.host.logger.warn(format!(
                "{} Failed to clean up existing OAuth flow: {error}",
                inner.prefix
            ));
        }
    }

    /// Waits until the user has authorized, and the tokens are stored.
    ///
    /// Fails with [`Code::OAuthTimeout`], or [`Code::OAuthFlowFailed`] when the flow failed or vanished.
    pub async fn wait(&self, pending: &Pending, deadline: Instant) -> Result<()> {
        let finished = tokio::time::timeout_at(deadline, self.finished(POLL));
        let tokens = finished.await.unwrap_or_else(|_| {
            Err(Error::new(
                Code::OAuthTimeout,
                "OAuth flow timed out waiting for the user to authorize",
            ))
        });
        let stored = match tokens {
            Ok(tokens) => {
                let inner = &self.0;
                let _starting = inner.oauth.starting.lock(&inner.key).await;
                self.keep_and_tell(&tokens, pending).await
            }
            Err(error) => Err(error),
        };
        stored.map_err(as_flow_failure)
    }

    /// Nobody waits for a flow whose URL was handed out. One with a client of an earlier flow is watched all the same,
    /// so that a client that the server has forgotten is registered anew the next time.
    pub fn watch(&self, pending: &Pending) {
        if pending.reused_client.is_none() || pending.joined {
            return;
        }
        let authorizer = self.clone();
        let left = u64::try_from(pending.ends_at - now_ms()).unwrap_or_default();
        let deadline = Instant::now() + Duration::from_millis(left);
        self.0.oauth.tasks.spawn(async move {
            let watched = tokio::time::timeout_at(deadline, authorizer.finished(10 * POLL));
            let closing = &authorizer.0.oauth.closing;
            closing.run_until_cancelled(watched).await;
        });
    }

    async fn finished(&self, mut poll: Duration) -> Result<Tokens> {
        let inner = &self.0;
        let flow_id = self.flow_id().await?;
        let started = Instant::now();
        let mut vanished = false;
        loop {
            tokio::time::sleep(poll).await;
            if started.elapsed() > SLOW_AFTER {
                poll = poll.max(SLOW_POLL);
            }
            let Some(flow) = inner.flows.get(flow_id, FLOW_KIND).await? else {
                if vanished {
                    return Err(failed("mcp_oauth Flow state not found"));
                }
                vanished = true;
                tokio::time::sleep(VANISHED_PAUSE).await;
                continue;
            };
            vanished = false;
            match flow.status {
                FlowStatus::Pending => {}
                FlowStatus::Completed => {
                    let tokens = flow.result.as_ref().and_then(Tokens::from_value);
                    return tokens
                        .ok_or_else(|| failed("The OAuth flow was completed without tokens"));
                }
                FlowStatus::Failed => {
                    self.clear_rejected_client(&flow).await;
                    self.discard().await;
                    return Err(failed(&failure_text(flow.error.as_deref())));
                }
            }
        }
    }

    /// Forgets a registration that an authorization server does not know any more, so that the next flow makes one. A
    /// refresh token that was issued to it goes as well: nothing would say whose it is.
    async fn clear_rejected_client(&self, flow: &FlowState) {
        // The flow's own: it may have taken the place of the one that was waited for.
        let Some(reused) = ReusedClient::of(&flow.metadata) else {
            return;
        };
        if !flow
            .error
            .as_deref()
            .is_some_and(is_client_rejection_message)
        {
            return;
        }
        let storage = &self.0.storage;
        let id = reused.credential_set_id.as_deref();
        // A row without a set may have been replaced by one that the server knows.
        let is_stored = id.is_some() || {
            let stored = storage.client().await.ok().flatten();
            stored.map(|stored| stored.client) == client_of_flow(&flow.metadata)
        };
        if is_stored {
            storage.forget_client(id).await;
        }
    }
}

fn failed(problem: &str) -> Error {
    Error::new(Code::OAuthFlowFailed, problem)
}

/// Whatever stops a flow, such as a store of the host or a config that cannot work, is a flow that failed.
fn as_flow_failure(error: Error) -> Error {
    match error.code {
        Code::Aborted
        | Code::Closed
        | Code::InsufficientScope
        | Code::OAuthDiscoveryFailed
        | Code::OAuthFlowFailed
        | Code::OAuthRegistrationFailed
        | Code::OAuthTimeout => error,
        _ => failed(&format!("OAuth initiation failed: {error}"))
            .with_retryable(error.retryable)
            .caused_by(error),
    }
}
