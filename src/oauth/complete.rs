//! The end of a flow: the authorization code for tokens (RFC 6749, section 4.1.3).

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use indexmap::IndexMap;
use serde_json::json;
use url::Url;

use super::answer::Answer;
use super::asking::Asking;
use super::client_assertion::{ClientEndpoint, ClientKeys};
use super::client_auth::{AuthMethod, authenticate_in_flow};
use super::documents::{Tokens, text};
use super::dpop::{FLOW_KEY, check_bound};
use super::exchange::{Exchange, Received};
use super::failure::{EXCHANGE_FAILED, UNPROVEN};
use super::flow_kind::FLOW_KIND;
use super::form::Form;
use super::http::Endpoints;
use super::initiate::redirect_uri;
use super::metadata::resource_indicator;
use crate::environment::Environment;
use crate::error::{Code, Error, Result};
use crate::foreign_text::{SentSecrets, foreign_error};
use crate::host::{
    CREDENTIAL_SET_ID, CredentialsKey, FlowAttempt, FlowState, FlowStatus, FlowStore,
};
use crate::keyed_lock::KeyedLock;
use crate::log::{Level, LogMeta, Logger};
use crate::network::{HttpClient, ServerTls};
use crate::secret::Secret;
use crate::settings::Settings;
use crate::trace::detail;

/// `LibreChat`'s text for a flow that was torn down or replaced meanwhile.
pub const CANCELLED: &str = "OAuth flow was cancelled before completion";

const KEYED: &str = AuthMethod::PrivateKeyJwt.as_str();

/// What a callback needs.
pub struct Completion {
    pub http: HttpClient,
    pub flows: Arc<dyn FlowStore>,
    /// For flows that say nothing about them.
    pub oauth_headers: IndexMap<String, String>,
    pub environment: Environment,
    pub settings: Settings,
    pub logger: Logger,
    /// What the key of a flow is encrypted with, where its tokens are to be bound to one.
    pub credentials_key: Arc<dyn CredentialsKey>,
    /// Stores the tokens before anybody who waits for the flow gets them.
    pub persist: Option<Arc<dyn Persist>>,
    /// Of clients that prove themselves with a key. Absent: there are none.
    pub keys: Option<Arc<dyn ClientKeys>>,
    /// The server's own; flows hold none.
    pub tls: Option<ServerTls>,
    /// The server's own, which no text tells.
    pub secrets: SentSecrets,
}

/// `persistBeforeComplete` of `LibreChat`'s callback route, and what belongs to it.
#[async_trait]
pub trait Persist: Send + Sync {
    /// What was stored: the flow is completed with that.
    async fn persist(&self, flow_id: &str, flow: &FlowState, tokens: Tokens) -> Result<Persisted>;
    /// The flow could not be completed with what was stored.
    async fn roll_back(&self, tokens: &Tokens);
}

pub struct Persisted {
    pub tokens: Tokens,
    /// The host has completed the flow itself, as a part of storing them.
    pub is_completed: bool,
}

/// What the authorization server gave the user's browser.
#[derive(Debug, Clone)]
pub struct Callback {
    pub code: Secret,
    /// `state` and `iss`, where the caller passes on what it received. The flow's request had a `state`, so the answer to
    /// it has one.
    pub received: Option<Received>,
    /// The flow that the caller has looked at.
    pub attempt: Option<FlowAttempt>,
}

impl Completion {
    /// Exchanges the code and completes the flow with the tokens. A flow that is completed already gives what it was
    /// completed with; any failure fails the flow, except a wrong or missing `state`, which may be anybody's.
    ///
    /// Fails with [`Code::OAuthFlowFailed`] (no such flow, wrong `state` or `iss`), [`Code::OAuthExchangeFailed`].
    pub async fn complete(&self, flow_id: &str, callback: &Callback) -> Result<Tokens> {
        let failed = |problem: &str| Error::new(Code::OAuthFlowFailed, problem);
        // A code is for one use, and a provider that sees it twice takes back what it gave for it (RFC 6749, section 4.1.2).
        let _completing = COMPLETING.lock(&flow_id.to_owned()).await;
        let flow = self.flows.get(flow_id, FLOW_KIND).await?;
        let flow = flow.ok_or_else(|| failed("OAuth flow not found"))?;
        let expected = text(&flow.metadata, "state").map(Secret::from);
        if let Some(received) = &callback.received
            && (received.state.is_none() || received.state != expected)
        {
            return Err(failed("The OAuth state does not belong to this flow"));
        }
        if callback
            .attempt
            .as_ref()
            .is_some_and(|attempt| !attempt.is(&flow))
        {
            return Err(failed(
                "OAuth flow attempt was replaced before token exchange",
            ));
        }
        let done = flow.result.as_ref().and_then(Tokens::from_value);
        if let (FlowStatus::Completed, Some(tokens)) = (flow.status, done) {
            return Ok(tokens);
        }
        match self.exchange_and_persist(flow_id, &flow, callback).await {
            Ok(tokens) => Ok(tokens),
            Err(error) => {
                let error = foreign_error(error, &self.secrets);
                let message = "[MCPOAuth] Failed to complete OAuth flow";
                self.logger
                    .with(Level::Error, message, LogMeta::Error(error.clone()));
                let fault = error.host_fault();
                let why = match fault {
                    Some(fault) if !error.message.starts_with(UNPROVEN) => &fault.message,
                    _ => &error.message,
                };
                match flow.attempt() {
                    Some(attempt) => {
                        let failing = self.flows.fail_attempt(flow_id, FLOW_KIND, &attempt, why);
                        failing.await?;
                    }
                    None => self.flows.fail(flow_id, FLOW_KIND, why).await?,
                }
                Err(error)
            }
        }
    }

