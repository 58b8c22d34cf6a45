//! The `options` of one request: how long it may take, who ends it, and who hears of its progress
//! and of its task.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use super::call::Call;
use crate::connection::{ProgressSink, TaskCall, TaskSink};
use crate::node::engine::{Backlog, JsRef, JsResult, JsThread, Scope, Value};
use crate::node::marshal::params::Params;

#[derive(Default)]
pub struct RequestOptions {
    pub timeout: Option<Duration>,
    pub max_total_timeout: Option<Duration>,
    pub progress: Option<ProgressSink>,
    pub task: Option<TaskSink>,
}

impl RequestOptions {
    /// Reads `params.options`; the call ends with their signal.
    pub fn read<'env>(
        scope: Scope<'env>,
        function: &'static str,
        params: &Params<'env>,
        call: &mut Call,
        thread: &JsThread,
    ) -> JsResult<'env, Self> {
        let Some(options) = params.object_member("options")? else {
            return Ok(Self::default());
        };
        let options = Params::new(scope, function, Some(options))?;
        if let Some(signal) = options.signal("signal")? {
            call.listen(thread, signal)?;
        }
        let progress = options.function("onprogress")?;
        let task = options.function("ontask")?;
        Ok(Self {
            timeout: options.duration("timeout")?,
            max_total_timeout: options.duration("maxTotalTimeout")?,
            progress: progress
                .map(|listener| progress_sink(call, listener))
                .transpose()?,
            task: task.map(|listener| task_sink(call, listener)).transpose()?,
        })
    }

    /// A tool call whose handle somebody may want, if it becomes a task; see [`TaskCall::handing_out`].
    pub fn task_call(&mut self, closing: Vec<CancellationToken>) -> TaskCall {
        let sink = self.task.take();
        sink.map_or_else(TaskCall::default, |sink| {
            TaskCall::handing_out(sink, closing)
        })
    }
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
