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
use crate::node::engine::{JsRef, JsResult, JsThread, Present, Value};
use crate::node::marshal::callback::{Callback, STORE_TIMEOUT};
use crate::node::marshal::callee::{Callee, Service};
use crate::node::marshal::context::CallContext;
use crate::node::marshal::convert::{text, whole};
use crate::node::marshal::from_js::{FromJs, wrong_answer};
use crate::node::marshal::to_js::{Members, Optional};
use crate::secret::Secret;

/// A resolver asks the identity provider; the exchange has a bound of its own.
const RESOLVER_TIMEOUT: Duration = Duration::from_mins(1);
const OPENID_CONFIG: &str = "openIdConfig";
const OBO_RESOLVER: &str = "oboTokenResolver";
const GRAPH_RESOLVER: &str = "graphTokenResolver";
const TRUST_CHECKER: &str = "oboTrustChecker";

const OPENID_SERVICE: Service = Service::Host(OPENID_CONFIG);

const GET_OPENID_CLIENT: Callback<(), Option<OpenIdClient>> =
    Callback::reading(OPENID_CONFIG, STORE_TIMEOUT, |_, config| {
        config.present().map(openid_client).transpose()
    });
const CLIENT_ASSERTION: Callback<(), Secret> = Callback::reading(
    "openIdConfig.clientAuth.clientAssertion",
    STORE_TIMEOUT,
    |_, value| client_assertion(value),
);
const CHECK_TRUST: Callback<(Members<3, Option<String>>,), bool> =
    Callback::new(TRUST_CHECKER, STORE_TIMEOUT);

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
        user: context.keep_present(user)?,
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
        let client = Callee::Itself(OPENID_SERVICE);
        GET_OPENID_CLIENT.call(&self.context, client, ()).await
    }

    async fn client_assertion(&self) -> Result<Secret> {
        CLIENT_ASSERTION
            .call_by(&self.context, |context, scope| {
                OPENID_SERVICE.with(context, scope, |context, config| {
                    let auth = config.get("clientAuth")?;
                    context.apply(auth.get("clientAssertion")?, auth, &[])
                })
            })
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
        CHECK_TRUST
            .call(&self.context, self.callee(TRUST_CHECKER), (members,))
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
        let of_exchange = resolver == TokenResolver::OnBehalfOf;
        let arguments = (
            self.user.clone(),
            access_token.clone(),
            scopes.to_owned(),
            from_cache,
            Optional(self.identity.clone().filter(|_| of_exchange)),
        );
        let outcome = Callback::new(name, RESOLVER_TIMEOUT)
            .call(&self.context, self.callee(name), arguments)
            .await;
        match outcome {
            Err(error) if error.code == Code::HostError => Err(self.judged(error).await),
            outcome => outcome,
        }
    }
}

impl FromJs for ResolvedToken {
    fn from_js<'env>(_: &Arc<CallContext>, value: Value<'env>) -> JsResult<'env, Self> {
        let member = |name: &str| -> JsResult<'env, Option<Value<'env>>> {
            value.present().map(|answer| answer.get(name)).transpose()
        };
        let token = member("access_token")?.and_then(Value::as_string);
        Ok(Self {
            access_token: Secret::new(token.unwrap_or_default()),
            expires_in: member("expires_in")?.and_then(whole),
        })
    }
}

fn client_assertion(value: Value<'_>) -> JsResult<'_, Secret> {
    let assertion = text(value).map(Secret::new);
    assertion.ok_or_else(|| wrong_answer(value, CLIENT_ASSERTION.name, "a non-empty string"))
}

impl NodeOnBehalfOf {
    fn has(&self, name: &str) -> bool {
        self.given.contains_key(name) || self.present.has(name)
    }

    /// The call's own function, else the host's.
    fn callee(&self, name: &str) -> Callee {
        let given = self.given.get(name);
        given.map_or(Callee::Host, Callee::from)
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
    let claims = claims.into_iter().flatten().find_map(text);
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
