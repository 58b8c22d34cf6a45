//! The end of a flow: the authorization code for tokens (RFC 6749, section 4.1.3).

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use indexmap::IndexMap;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tokio::sync::OwnedMutexGuard;
use url::Url;

use super::client_auth::{AuthMethod, authenticate, authenticate_client};
use super::documents::{ClientInfo, ResourceMetadata, ServerMetadata, Tokens, text, texts};
use super::flow_kind::FLOW_KIND;
use super::http::{Endpoints, Form};
use super::initiate::{CONFIGURED_ENDPOINTS, SEND_RESOURCE, redirect_uri, resource_indicator};
use super::issuer::{is_response_issuer, origin_of};
use crate::environment::Environment;
use crate::error::{Code, Error, Result};
use crate::host::{CREDENTIAL_SET_ID, FlowAttempt, FlowState, FlowStatus, FlowStore};
use crate::log::{Level, LogMeta, Logger};
use crate::network::{HttpClient, NetworkRules};
use crate::secret::Secret;
use crate::settings::Settings;

/// `LibreChat`'s text for a flow that was torn down or replaced meanwhile.
pub const CANCELLED: &str = "OAuth flow was cancelled before completion";

/// What a callback needs.
pub struct Completion {
    pub http: HttpClient,
    pub flows: Arc<dyn FlowStore>,
    /// For flows that say nothing about them.
    pub oauth_headers: IndexMap<String, String>,
    pub environment: Environment,
    pub settings: Settings,
    pub logger: Logger,
    /// Stores the tokens before anybody who waits for the flow gets them.
    pub persist: Option<Arc<dyn Persist>>,
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

#[derive(Debug, Clone, Default)]
pub struct Received {
    pub state: Option<Secret>,
    /// RFC 9207.
    pub iss: Option<String>,
}

impl Completion {
    /// Exchanges the code and completes the flow with the tokens. A flow that is completed already gives what it was
    /// completed with; any failure fails the flow, except a wrong or missing `state`, which may be anybody's.
    ///
    /// Fails with [`Code::OAuthFlowFailed`] (no such flow, wrong `state` or `iss`), [`Code::OAuthExchangeFailed`].
    pub async fn complete(&self, flow_id: &str, callback: &Callback) -> Result<Tokens> {
        let failed = |problem: &str| Error::new(Code::OAuthFlowFailed, problem);
        // A code is for one use, and a provider that sees it twice takes back what it gave for it (RFC 6749, section 4.1.2).
        let _one_at_a_time = Turn::of(flow_id).await;
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
                let message = "[MCPOAuth] Failed to complete OAuth flow";
                self.logger
                    .with(Level::Error, message, LogMeta::Error(error.clone()));
                let fault = error.host_fault();
                let why = fault.map_or(&error.message, |fault| &fault.message);
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
        let request = Exchange::read(&flow.metadata)?;
        request.check_issuer(callback.received.as_ref())?;
        let endpoints = Endpoints::new(
            self.http.clone(),
            &request.rules,
            &self.environment,
            None,
            request
                .oauth_headers
                .as_ref()
                .unwrap_or(&self.oauth_headers),
        )?;
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
        let authorization = if request.client.auth_method() == Some(AuthMethod::None.as_str()) {
            authenticate(&mut form, AuthMethod::None, request.client.id(), None)
        } else {
            let methods = request
                .server
                .texts("token_endpoint_auth_methods_supported");
            authenticate_client(&mut form, &request.client, None, methods.as_deref())
        };
        let answer = endpoints
            .post_form(&url, &form, authorization.as_ref())
            .await
            .map_err(|error| {
                let retryable = error.retryable;
                Error::new(
                    Code::OAuthExchangeFailed,
                    format!("Token exchange failed: {error}"),
                )
                .with_retryable(retryable)
                .caused_by(error)
            })?;
        let members = answer.success(Code::OAuthExchangeFailed, "Token exchange")?;
        Tokens::from_response(members, Code::OAuthExchangeFailed)
    }
}

/// Callbacks of one flow in this process, one after another: a browser may send the same twice.
struct Turn {
    flow_id: String,
    guard: Option<OwnedMutexGuard<()>>,
}

static TURNS: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>> = Mutex::new(BTreeMap::new());

impl Turn {
    async fn of(flow_id: &str) -> Self {
        let flow = Arc::clone(TURNS.lock().entry(flow_id.to_owned()).or_default());
        let mut turn = Self {
            flow_id: flow_id.to_owned(),
            guard: None,
        };
        turn.guard = Some(flow.lock_owned().await);
        turn
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.guard = None;
        let mut turns = TURNS.lock();
        // Nobody else has it, or waits for it.
        if turns
            .get(&self.flow_id)
            .is_some_and(|flow| Arc::strong_count(flow) == 1)
        {
            turns.remove(&self.flow_id);
        }
    }
}

/// A flow's metadata, as far as the exchange needs it.
struct Exchange {
    server_url: Url,
    server: ServerMetadata,
    resource: Option<ResourceMetadata>,
    client: ClientInfo,
    verifier: Secret,
    rules: NetworkRules,
    /// Those that its token endpoint gets.
    oauth_headers: Option<IndexMap<String, String>>,
    configured_endpoints: bool,
    sends_resource: bool,
}

impl Exchange {
    fn read(metadata: &Map<String, Value>) -> Result<Self> {
        let object = |name: &str| metadata.get(name).and_then(Value::as_object).cloned();
        let flag = |name: &str| metadata.get(name).and_then(Value::as_bool);
        let list = |name: &str| -> Vec<String> {
            let items = texts(metadata, name).unwrap_or_default();
            items.into_iter().map(str::to_owned).collect()
        };
        let read = || {
            Some(Self {
                server_url: Url::parse(text(metadata, "serverUrl")?).ok()?,
                server: ServerMetadata(object("metadata")?),
                resource: object("resourceMetadata").map(ResourceMetadata),
                client: ClientInfo::new(object("clientInfo")?)?,
                verifier: text(metadata, "codeVerifier").map(Secret::from)?,
                rules: NetworkRules {
                    // Endpoints of authorization servers are judged whatever this says, unless they are listed.
                    ssrf_protection: false,
                    allowed_domains: list("allowedDomains"),
                    allowed_addresses: list("allowedAddresses"),
                },
                oauth_headers: object("oauthHeaders").map(|headers| {
                    let texts = headers.into_iter();
                    texts
                        .filter_map(|(name, value)| Some((name, value.as_str()?.to_owned())))
                        .collect()
                }),
                configured_endpoints: flag(CONFIGURED_ENDPOINTS).unwrap_or(false),
                sends_resource: flag(SEND_RESOURCE).unwrap_or(true),
            })
        };
        read().ok_or_else(|| Error::new(Code::OAuthFlowFailed, "Invalid flow metadata"))
    }

