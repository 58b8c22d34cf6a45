//! `runtime.exchangeOboToken` and `runtime.getGraphApiToken`.

use std::sync::Arc;

use tokio::time::Instant;

use super::call::Call;
use super::methods::Invocation;
use crate::cancel::until_closed;
use crate::error::{Error, Result};
use crate::host::{Level, LogMeta, User};
use crate::manager::Manager;
use crate::node::engine::{JsResult, Scope, Value};
use crate::node::marshal::to_js::WithMembers;
use crate::obo::{EXCHANGE_TIMEOUT, Exchange, ExchangedToken};
use crate::secret::Secret;

/// The arguments of either function.
struct ExchangeParams {
    access_token: Secret,
    scopes: String,
    from_cache: bool,
}

/// `(user, accessToken, scopes, fromCache = true) => Promise<{ access_token, token_type, expires_in, scope }>`
pub fn exchange_obo_token<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    run(invocation, |_, _, outcome| outcome)
}

/// The same, with failures in the words of the reference's `GraphTokenService`.
pub fn get_graph_api_token<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    run(invocation, |call, user, outcome| {
        outcome.map_err(|error| {
            let user = user.openid_id().unwrap_or("undefined");
            let message =
                format!("[GraphTokenService] Failed to acquire Graph API token for user {user}:");
            let logger = &call.host.logger;
            logger.with(Level::Error, message, LogMeta::Error(error.clone()));
            let mut failure = error.clone();
            failure.message = format!("Graph token acquisition failed: {error}");
            failure.caused_by(error)
        })
    })
}

type Outcome = Result<ExchangedToken, Error>;

fn run<'env>(
    invocation: &Invocation<'env>,
    conclude: impl Fn(&Call, &User, Outcome) -> Outcome + Send + Sync + 'static,
) -> JsResult<'env> {
    let scopes = invocation.text(2).unwrap_or_default();
    let read = || {
        let (runtime, scope) = (&invocation.runtime, invocation.scope);
        let call = runtime.call_for(scope, None, invocation.object(0))?;
        let params = ExchangeParams {
            access_token: Secret::new(invocation.text(1).unwrap_or_default()),
            scopes: scopes.clone(),
            from_cache: invocation.given(3).is_none_or(Value::is_truthy),
        };
        Ok((call, params))
    };
    let prepared = read().map(|(call, params)| {
        (call, move |manager: Manager, call: Arc<Call>| async move {
            let nobody = User::default();
            let user = call.user.as_ref().unwrap_or(&nobody);
            let exchange = Exchange {
                host: &call.host,
                user,
                server_name: None,
                access_token: &params.access_token,
                scopes: &params.scopes,
                from_cache: params.from_cache,
                rejected: None,
                deadline: Instant::now() + EXCHANGE_TIMEOUT,
            };
            let exchanged = Box::pin(manager.obo().exchange(&exchange));
            let outcome = until_closed(manager.closing(), exchanged).await.flatten();
            conclude(&call, user, outcome)
        })
    });
    invocation.run_with(prepared, move |scope, _, token| {
        answer(scope, &token, &scopes)
    })
}

fn answer<'env>(scope: Scope<'env>, token: &ExchangedToken, scopes: &str) -> JsResult<'env> {
    scope
        .object()?
        .with("access_token", &token.access_token)?
        .with("token_type", "Bearer")?
        .with(
            "expires_in",
            i64::try_from(token.expires_in).unwrap_or(i64::MAX),
        )?
        .with("scope", scopes)
}
