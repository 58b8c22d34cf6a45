//! `connection.client.request`.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::call::Call;
use super::handle::{Handle, REQUEST_TIMEOUT};
use super::methods::Invocation;
use crate::connection::{Params as RpcParams, Progress, TaskCall};
use crate::manager::{Governed, Manager, Subject, is_tool_error};
use crate::node::engine::JsResult;
use crate::node::marshal::params::Params;
use crate::server_config::ToolRules;

/// Sends a request as it is given, with the connection's own bounds where it brings none.
pub fn request<'env>(invocation: &Invocation<'env, Arc<Handle>>) -> JsResult<'env> {
    let handle = Arc::clone(&invocation.target);
    let prepared = read_request(invocation).map(|(call, method, params, timeout)| {
        (call, move |manager: Manager, call: Arc<Call>| async move {
            let params = RpcParams::from(params.as_ref());
            let mut options = handle.options(&call);
            let mut seen = handle.observe(&call, &method, params);
            seen.follow(&mut options);
            if let Some(caller) = &mut options.caller {
                caller.peer.tool_name = params.tool_name(&method).map(str::to_owned);
            }
            let timeout = timeout
                .or_else(|| handle.recipe(|recipe| recipe.config.timeout))
                .unwrap_or(REQUEST_TIMEOUT);
            options.deadline = Instant::now() + Duration::from_hours(24);
            options.progress = Some(Progress {
                timeout,
                sink: None,
            });
            let subject = Subject {
                server_name: &handle.key.server_name,
                user_id: handle.key.owner.user_id(),
                params,
            };
            let mut governed = Governed::of(&manager, &call.host, (&method, subject));
            let kept = manager.read_kept_result(
                (&method, params),
                &handle.key.server_name,
                handle.key.owner.user_id(),
            );
            let answer = async {
                if let Some(answer) = kept {
                    return answer;
                }
                let defaults = call.host.tool_rules()?;
                let lease = handle.lease()?;
                let connection = lease.connection();
                seen.carried_by(connection);
                let Some(governed) = &mut governed else {
                    return connection.request(&method, params, &options).await;
                };
                // The connection may have been made for others, and under other rules.
                let (own, identity) =
                    handle.recipe(|recipe| (recipe.own_rules.clone(), recipe.identity.clone()));
                let rules = ToolRules::effective(own.as_ref(), defaults);
                governed.stands_under(rules, identity);
                let mut task = TaskCall::default();
                let answer = governed.call(params, connection, &mut task, &options);
                let answer = answer.await?;
                governed.result(answer, &options).await
            };
            let outcome = answer.await;
            let read = outcome.as_ref();
            let is_error = governed.is_some() && read.is_ok_and(|answer| is_tool_error(answer));
            seen.end(read, is_error, &manager, &call.host.logger);
            if let Some(governed) = governed {
                governed.end(read.err(), is_error).await;
            }
            outcome
        })
    });
    invocation.run_with(prepared, |scope, _, answer: Box<RawValue>| {
        scope.parse_json(answer.get())
    })
}

type Request = (Call, String, Option<Json>, Option<Duration>);

/// `request({ method, params }, resultSchema?, { signal, timeout }?)`; the schema is not needed.
fn read_request<'env>(invocation: &Invocation<'env, Arc<Handle>>) -> JsResult<'env, Request> {
    let (runtime, scope) = (&invocation.runtime, invocation.scope);
    let request = invocation.params("client.request")?;
    let method = request
        .text("method")?
        .ok_or_else(|| scope.type_error("client.request: method must be a string"))?;
    let params = request
        .object_member("params")?
        .map(|params| params.to_exact_json("client.request: params"))
        .transpose()?
        .flatten();
    let options = match invocation.given(2) {
        Some(options) => Some(Params::new(scope, "client.request", Some(options))?),
        None => None,
    };
    let options = options.as_ref();
    let timeout = options.map_or(Ok(None), |options| options.duration("timeout"))?;
    Ok((runtime.call(scope, options)?, method, params, timeout))
}
