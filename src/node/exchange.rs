//! `runtime.exchangeOboToken` and `runtime.getGraphApiToken`.

use std::sync::Arc;

use tokio::time::Instant;

use super::convert;
use super::errors;
use super::js::{JsResult, Scope, Thrown, Value};
use super::runtime::{Runtime, tokio};
use super::thread::JsRef;
use crate::error::{Error, Result};
use crate::host::{Host, Level, LogMeta, User};
use crate::obo::{EXCHANGE_TIMEOUT, Exchange, ExchangedToken};
use crate::secret::Secret;

/// One call of either function.
struct Call {
    host: Host,
    user: User,
    access_token: Secret,
    scopes: String,
    from_cache: bool,
}

/// Which of the two functions was called.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    OnBehalfOf,
    Graph,
}

impl Runtime {
    /// `(user, accessToken, scopes, fromCache = true) => Promise<{ access_token, token_type, expires_in, scope }>`
    pub(super) fn exchange<'env>(
        &self,
        scope: Scope<'env>,
        arguments: &[Value<'env>],
        purpose: Purpose,
    ) -> JsResult<'env> {
        let (promise, value) = self.thread.promise(scope)?;
        let (context, call) = match self.exchange_call(scope, arguments) {
            Ok(prepared) => prepared,
            Err(Thrown(thrown)) => {
                let thrown = JsRef::new(&self.thread, thrown)?;
                promise.settle(move |scope| Err(Thrown(thrown.get(scope))));
                return Ok(value);
            }
        };
        let manager = self.manager.clone();
        tokio().spawn(async move {
            let exchange = Exchange {
                host: &call.host,
                user: &call.user,
                access_token: &call.access_token,
                scopes: &call.scopes,
                from_cache: call.from_cache,
                rejected: None,
                deadline: Instant::now() + EXCHANGE_TIMEOUT,
            };
            let outcome = tokio::select! {
                biased;
                () = manager.closing().cancelled() => Err(Error::closed()),
                outcome = manager.obo().exchange(&exchange) => outcome,
            };
            let outcome = match (outcome, purpose) {
                (Err(error), Purpose::Graph) => Err(call.graph_failure(error)),
                (outcome, _) => outcome,
            };
            let scopes = call.scopes;
            promise.settle(move |scope| {
                context.flush_log(scope);
                answer(scope, outcome, &scopes)
            });
        });
        Ok(value)
    }

    fn exchange_call<'env>(
        &self,
        scope: Scope<'env>,
        arguments: &[Value<'env>],
    ) -> JsResult<'env, (Arc<super::call::CallContext>, Call)> {
        let argument = |index: usize| {
            let argument = arguments.get(index).copied();
            argument.unwrap_or_else(|| scope.undefined())
        };
        let text = |index| argument(index).as_string().unwrap_or_default();
        let user = Some(argument(0)).filter(|user| user.is_object());
        let (context, host) = self.call_host(scope, user)?;
        let call = Call {
            host,
            user: user.map(convert::user).transpose()?.unwrap_or_default(),
            access_token: Secret::new(text(1)),
            scopes: text(2),
            from_cache: argument(3).present().is_none_or(Value::is_truthy),
        };
        Ok((context, call))
    }
}

impl Call {
    /// `api/server/services/GraphTokenService.js` of the reference.
    fn graph_failure(&self, error: Error) -> Error {
        let user = self.user.openid_id().unwrap_or("undefined");
        let message =
            format!("[GraphTokenService] Failed to acquire Graph API token for user {user}:");
        self.host
            .logger
            .with(Level::Error, message, LogMeta::Error(error.clone()));
        let mut failure = error.clone();
        failure.message = format!("Graph token acquisition failed: {error}");
        failure.caused_by(error)
    }
}

fn answer<'env>(
    scope: Scope<'env>,
    outcome: Result<ExchangedToken>,
    scopes: &str,
) -> JsResult<'env> {
    let token = outcome.map_err(|error| Thrown(errors::to_js(scope, &error)))?;
    let object = scope.object()?;
    object.set("access_token", scope.string(token.access_token.expose())?)?;
    object.set("token_type", scope.string("Bearer")?)?;
    #[expect(clippy::cast_precision_loss, reason = "lifetimes are far below 2^53 s")]
    object.set("expires_in", scope.number(token.expires_in as f64)?)?;
    object.set("scope", scope.string(scopes)?)?;
    Ok(object)
}