    async fn exchange_and_persist(
        &self,
        flow_id: &str,
        flow: &FlowState,
        callback: &Callback,
    ) -> Result<Tokens> {
        let mut tokens = self.exchange(flow, callback).await?;
        // Never what the provider says: rows are told apart by it.
        let id: [u8; 16] = rand::random();
        let id = format!("{:032x}", u128::from_be_bytes(id));
        tokens.0.insert(CREDENTIAL_SET_ID.to_owned(), json!(id));
        let stored = match &self.persist {
            Some(persist) => persist.persist(flow_id, flow, tokens).await?,
            None => Persisted {
                tokens,
                is_completed: false,
            },
        };
        let tokens = stored.tokens;
        if stored.is_completed {
            return Ok(tokens);
        }
        let result = tokens.clone().into_value();
        let completed = match flow.attempt() {
            Some(attempt) => {
                let flows = &self.flows;
                let completing = flows.complete_attempt(flow_id, FLOW_KIND, &attempt, &result);
                completing.await.and_then(|is_current| {
                    let cancelled = || Error::new(Code::OAuthFlowFailed, CANCELLED);
                    is_current.then_some(()).ok_or_else(cancelled)
                })
            }
            None => self.flows.complete(flow_id, FLOW_KIND, &result).await,
        };
        if let (Err(_), Some(persist)) = (&completed, &self.persist) {
            persist.roll_back(&tokens).await;
        }
        completed.map(|()| tokens)
    }

    async fn exchange(&self, flow: &FlowState, callback: &Callback) -> Result<Tokens> {
        let mut request = Exchange::read(&flow.metadata)?;
        request.rules.tls.clone_from(&self.tls);
        request.check_issuer(callback.received.as_ref())?;
        let prover = request.prover(&*self.credentials_key)?;
        let mut endpoints = Endpoints::new(
            self.http.clone(),
            &request.rules,
            &self.environment,
            None,
            request
                .oauth_headers
                .as_ref()
                .unwrap_or(&self.oauth_headers),
        )?;
        let asking = Asking::default().keeping(self.secrets.clone());
        endpoints = endpoints.asking(asking).told_of(
            text(&flow.metadata, "serverName"),
            text(&flow.metadata, "userId"),
        );
        endpoints
            .source()
            .step("authorization-callback", || detail("outcome", &"ok"));
        if let Some(prover) = &prover {
            endpoints = endpoints.proving(prover.clone());
        }
        let url = endpoints.check(request.server.endpoint("token_endpoint")?, "token_endpoint")?;
        let redirect_uri = match request.client.redirect_uri() {
            Some(uri) => uri.to_owned(),
            None => redirect_uri(&self.settings, None),
        };
        let mut form = Form::default();
        form.set("grant_type", "authorization_code");
        form.set("code", callback.code.expose());
        form.set("code_verifier", request.verifier.expose());
        form.set("redirect_uri", &redirect_uri);
        let resource = resource_indicator(&request.server_url, request.resource.as_ref())?;
        if let Some(resource) = resource.filter(|_| request.sends_resource) {
            form.set("resource", &resource);
        }
        let mut answer = self
            .post(flow, &request, &endpoints, &url, &mut form)
            .await?;
        if answer.wants_nonce() {
            answer = self
                .post(flow, &request, &endpoints, &url, &mut form)
                .await?;
        }
        let members = answer.success(Code::OAuthExchangeFailed, "Token exchange")?;
        let mut tokens = Tokens::from_response(members, Code::OAuthExchangeFailed)?;
        // Stored with them, by whoever does so. It is ours to say, and no authorization server's.
        tokens.0.remove(FLOW_KEY);
        if let Some(key) = &request.key {
            tokens.0.insert(FLOW_KEY.to_owned(), json!(key.expose()));
        }
        check_bound(&tokens, prover.as_ref(), Code::OAuthExchangeFailed)?;
        Ok(tokens)
    }

    /// With what proves who the client is, made for this request.
    async fn post(
        &self,
        flow: &FlowState,
        request: &Exchange,
        endpoints: &Endpoints,
        url: &Url,
        form: &mut Form,
    ) -> Result<Answer> {
        let is_keyed = match &self.keys {
            Some(keys) if request.client.auth_method() == Some(KEYED) => {
                let server_name = text(&flow.metadata, "serverName").unwrap_or_default();
                let at = ClientEndpoint {
                    endpoints,
                    url,
                    name: "token_endpoint",
                };
                let id = request.client.id();
                let proved = keys.authenticate(server_name, id, form, at).await;
                proved.map_err(|error| Error {
                    message: format!("{UNPROVEN}: {error}"),
                    ..error
                })?
            }
            _ => false,
        };
        let authorization = if is_keyed {
            None
        } else {
            let methods = request
                .server
                .texts("token_endpoint_auth_methods_supported");
            authenticate_in_flow(form, &request.client, methods.as_deref())
        };
        endpoints
            .post_form(url, form, authorization.as_ref())
            .await
            .map_err(|error| {
                let retryable = error.retryable;
                Error::new(
                    Code::OAuthExchangeFailed,
                    format!("{EXCHANGE_FAILED}{error}"),
                )
                .with_retryable(retryable)
                .caused_by(error)
            })
    }
}

/// Held for callbacks of one flow in this process: a browser may send the same twice.
static COMPLETING: LazyLock<KeyedLock<String>> = LazyLock::new(KeyedLock::default);
