//! Calls of the host for an answer that nobody waits for.

use std::sync::Arc;

use super::context::CallContext;
use super::errors;
use super::log::{Lines, NodeLog};
use crate::host::{Level, Log, LogMeta};
use crate::node::engine::{JsResult, Scope, Thrown};

impl CallContext {
    /// Calls the host for an answer that nobody waits for. What it throws, at once or later, breaks nothing: it is
    /// counted, and told once for each callback. `callback` is how the host knows it.
    pub fn inform<'env>(
        self: &Arc<Self>,
        scope: Scope<'env>,
        callback: &'static str,
        call: impl FnOnce() -> JsResult<'env>,
    ) {
        match call() {
            Ok(answer) => {
                let context = Arc::clone(self);
                answer.settled(move |scope, outcome| {
                    if let Err(thrown) = outcome {
                        context.note_failure(scope, callback, &thrown);
                    }
                });
            }
            Err(thrown) => self.note_failure(scope, callback, &thrown),
        }
    }

    fn note_failure(
        self: &Arc<Self>,
        scope: Scope<'_>,
        callback: &'static str,
        thrown: &Thrown<'_>,
    ) {
        if !self.realm.metrics.callback_failed(callback) {
            return;
        }
        let error = errors::from_host(callback, &self.thread, thrown);
        let message = format!(
            "[MCP] The host callback {callback} has failed; from now on its failures are only counted"
        );
        // A logger cannot tell of itself.
        let has_logger = self
            .host(scope)
            .get("logger")
            .is_ok_and(|it| it.present().is_some());
        if has_logger && !callback.starts_with("logger") {
            let log = NodeLog {
                context: Arc::clone(self),
                lines: Lines::Host,
            };
            log.log(Level::Warn, message, LogMeta::Error(error));
            return;
        }
        // Where Node cannot warn there is nobody left to tell.
        let _ = (|| {
            let process = scope.global()?.get("process")?;
            let warning = scope.string(&format!("{message} ({})", thrown.message()))?;
            process.call_method("emitWarning", &[warning])
        })();
    }
}
