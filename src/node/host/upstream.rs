//! `upstreamTokenProvider`, `upstreamTokenProviderResolver` and `oboIdentityContext`: the login session of the request
//! that makes the call.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;

use super::obo::verdict_of;
use crate::error::{Code, Error, OboFailure, OboReason, Result};
use crate::host::{Host, Identity, OpenIdTokens, UpstreamTokens};
use crate::node::engine::{JsRef, JsResult, Scope, Value};
use crate::node::marshal::callback::Callback;
use crate::node::marshal::context::CallContext;
use crate::node::marshal::convert::{self, text_member};
use crate::node::marshal::from_js::{FromJs, wrong_answer};
use crate::node::marshal::params::Params;
use crate::node::marshal::to_js::{ToJs, WithMembers};

const PROVIDER: &str = "upstreamTokenProvider";
const RESOLVER: &str = "upstreamTokenProviderResolver";
const IDENTITY: &str = "oboIdentityContext";

/// A refresh asks the identity provider; who waits for it has a bound of their own.
const TIMEOUT: Duration = Duration::from_mins(1);

const PROVIDE: Callback<(Options,), Option<OpenIdTokens>> =
    Callback::reading(PROVIDER, TIMEOUT, |_, value| tokens(value));
const RESOLVE: Callback<(Options,), Option<Arc<JsRef>>> =
    Callback::reading(RESOLVER, TIMEOUT, |context, value| {
        if value.is_function() || value.present().is_none() {
            return FromJs::from_js(context, value);
        }
        Err(wrong_answer(value, RESOLVER, "a function, or to undefined"))
    });

/// What the call brought. It is let go of when the call ends, and with it the request that the functions close over.
struct Sources {
    provider: Option<Arc<JsRef>>,
    resolver: Option<Arc<JsRef>>,
    signal: Option<Arc<JsRef>>,
}

/// A server's name, and the scopes of its tokens.
type Target = (String, String);

/// The session of one call.
struct NodeUpstream {
    context: Arc<CallContext>,
    sources: Mutex<Option<Arc<Sources>>>,
    /// What the resolver answered, for each server and scopes.
    resolved: Mutex<Vec<(Target, Arc<JsRef>)>>,
}

impl NodeUpstream {
    fn sources(&self) -> Result<Arc<Sources>> {
        let sources = self.sources.lock().clone();
        sources
            .ok_or_else(|| Error::new(Code::Aborted, "The call that brought the session has ended"))
    }

    async fn judged<T>(&self, outcome: Result<T>) -> Result<T> {
        let error = match outcome {
            Err(error) if error.code == Code::HostError => error,
            outcome => return outcome,
        };
        let verdict = verdict_of(&self.context.thread, &error).await;
        let verdict = verdict.unwrap_or_default();
        if verdict.is_abort {
            return Err(Error::aborted().caused_by(error));
        }
        Err(error.with_retryable(verdict.retryable))
    }

    async fn ask(&self, provider: Arc<JsRef>, force: Option<bool>) -> Result<Option<OpenIdTokens>> {
        let options = Options {
            sources: self.sources()?,
            force,
            target: None,
        };
        let tokens = PROVIDE.call(&self.context, &provider, (options,)).await;
        self.judged(tokens).await
    }

    fn known(&self, target: &Target) -> Option<Arc<JsRef>> {
        let resolved = self.resolved.lock();
        let (_, provider) = resolved.iter().find(|(known, _)| known == target)?;
        Some(Arc::clone(provider))
    }

    /// The provider for this server, asked for once in a call.
    async fn resolve(&self, server_name: &str, scopes: &str) -> Result<Arc<JsRef>> {
        let target = (server_name.to_owned(), scopes.to_owned());
        if let Some(provider) = self.known(&target) {
            return Ok(provider);
        }
        let sources = self.sources()?;
        let provider = match &sources.resolver {
            Some(resolver) => {
                let options = Options {
                    target: Some(target.clone()),
                    force: None,
                    sources: Arc::clone(&sources),
                };
                let provider = RESOLVE.call(&self.context, resolver, (options,)).await;
                self.judged(provider).await?
            }
            None => None,
        };
        let provider = provider.ok_or_else(|| {
            let message =
                "No renewable upstream credential provider is available for this MCP server.";
            Error::new(Code::OboMissingUpstreamProvider, message)
                .with_obo(OboFailure::new(OboReason::MissingUpstreamProvider))
        })?;
        self.resolved.lock().push((target, Arc::clone(&provider)));
        Ok(provider)
    }
}

