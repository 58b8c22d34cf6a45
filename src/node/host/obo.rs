//! What on-behalf-of exchange needs from the host, over JavaScript callbacks.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;

use super::openid_config::openid_client;
use super::token_cache::{CACHE, NodeCache};
use crate::error::{Code, Error, OboFailure, OboReason, Result};
use crate::host::{Host, OnBehalfOf, OpenIdClient, ResolvedToken, TokenResolver};
use crate::node::engine::{JsRef, JsResult, JsThread, Present, Scope, Value};
use crate::node::marshal::callback::STORE_TIMEOUT;
use crate::node::marshal::context::CallContext;
use crate::secret::Secret;

/// A resolver asks the identity provider; the exchange has a bound of its own.
const RESOLVER_TIMEOUT: Duration = Duration::from_mins(1);
const OPENID_CONFIG: &str = "openIdConfig";
const OBO_RESOLVER: &str = "oboTokenResolver";
const GRAPH_RESOLVER: &str = "graphTokenResolver";
const TRUST_CHECKER: &str = "oboTrustChecker";

/// Functions that a call may bring along in place of the host's (the reference's `callTool`).
pub const PER_CALL: [&str; 3] = [OBO_RESOLVER, GRAPH_RESOLVER, TRUST_CHECKER];

/// Those of [`PER_CALL`] that one call has.
pub type Given = HashMap<&'static str, Arc<JsRef>>;

const fn member_of(resolver: TokenResolver) -> &'static str {
    match resolver {
        TokenResolver::OnBehalfOf => OBO_RESOLVER,
        TokenResolver::Graph => GRAPH_RESOLVER,
    }
}

/// Puts the host's members for on-behalf-of into `host`: its `OpenID` client, its policy, its cache.
pub fn attach<'env>(
    host: &mut Host,
    context: &Arc<CallContext>,
    user: Option<Value<'env>>,
    identity: Option<Arc<JsRef>>,
    given: Given,
    present: Present,
) -> JsResult<'env, ()> {
    if present.has(CACHE) {
        host.exchanged_tokens = Some(Arc::new(NodeCache(Arc::clone(context))));
    }
    host.on_behalf_of = Some(Arc::new(NodeOnBehalfOf {
        present,
        given,
        identity,
        user: user
            .map(|user| JsRef::new(&context.thread, user))
            .transpose()?
            .map(Arc::new),
        context: Arc::clone(context),
    }));
    Ok(())
}

struct NodeOnBehalfOf {
    context: Arc<CallContext>,
    /// The caller's own user object.
    user: Option<Arc<JsRef>>,
    /// `oboIdentityContext`.
    identity: Option<Arc<JsRef>>,
    /// The members that the host has.
    present: Present,
    given: Given,
}

#[async_trait]
impl OnBehalfOf for NodeOnBehalfOf {
    async fn openid_client(&self) -> Result<Option<OpenIdClient>> {
        if !self.present.has(OPENID_CONFIG) {
            return Ok(None);
        }
        self.context
            .callback(
                OPENID_CONFIG,
                STORE_TIMEOUT,
                |context, scope| context.with_service(scope, OPENID_CONFIG, |_, config| Ok(config)),
                |_, config| config.present().map(openid_client).transpose(),
            )
            .await
    }

    async fn client_assertion(&self) -> Result<Secret> {
        self.context
            .callback(
                "openIdConfig.clientAuth.clientAssertion",
                STORE_TIMEOUT,
                |context, scope| {
                    context.with_service(scope, OPENID_CONFIG, |context, config| {
                        let auth = config.get("clientAuth")?;
                        context.apply(auth.get("clientAssertion")?, auth, &[])
                    })
                },
                |_, value| {
                    let assertion = value.as_string().filter(|text| !text.is_empty());
                    assertion.map(Secret::new).ok_or_else(|| {
                        value.scope().type_error(
                            "openIdConfig.clientAuth.clientAssertion must resolve to a non-empty string",
                        )
                    })
                },
            )
            .await
    }

    async fn is_trusted(
        &self,
        source: Option<&str>,
        author: Option<&str>,
        db_id: Option<&str>,
    ) -> Result<bool> {
        if !self.has(TRUST_CHECKER) {
            return Ok(true);
        }
        let members = [("source", source), ("author", author), ("dbId", db_id)]
            .map(|(name, value)| (name, value.map(str::to_owned)));
        let given = self.given.get(TRUST_CHECKER).cloned();
        self.context
            .callback(
                TRUST_CHECKER,
                STORE_TIMEOUT,
                move |context, scope| {
                    let config = scope.object()?;
                    for (name, value) in &members {
                        config.set(name, scope.optional_string(value.as_deref())?)?;
                    }
                    apply(context, scope, TRUST_CHECKER, given.as_deref(), &[config])
                },
                |_, value| Ok(value.is_truthy()),
            )
            .await
    }

    fn has_resolver(&self, resolver: TokenResolver) -> bool {
        self.has(member_of(resolver))
    }

