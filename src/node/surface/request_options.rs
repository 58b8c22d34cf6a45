//! The `options` of one request: how long it may take, who ends it, and who hears of its progress.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;

use super::call::Call;
use crate::connection::ProgressSink;
use crate::node::engine::{Backlog, JsRef, JsResult, JsThread, Scope, Value};
use crate::node::marshal::params::Params;

#[derive(Default)]
pub struct RequestOptions {
    pub timeout: Option<Duration>,
    pub max_total_timeout: Option<Duration>,
    pub progress: Option<ProgressSink>,
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
        let listener = options.function("onprogress")?;
        Ok(Self {
            timeout: options.duration("timeout")?,
            max_total_timeout: options.duration("maxTotalTimeout")?,
            progress: listener
                .map(|listener| progress_sink(call, listener))
                .transpose()?,
        })
    }
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
