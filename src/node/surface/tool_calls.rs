//! Tool calls of `runtime.manager`.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::call::Call;
use super::methods::Invocation;
use super::request_options::RequestOptions;
use super::task_handle;
use crate::connection::{Params as RpcParams, TaskCall};
use crate::manager::{Consent, Manager, ServerCall};
use crate::node::engine::{JsResult, Value};

/// What `callTool` is asked for.
struct ToolRequest {
    server_name: String,
    tool_name: String,
    provider: String,
    arguments: Option<Box<RawValue>>,
    options: RequestOptions,
    task: TaskCall,
}

/// `[content, artifacts?]`, with what of the result is in neither as a property `raw`.
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
    let prepared = request.map(|(call, mut wanted)| {
        (call, move |manager: Manager, call: Arc<Call>| async move {
            let params = RpcParams::Tool {
                name: &wanted.tool_name,
                arguments: wanted.arguments.as_deref(),
            };
            let request = ServerCall {
                requires_user_vars: false,
                scope: call.scope(),
                server_name: &wanted.server_name,
                config: call.config().map_err(Box::new),
                method: "tools/call",
                params,
                consent: Consent::of_call(&call.host),
                connect_timeout: None,
                timeout: wanted.options.timeout,
                max_total_timeout: wanted.options.max_total_timeout,
                since: None,
                progress: wanted.options.progress,
                carried_by: None,
                cancel: call.cancel.clone(),
            };
            let task = &mut wanted.task;
            manager.call_tool(request, task, &wanted.provider).await
        })
    });
    invocation.run_with(prepared, |scope, _, outcome| {
        let content = &outcome.content;
        let artifacts = content
            .artifacts
            .as_ref()
            .map_or_else(|| Ok(scope.undefined()), |value| scope.json(value))?;
        let tuple = scope.array(&[scope.string(&content.text)?, artifacts])?;
        if let Some(raw) = &outcome.raw {
            set_hidden(tuple, "raw", scope.parse_json(raw.get())?)?;
        }
        Ok(tuple)
    })
}

/// A property that neither `JSON.stringify` nor a deep comparison sees.
fn set_hidden<'env>(object: Value<'env>, name: &str, value: Value<'env>) -> JsResult<'env, ()> {
    let scope = object.scope();
    let descriptor = scope.object()?;
    descriptor.set("value", value)?;
    let global = scope.global()?.get("Object")?;
    global.call_method("defineProperty", &[object, scope.string(name)?, descriptor])?;
    Ok(())
}

fn read_tool_request<'env>(invocation: &Invocation<'env>) -> JsResult<'env, (Call, ToolRequest)> {
    let (runtime, scope) = (&invocation.runtime, invocation.scope);
    let params = invocation.params("callTool")?;
    let required = |name: &'static str| -> JsResult<'env, String> {
        params
            .text(name)?
            .ok_or_else(|| scope.type_error(&format!("callTool: params.{name} must be a string")))
    };
    let arguments = params
        .object_member("toolArguments")?
        .map(|arguments| arguments.to_exact_text("callTool: params.toolArguments"))
        .transpose()?;
    let (server_name, tool_name) = (required("serverName")?, required("toolName")?);
    let provider = params.text("provider")?.unwrap_or_default();
    let mut call = runtime.call(scope, Some(&params))?;
    let mut options = RequestOptions::read(scope, "callTool", &params, &mut call, &runtime.thread)?;
    call.look_up_now(scope, &server_name);
    let wanted = ToolRequest {
        server_name,
        tool_name,
        provider,
        arguments: arguments.flatten(),
        task: options.task_call(vec![runtime.manager.closing().clone()]),
        options,
    };
    Ok((call, wanted))
}

fn read_task_request<'env>(invocation: &Invocation<'env>) -> JsResult<'env, (Call, ToolRequest)> {
    let (runtime, scope) = (&invocation.runtime, invocation.scope);
    let params = invocation.params("resumeTask")?;
    let handle = task_handle::read(&params, "resumeTask")?;
    let provider = params.text("provider")?.unwrap_or_default();
    let mut call = runtime.call(scope, Some(&params))?;
    let options = RequestOptions::read(scope, "resumeTask", &params, &mut call, &runtime.thread)?;
    call.look_up_now(scope, &handle.server_name);
    let wanted = ToolRequest {
        server_name: handle.server_name.clone(),
        tool_name: handle.tool_name.clone(),
        provider,
        arguments: None,
        task: TaskCall::resuming(handle, vec![runtime.manager.closing().clone()]),
        options,
    };
    Ok((call, wanted))
}