    /// RFC 9207, section 2.4: a response of another issuer must not have its code sent to this one.
    fn check_issuer(&self, received: Option<&Received>) -> Result<()> {
        let Some(received) = received else {
            return Ok(());
        };
        let announced = self
            .server
            .0
            .get("authorization_response_iss_parameter_supported")
            .and_then(Value::as_bool)
            .unwrap_or(false);
        let issuer = self.server.text("issuer");
        let fits = match (&received.iss, issuer) {
            (None, _) => !announced,
            (Some(iss), _) if self.configured_endpoints => self.is_at_endpoints(iss, false),
            // What stands there where nobody stated an issuer.
            (Some(iss), Some(issuer)) if issuer == self.server_url.as_str() => {
                self.is_at_endpoints(iss, true)
            }
            (Some(iss), issuer) => issuer.is_some_and(|issuer| is_response_issuer(issuer, iss)),
        };
        if fits {
            return Ok(());
        }
        Err(Error::new(
            Code::OAuthFlowFailed,
            "The authorization response names another issuer than the one that was asked (RFC 9207)",
        ))
    }

    /// Whether the issuer is at the origin of the authorization or the token endpoint, or of `both`.
    fn is_at_endpoints(&self, issuer: &str, both: bool) -> bool {
        let Some(origin) = origin_of(issuer) else {
            return false;
        };
        let is_there = |name: &str| {
            let endpoint = self.server.text(name).and_then(origin_of);
            endpoint.as_ref() == Some(&origin)
        };
        let (user, code) = (
            is_there("authorization_endpoint"),
            is_there("token_endpoint"),
        );
        if both { user && code } else { user || code }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(members: &Value, configured: bool) -> Exchange {
        let metadata = json!({
            "serverUrl": "https://mcp.test/mcp",
            "codeVerifier": "v",
            "clientInfo": { "client_id": "c" },
            "metadata": members,
            "configuredEndpoints": configured,
        });
        Exchange::read(metadata.as_object().unwrap()).unwrap()
    }

    fn accepts(exchange: &Exchange, iss: Option<&str>) -> bool {
        let received = Received {
            state: None,
            iss: iss.map(str::to_owned),
        };
        exchange.check_issuer(Some(&received)).is_ok()
    }

    #[test]
    fn responses_name_the_issuer_of_the_flow() {
        let issuer = |issuer: Value, announced: Value| {
            let members = json!({
                "issuer": issuer,
                "authorization_response_iss_parameter_supported": announced,
            });
            exchange(&members, false)
        };
        let (honest, evil) = ("https://h.test", "https://evil.test");
        for (announced, iss, fits) in [
            (true, Some(honest), true),
            (true, Some("https://h.test/"), false),
            (true, Some(evil), false),
            (true, Some("https://h.test.evil.test"), false),
            (true, Some(""), false),
            (true, None, false),
            (false, None, true),
            (false, Some(honest), true),
            (false, Some(evil), false),
        ] {
            let exchange = issuer(json!(honest), json!(announced));
            assert_eq!(accepts(&exchange, iss), fits, "{announced} {iss:?}");
        }
        for unstated in [json!(null), json!(5), json!(""), json!([honest])] {
            assert!(!accepts(
                &issuer(unstated.clone(), json!(null)),
                Some(honest)
            ));
            assert!(accepts(&issuer(unstated, json!(null)), None));
        }
        let template = issuer(json!("https://login.test/{tenantid}/v2.0"), json!(true));
        assert!(accepts(&template, Some("https://login.test/contoso/v2.0")));
        assert!(!accepts(&template, Some("https://evil.test/contoso/v2.0")));
        assert!(
            issuer(json!(honest), json!(true))
                .check_issuer(None)
                .is_ok()
        );
    }

    #[test]
    fn where_nobody_stated_an_issuer_it_is_at_the_endpoints() {
        let (user, code) = ("https://accounts.test", "https://tokens.test");
        let members = |authorization: &str, token: &str| {
            json!({
                "issuer": "https://mcp.test/mcp",
                "authorization_endpoint": format!("{authorization}/authorize"),
                "token_endpoint": format!("{token}/token"),
            })
        };
        // The operator says that they belong together.
        let configured = exchange(&members(user, code), true);
        for (iss, fits) in [
            ("https://accounts.test/realm", true),
            (code, true),
            ("https://accounts.test:8443", false),
            ("https://accounts.test@evil.test", false),
            ("https://evil.test", false),
            ("accounts.test", false),
        ] {
            assert_eq!(accepts(&configured, Some(iss)), fits, "{iss}");
        }
        // Here a server says it.
        let guessed = exchange(&members(user, user), false);
        assert!(accepts(&guessed, Some(user)) && !accepts(&guessed, Some(code)));
        let mixed = exchange(&members(user, code), false);
        assert!(!accepts(&mixed, Some(user)) && !accepts(&mixed, Some(code)));
    }

    #[test]
    fn incomplete_flows() {
        let error = Exchange::read(&Map::new()).err().unwrap();
        assert_eq!(error.message, "Invalid flow metadata");
    }
}
