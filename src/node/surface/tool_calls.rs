//! Tool calls of `runtime.manager`.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::call::Call;
use super::methods::Invocation;
use crate::connection::ProgressSink;
use crate::manager::{CallTool, Manager};
use crate::node::engine::{Backlog, JsRef, JsResult, Value};
use crate::node::marshal::params::Params;

/// What `callTool` is asked for.
struct ToolRequest {
    server_name: String,
    tool_name: String,
    provider: String,
    arguments: Option<Box<RawValue>>,
    timeout: Option<Duration>,
    max_total_timeout: Option<Duration>,
    progress: Option<ProgressSink>,
}

/// `[content, artifacts?]`.
pub fn call_tool<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    let prepared = read_tool_request(invocation).map(|(call, wanted)| {
        (call, move |manager: Manager, call: Arc<Call>| async move {
            let config = call.config()?;
            manager
                .call_tool(CallTool {
                    scope: call.scope(),
                    server_name: &wanted.server_name,
                    config,
                    tool_name: &wanted.tool_name,
                    arguments: wanted.arguments,
                    provider: &wanted.provider,
                    timeout: wanted.timeout,
                    max_total_timeout: wanted.max_total_timeout,
                    progress: wanted.progress,
                    cancel: call.cancel.clone(),
                })
                .await
        })
    });
    invocation.run_with(prepared, |scope, _, content| {
        let artifacts = content
            .artifacts
            .as_ref()
            .map_or_else(|| Ok(scope.undefined()), |value| scope.json(value))?;
        scope.array(&[scope.string(&content.text)?, artifacts])
    })
}

fn read_tool_request<'env>(invocation: &Invocation<'env>) -> JsResult<'env, (Call, ToolRequest)> {
    let (runtime, scope) = (&invocation.runtime, invocation.scope);
    let params = invocation.params("callTool")?;
    let required = |name: &'static str| -> JsResult<'env, String> {
        params
            .text(name)?
            .ok_or_else(|| scope.type_error(&format!("callTool: params.{name} must be a string")))
    };
    let options = params.object_member("options")?;
    let options = options
        .map(|options| Params::new(scope, "callTool", Some(options)))
        .transpose()?;
    let mut wanted = ToolRequest {
        server_name: required("serverName")?,
        tool_name: required("toolName")?,
        provider: params.text("provider")?.unwrap_or_default(),
        arguments: params
            .object_member("toolArguments")?
            .map(|arguments| arguments.to_exact_text("callTool: params.toolArguments"))
            .transpose()?
            .flatten(),
        timeout: None,
        max_total_timeout: None,
        progress: None,
    };
    let mut call = runtime.call(scope, Some(&params))?;
    if let Some(options) = &options {
        wanted.timeout = options.duration("timeout")?;
        wanted.max_total_timeout = options.duration("maxTotalTimeout")?;
        if let Some(signal) = options.signal("signal")? {
            call.listen(&runtime.thread, signal)?;
        }
        if let Some(listener) = options.function("onprogress")? {
            wanted.progress = Some(progress_sink(&call, listener)?);
        }
    }
    call.look_up_now(scope, &wanted.server_name);
    Ok((call, wanted))
}

/// Passes progress on, in the context of the call.
fn progress_sink<'env>(call: &Call, listener: Value<'env>) -> JsResult<'env, ProgressSink> {
    let context = Arc::clone(call.context());
    let thread = context.thread.clone();
    let listener = JsRef::new(&thread, listener)?;
    let waiting = Backlog::new(&thread, move |scope, progress| {
        context.inform(scope, "onprogress", || {
            let progress = scope.parse_json(&progress)?;
            context.apply(listener.get(scope), scope.undefined(), &[progress])
        });
    });
    Ok(Arc::new(move |params| {
        let Ok(Json::Object(mut fields)) = serde_json::to_value(params) else {
            return;
        };
        fields.shift_remove("progressToken");
        waiting.push_or_replace(Json::Object(fields).to_string());
    }))
}