    async fn resolve(
        &self,
        resolver: TokenResolver,
        access_token: &Secret,
        scopes: &str,
        from_cache: bool,
    ) -> Result<ResolvedToken> {
        let name = member_of(resolver);
        let (user, access_token, scopes) =
            (self.user.clone(), access_token.clone(), scopes.to_owned());
        let given = self.given.get(name).cloned();
        let of_exchange = resolver == TokenResolver::OnBehalfOf;
        let identity = self.identity.clone().filter(|_| of_exchange);
        let outcome = self
            .context
            .callback(
                name,
                RESOLVER_TIMEOUT,
                move |context, scope| {
                    let user = user.map_or_else(|| scope.undefined(), |user| user.get(scope));
                    let mut arguments = vec![
                        user,
                        scope.string(access_token.expose())?,
                        scope.string(&scopes)?,
                        scope.boolean(from_cache)?,
                    ];
                    arguments.extend(identity.map(|identity| identity.get(scope)));
                    apply(context, scope, name, given.as_deref(), &arguments)
                },
                |_, value| {
                    let answer = value.present();
                    let member = |name: &str| -> JsResult<'_, Option<Value<'_>>> {
                        answer.map(|answer| answer.get(name)).transpose()
                    };
                    let token = member("access_token")?.and_then(Value::as_string);
                    #[expect(
                        clippy::cast_possible_truncation,
                        reason = "seconds; the cast saturates"
                    )]
                    let expires_in = member("expires_in")?
                        .and_then(Value::as_number)
                        .map(|seconds| seconds as i64);
                    Ok(ResolvedToken {
                        access_token: Secret::new(token.unwrap_or_default()),
                        expires_in,
                    })
                },
            )
            .await;
        match outcome {
            Err(error) if error.code == Code::HostError => Err(self.judged(error).await),
            outcome => outcome,
        }
    }
}

/// Calls the call's own function, else the host's.
fn apply<'env>(
    context: &CallContext,
    scope: Scope<'env>,
    name: &str,
    given: Option<&JsRef>,
    arguments: &[Value<'env>],
) -> JsResult<'env> {
    if let Some(given) = given {
        return context.apply(given.get(scope), scope.undefined(), arguments);
    }
    let host = context.host(scope);
    context.apply(host.get(name)?, host, arguments)
}

impl NodeOnBehalfOf {
    fn has(&self, name: &str) -> bool {
        self.given.contains_key(name) || self.present.has(name)
    }

    /// Takes from what a resolver threw what the reference takes from it.
    async fn judged(&self, error: Error) -> Error {
        let Some(verdict) = verdict_of(&self.context.thread, &error).await else {
            return error;
        };
        let Verdict {
            retryable, claims, ..
        } = verdict;
        let error = error.with_retryable(retryable && claims.is_none());
        match claims {
            None => error,
            Some(claims) => {
                let mut challenge = Error::new(Code::OboClaimsChallenge, error.message.clone());
                challenge.cause = error.cause;
                challenge.with_obo(OboFailure {
                    claims: Some(claims),
                    ..OboFailure::new(OboReason::ExchangeFailed)
                })
            }
        }
    }
}

/// What the value says that a host callback threw.
pub async fn verdict_of(thread: &JsThread, error: &Error) -> Option<Verdict> {
    let fault = error.host_fault()?;
    let thrown = fault.value.clone()?.downcast::<JsRef>().ok()?;
    let asked = thread
        .ask(move |scope, sender| {
            // Members whose getters throw say nothing.
            let _ = sender.send(verdict(thrown.get(scope)).unwrap_or_default());
        })
        .map(Result::unwrap_or_default);
    Some(asked.await)
}

#[derive(Default)]
pub struct Verdict {
    pub retryable: bool,
    pub claims: Option<String>,
    /// Whether it is what an abort throws.
    pub is_abort: bool,
}

/// The reference's `isRetryableOboExchangeError`, and a claims challenge as this runtime or openid-client throws it.
fn verdict(error: Value<'_>) -> Option<Verdict> {
    const STATUSES: [f64; 5] = [429.0, 500.0, 502.0, 503.0, 504.0];
    const CODES: [&str; 4] = ["ETIMEDOUT", "ECONNRESET", "EAI_AGAIN", "ENOTFOUND"];
    const TEXTS: [&str; 7] = [
        "timed out",
        "timeout",
        "econnreset",
        "socket hang up",
        "temporarily unavailable",
        "too many requests",
        "service unavailable",
    ];
    if !error.is_object() {
        return None;
    }
    let member = |name: &str| error.get(name).ok();
    let nested = |outer: &str, name: &str| {
        let outer = member(outer).filter(|outer| outer.is_object())?;
        outer.get(name).ok()
    };
    let claims = [member("claims"), nested("cause", "claims")];
    let claims = claims
        .into_iter()
        .flatten()
        .find_map(|claims| claims.as_string().filter(|text| !text.is_empty()));
    let status = [
        member("status"),
        member("statusCode"),
        nested("response", "status"),
    ];
    let status = status.into_iter().flatten().find_map(Value::as_number);
    let code = member("code").and_then(Value::as_string);
    let message = member("message").and_then(Value::as_string);
    let retryable = member("retryable")
        .and_then(Value::as_bool)
        .unwrap_or_else(|| {
            let message = message.unwrap_or_default().to_lowercase();
            status.is_some_and(|status| STATUSES.contains(&status))
                || code.is_some_and(|code| CODES.contains(&code.to_uppercase().as_str()))
                || TEXTS.iter().any(|text| message.contains(text))
        });
    let is_abort = member("name").and_then(Value::as_string).as_deref() == Some("AbortError");
    Some(Verdict {
        retryable,
        claims,
        is_abort,
    })
}