/// Gives the host the session that a call brings, and returns the call's own `oboIdentityContext`.
pub fn attach<'env>(
    host: &mut Host,
    context: &Arc<CallContext>,
    params: Option<&Params<'env>>,
) -> JsResult<'env, Option<Value<'env>>> {
    let Some(params) = params else {
        return Ok(None);
    };
    let keep = |value| context.keep_present(value);
    let signal = match params.signal("signal")? {
        Some(signal) => Some(signal),
        None => match params.object_member("options")? {
            Some(options) => options.get("signal")?.present(),
            None => None,
        },
    };
    let provider = keep(params.function(PROVIDER)?)?;
    let resolver = keep(params.function(RESOLVER)?)?;
    if provider.is_some() || resolver.is_some() {
        let sources = Sources {
            provider,
            resolver,
            signal: keep(signal)?,
        };
        host.upstream_tokens = Some(Arc::new(NodeUpstream {
            context: Arc::clone(context),
            sources: Mutex::new(Some(Arc::new(sources))),
            resolved: Mutex::default(),
        }));
    }
    let identity = params.object_member(IDENTITY)?;
    host.identity = identity.map(identity_of).transpose()?;
    Ok(identity)
}

/// What both functions are given: `{ signal?, forceRefresh?, target? }`.
struct Options {
    sources: Arc<Sources>,
    force: Option<bool>,
    target: Option<Target>,
}

impl<'env> ToJs<'env> for Options {
    fn to_js(&self, scope: Scope<'env>) -> JsResult<'env> {
        let target = (self.target.as_ref())
            .map(|(server_name, scopes)| [("mcpServer", server_name), ("scopes", scopes)]);
        scope
            .object()?
            .optional("signal", self.sources.signal.as_ref())?
            .optional("forceRefresh", self.force)?
            .optional("target", target)
    }
}

fn tokens(value: Value<'_>) -> JsResult<'_, Option<OpenIdTokens>> {
    match value.present() {
        None => Ok(None),
        Some(tokens) if tokens.is_object() => {
            Ok(Some(convert::openid_tokens(tokens)?.unwrap_or_default()))
        }
        Some(_) => Err(wrong_answer(
            value,
            PROVIDER,
            "an object with tokens, or to null",
        )),
    }
}

#[async_trait]
impl UpstreamTokens for NodeUpstream {
    fn is_over(&self) -> bool {
        self.sources.lock().is_none()
    }

    fn end(&self) {
        self.sources.lock().take();
        self.resolved.lock().clear();
    }

    fn can_forward(&self) -> bool {
        let sources = self.sources.lock();
        sources.as_ref().is_some_and(|it| it.provider.is_some())
    }

    async fn to_exchange(
        &self,
        server_name: &str,
        scopes: &str,
        force: bool,
    ) -> Result<Option<OpenIdTokens>> {
        let provider = match self.sources()?.provider.clone() {
            Some(provider) => provider,
            None => self.resolve(server_name, scopes).await?,
        };
        self.ask(provider, force.then_some(true)).await
    }

    async fn to_forward(&self, force: bool) -> Result<Option<OpenIdTokens>> {
        match self.sources()?.provider.clone() {
            Some(provider) => self.ask(provider, Some(force)).await,
            None => Ok(None),
        }
    }
}

/// `oboIdentityContext`; members that are no texts are not there.
fn identity_of(context: Value<'_>) -> JsResult<'_, Identity> {
    let text = |name| text_member(context, name);
    Ok(Identity {
        app_user_id: text("appUserId")?,
        openid_subject: text("openidSubject")?,
        tenant_id: text("tenantId")?,
        openid_issuer: text("openidIssuer")?,
    })
}
