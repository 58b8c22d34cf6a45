//! `runtime.exchangeOboToken` and `runtime.getGraphApiToken`.

use std::sync::Arc;

use tokio::time::Instant;

use super::call::Call;
use super::state::RuntimeState;
use crate::error::{Error, Result};
use crate::host::{Level, LogMeta, User};
use crate::manager::Manager;
use crate::node::engine::{JsResult, Scope, Value};
use crate::node::marshal::to_js::WithMembers;
use crate::obo::{EXCHANGE_TIMEOUT, Exchange, ExchangedToken};
use crate::secret::Secret;

/// The arguments of either function.
struct Wanted {
    access_token: Secret,
    scopes: String,
    from_cache: bool,
}

/// `(user, accessToken, scopes, fromCache = true) => Promise<{ access_token, token_type, expires_in, scope }>`
pub fn exchange_obo_token<'env>(
    shared: &Arc<RuntimeState>,
    scope: Scope<'env>,
    arguments: &[Value<'env>],
) -> JsResult<'env> {
    run(shared, scope, arguments, |_, _, outcome| outcome)
}

/// The same, with failures in the words of the reference's `GraphTokenService`.
pub fn get_graph_api_token<'env>(
    shared: &Arc<RuntimeState>,
    scope: Scope<'env>,
    arguments: &[Value<'env>],
) -> JsResult<'env> {
    run(shared, scope, arguments, |call, user, outcome| {
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
    shared: &Arc<RuntimeState>,
    scope: Scope<'env>,
    arguments: &[Value<'env>],
    conclude: impl Fn(&Call, &User, Outcome) -> Outcome + Send + Sync + 'static,
) -> JsResult<'env> {
    let argument = |index: usize| {
        let argument = arguments.get(index).copied();
        argument.unwrap_or_else(|| scope.undefined())
    };
    let scopes = argument(2).as_string().unwrap_or_default();
    let read = || {
        let user = Some(argument(0)).filter(|user| user.is_object());
        let call = shared.call_for(scope, None, user)?;
        let wanted = Wanted {
            access_token: Secret::new(argument(1).as_string().unwrap_or_default()),
            scopes: scopes.clone(),
            from_cache: argument(3).present().is_none_or(Value::is_truthy),
        };
        Ok((call, wanted))
    };
    let prepared = read().map(|(call, wanted)| {
        (call, move |manager: Manager, call: Arc<Call>| async move {
            let nobody = User::default();
            let user = call.user.as_ref().unwrap_or(&nobody);
            let exchange = Exchange {
                host: &call.host,
                user,
                access_token: &wanted.access_token,
                scopes: &wanted.scopes,
                from_cache: wanted.from_cache,
                rejected: None,
                deadline: Instant::now() + EXCHANGE_TIMEOUT,
            };
            let outcome = tokio::select! {
                biased;
                () = manager.closing().cancelled() => Err(Error::closed()),
                outcome = manager.obo().exchange(&exchange) => outcome,
            };
            conclude(&call, user, outcome)
        })
    });
    shared.run(scope, prepared, move |scope, _, token| {
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
