//! `manager.discoverServerTools`: the tools of a server, whoever has authorized.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::call::Call;
use super::connection_params::{ConnectionParams, read, request};
use super::methods::Invocation;
use crate::cancel::until_cancelled;
use crate::connection::list_tools;
use crate::error::{Code, Result};
use crate::manager::{Acquire, Discover, Discovered, Disposal, Manager};
use crate::node::engine::workers::spawn;
use crate::node::engine::{JsRef, JsResult, Type, Value};
use crate::node::marshal::newer_params::deadline;
use crate::node::marshal::to_js::{Nullable, WithMembers};

#[derive(Default)]
struct Found {
    discovered: Discovered,
    authentication: Option<&'static str>,
}

/// `{ tools, oauthRequired, oauthUrl: null, authenticationKind? }`.
pub fn discover_server_tools<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    const FUNCTION: &str = "discoverServerTools";
    let prepared = (|| {
        let params = invocation.params(FUNCTION)?;
        let milliseconds = params.typed("deadlineMs", Type::Number, "a number of milliseconds")?;
        let end = deadline(milliseconds.and_then(Value::as_number));
        let detached = params.function("onDiscoveryDetached")?;
        let detached = detached.map(|it| JsRef::new(&invocation.runtime.thread, it));
        let (call, params) = read(invocation, FUNCTION)?;
        Ok((call, params, end, detached.transpose()?))
    })();
    let (prepared, detached) = match prepared {
        Ok((call, params, end, detached)) => {
            let work = move |manager: Manager, call: Arc<Call>| async move {
                Box::pin(discover(&manager, &call, &params, end)).await
            };
            (Ok((call, work)), detached)
        }
        Err(thrown) => (Err(thrown), None),
    };
    let thread = invocation.runtime.thread.clone();
    invocation.run_with(prepared, move |scope, call, found: Found| {
        let Discovered {
            tools,
            wants_authorization,
            unfinished,
        } = found.discovered;
        let kind = found.authentication.filter(|_| wants_authorization);
        let result = scope
            .object()?
            .with("tools", Nullable(tools.as_deref()))?
            .with("oauthRequired", wants_authorization)?
            .with("oauthUrl", scope.null())?
            .optional("authenticationKind", kind)?;
        if let (Some(detached), Some(unfinished)) = (detached, unfinished) {
            let (promise, value) = thread.promise(scope)?;
            spawn(async move {
                // However it ends, it no longer runs.
                let _ = unfinished.await;
                promise.settle(|scope| Ok(scope.undefined()));
            });
            let (context, function) = (call.context(), detached.get(scope));
            // What the host does wrong there takes nothing away from what was found.
            if let Err(thrown) = context.apply(function, scope.undefined(), &[value]) {
                let message = thrown.message();
                call.host.logger.warn(format!(
                    "[MCP] [Discovery] onDiscoveryDetached failed: {message}"
                ));
                context.flush_log(scope);
            }
        }
        Ok(result)
    })
}

/// A discovery that can begin.
struct Prepared {
    acquire: Acquire<'static>,
    runs_oauth_flow: bool,
    /// What the result calls the authentication that the server may wait for.
    authentication: &'static str,
    _disposal: Option<Disposal>,
}

/// A caller that has no time left hears of no tools, which is no failure of the server's.
async fn discover(
    manager: &Manager,
    call: &Call,
    params: &ConnectionParams,
    end: Option<Instant>,
) -> Result<Found> {
    let preparing = prepare(manager, call, &params.server_name);
    let preparing = until_cancelled(&call.cancel, manager.closing(), preparing);
    let prepared = match end {
        Some(end) => timeout_at(end, preparing).await.unwrap_or(Ok(Ok(None)))??,
        None => preparing.await??,
    };
    let Some(mut prepared) = prepared else {
        return Ok(Found::default());
    };
    let deadline = &mut prepared.acquire.options.deadline;
    *deadline = end.map_or(*deadline, |end| end.min(*deadline));
    let authentication = Some(prepared.authentication);
    let key = prepared.acquire.key.clone();
    match carry_out(manager, prepared, call.node.recovers_catalogs).await {
        Ok(mut discovered) => {
            let listed = discovered.tools.take();
            discovered.tools = listed
                .map(|tools| manager.for_models(key.owner.user_id(), &key.server_name, &tools));
            Ok(Found {
                discovered,
                authentication,
            })
        }
        Err(error) if matches!(error.code, Code::Aborted | Code::Closed) => Err(error),
        Err(_) if end.is_some_and(|end| end <= Instant::now()) => Ok(Found::default()),
        Err(error) => Err(error),
    }
}

async fn prepare(manager: &Manager, call: &Call, name: &str) -> Result<Option<Prepared>> {
    let (scope, logger) = (call.scope(), &call.host.logger);
    let Some(config) = manager.registered(&scope, name).await? else {
        logger.warn(format!("[MCP][{name}] [Discovery] Server config not found"));
        return Ok(None);
    };
    let missing = config.missing_body_fields(call.request_body.as_ref());
    if !missing.is_empty() && call.host.registry.abilities().await?.is_current() {
        let missing = missing.join(", ");
        logger.warn(format!(
            "[MCP][{name}] [Discovery] Request body field(s) required to resolve runtime MCP placeholders: {missing}"
        ));
        return Ok(None);
    }
    let runs_oauth_flow = config.runs_oauth_flow();
    let authentication = match config.requires_oauth {
        // What the host does for either exchange is the same: it has the user sign in again.
        _ if config.exchanges_tokens() => "obo",
        Some(false) => "server",
        _ => "oauth",
    };
    let server = manager.scope(&scope, name, Some(config)).await?;
    let disposal = manager.disposal(&scope, &server.key);
    Ok(Some(Prepared {
        acquire: request(manager, call, &server, false).await?,
        runs_oauth_flow,
        authentication,
        _disposal: disposal,
    }))
}

async fn carry_out(
    manager: &Manager,
    prepared: Prepared,
    recovers_catalogs: bool,
) -> Result<Discovered> {
    let acquire = &prepared.acquire;
    if prepared.runs_oauth_flow {
        let discovery = Discover {
            recipe: acquire.recipe(manager)?,
            options: acquire.options.clone(),
        };
        return manager.discover_of_user(discovery, recovers_catalogs).await;
    }
    let tools = match manager.acquire(acquire).await {
        Ok(lease) => {
            let list = list_tools(lease.connection(), &acquire.options).await?;
            Some(list.tools)
        }
        Err(error) if error.wants_authorization() => None,
        Err(error) => return Err(error),
    };
    Ok(Discovered {
        wants_authorization: tools.is_none(),
        tools,
        unfinished: None,
    })
}
