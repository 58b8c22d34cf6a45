//! Tool calls of `runtime.manager`.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::call::Call;
use super::methods::Invocation;
use crate::connection::{ProgressSink, TaskCall, TaskHandle, TaskSink};
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
    task: TaskCall,
}

/// `[content, artifacts?]`.
pub fn call_tool<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    run(invocation, read_tool_request(invocation))
}

/// The same for a call that has become a task, here or elsewhere: `params.task` is its handle.
pub fn resume_task<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    run(invocation, read_task_request(invocation))
}

fn run<'env>(
    invocation: &Invocation<'env>,
    request: JsResult<'env, (Call, ToolRequest)>,
) -> JsResult<'env> {
    let prepared = request.map(|(call, wanted)| {
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
                    task: wanted.task,
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
    let scope = invocation.scope;
    let params = invocation.params("callTool")?;
    let required = |name: &'static str| -> JsResult<'env, String> {
        params
            .text(name)?
            .ok_or_else(|| scope.type_error(&format!("callTool: params.{name} must be a string")))
    };
    let wanted = ToolRequest {
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
        task: TaskCall::default(),
    };
    begin(invocation, "callTool", &params, wanted)
}

fn read_task_request<'env>(invocation: &Invocation<'env>) -> JsResult<'env, (Call, ToolRequest)> {
    let params = invocation.params("resumeTask")?;
    let handle = params
        .object_member("task")?
        .map(|handle| handle.to_exact_json("resumeTask: params.task"))
        .transpose()?
        .flatten();
    let handle = handle.ok_or_else(|| params.wrong("task", "must be the handle of a task"))?;
    let handle = TaskHandle::from_json(&handle)
        .map_err(|(member, expected)| params.wrong(&format!("task.{member}"), expected))?;
    let closing = invocation.runtime.manager.closing().clone();
    let wanted = ToolRequest {
        server_name: handle.server_name.clone(),
        tool_name: handle.tool_name.clone(),
        provider: params.text("provider")?.unwrap_or_default(),
        arguments: None,
        timeout: None,
        max_total_timeout: None,
        progress: None,
        task: TaskCall::resuming(handle, closing),
    };
    begin(invocation, "resumeTask", &params, wanted)
}

/// The call, and what its options add to what is wanted.
fn begin<'env>(
    invocation: &Invocation<'env>,
    function: &'static str,
    params: &Params<'env>,
    mut wanted: ToolRequest,
) -> JsResult<'env, (Call, ToolRequest)> {
    let (runtime, scope) = (&invocation.runtime, invocation.scope);
    let options = params.object_member("options")?;
    let options = options
        .map(|options| Params::new(scope, function, Some(options)))
        .transpose()?;
    let mut call = runtime.call(scope, Some(params))?;
    if let Some(options) = &options {
        wanted.timeout = options.duration("timeout")?;
        wanted.max_total_timeout = options.duration("maxTotalTimeout")?;
        if let Some(signal) = options.signal("signal")? {
            call.listen(&runtime.thread, signal)?;
        }
        if let Some(listener) = options.function("onprogress")? {
            wanted.progress = Some(progress_sink(&call, listener)?);
        }
        if let Some(listener) = options.function("ontask")?
            && !wanted.task.is_running()
        {
            let closing = runtime.manager.closing().clone();
            wanted.task = TaskCall::handing_out(task_sink(&call, listener)?, closing);
        }
    }
    call.look_up_now(scope, &wanted.server_name);
    Ok((call, wanted))
}

/// Passes progress on, in the context of the call.
fn progress_sink<'env>(call: &Call, listener: Value<'env>) -> JsResult<'env, ProgressSink> {
    let waiting = listener_of(call, "onprogress", listener)?;
    Ok(Arc::new(move |params| {
        let Ok(Json::Object(mut fields)) = serde_json::to_value(params) else {
            return;
        };
        fields.shift_remove("progressToken");
        waiting.push_or_replace(Json::Object(fields).to_string());
    }))
}

/// Passes the handle of a task on, in the context of the call.
fn task_sink<'env>(call: &Call, listener: Value<'env>) -> JsResult<'env, TaskSink> {
    let waiting = listener_of(call, "ontask", listener)?;
    Ok(Arc::new(move |handle| {
        waiting.push_or_replace(handle.to_json().to_string());
    }))
}

/// What JSON texts are pushed into for a listener.
fn listener_of<'env>(
    call: &Call,
    name: &'static str,
    listener: Value<'env>,
) -> JsResult<'env, Arc<Backlog>> {
    let context = Arc::clone(call.context());
    let thread = context.thread.clone();
    let listener = JsRef::new(&thread, listener)?;
    Ok(Backlog::new(&thread, move |scope, text| {
        context.inform(scope, name, || {
            let value = scope.parse_json(&text)?;
            context.apply(listener.get(scope), scope.undefined(), &[value])
        });
    }))
}
