//! From the start of a call to the end of its promise.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::call::Call;
use super::request_connections;
use super::state::RuntimeState;
use crate::error::{Code, Error, Result};
use crate::manager::Manager;
use crate::node::engine::{JsResult, Scope, Thrown, Value};
use crate::node::host::registry::Published;
use crate::node::marshal::to_js::ToJs;
use crate::node::marshal::{classes, errors};

impl RuntimeState {
    /// A call that is given no object of parameters, and ends with this signal.
    pub fn abortable<'env>(
        &self,
        scope: Scope<'env>,
        signal: Option<&Value<'env>>,
    ) -> JsResult<'env, Call> {
        let mut call = self.call(scope, None)?;
        if let Some(signal) = signal.filter(|signal| signal.is_object()) {
            call.listen(&self.thread, *signal)?;
        }
        Ok(call)
    }

    /// [`RuntimeState::run`] for a call that is given no object of parameters.
    pub fn start<'env, T, W, F>(self: &Arc<Self>, scope: Scope<'env>, work: W) -> JsResult<'env>
    where
        T: for<'any> ToJs<'any> + Send + 'static,
        F: Future<Output = Result<T>> + Send,
        W: FnOnce(Manager, Arc<Call>) -> F + Send + 'static,
    {
        self.start_with(scope, work, |scope, _, outcome| outcome.to_js(scope))
    }

    /// The same where `convert` makes the value.
    pub fn start_with<'env, T, W, F, C>(
        self: &Arc<Self>,
        scope: Scope<'env>,
        work: W,
        convert: C,
    ) -> JsResult<'env>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send,
        W: FnOnce(Manager, Arc<Call>) -> F + Send + 'static,
        C: for<'any> FnOnce(Scope<'any>, &Call, T) -> JsResult<'any> + Send + 'static,
    {
        let prepared = self.call(scope, None).map(|call| (call, work));
        self.run(scope, prepared, convert)
    }

    /// Runs `work` and returns a promise of what `convert` makes of its outcome. `prepared` is what could be read of
    /// the call: an exception rejects the promise, as in an `async` function.
    pub fn run<'env, T, W, F, C>(
        self: &Arc<Self>,
        scope: Scope<'env>,
        prepared: JsResult<'env, (Call, W)>,
        convert: C,
    ) -> JsResult<'env>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send,
        W: FnOnce(Manager, Arc<Call>) -> F + Send + 'static,
        C: for<'any> FnOnce(Scope<'any>, &Call, T) -> JsResult<'any> + Send + 'static,
    {
        let (promise, value) = self.thread.promise(scope)?;
        let (call, work) = match prepared {
            Ok(prepared) => prepared,
            Err(thrown) => {
                promise.reject(&thrown)?;
                return Ok(value);
            }
        };
        let (call, manager, shared) = (Arc::new(call), self.manager.clone(), Arc::clone(self));
        let work = async move {
            let is_closed = manager.closing().is_cancelled();
            let work = work(manager, Arc::clone(&call)).boxed();
            let outcome = outcome_of(is_closed, work).await;
            promise.settle(move |scope| {
                if let Some(session) = &call.host.upstream_tokens {
                    session.end();
                }
                let reason = call.abort.as_ref().and_then(|abort| abort.end(scope));
                if let Some(request) = &call.request {
                    request_connections::hand_over(&shared, scope, request);
                }
                call.context().flush_log(scope);
                let outcome = outcome.map_or_else(
                    |error| {
                        let rejection = match (error.code, reason) {
                            (Code::Aborted, Some(reason)) => {
                                let rejection = errors::to_js(scope, &error);
                                rejection.set("cause", reason)?;
                                rejection
                            }
                            // The end of the runtime aborts its calls, too.
                            (Code::Aborted, None) if shared.manager.closing().is_cancelled() => {
                                errors::to_js(scope, &Error::closed())
                            }
                            _ => errors::to_js(scope, &error),
                        };
                        Err(Thrown(rejection))
                    },
                    |outcome| {
                        let value = convert(scope, &call, outcome);
                        // The connection that the call made keeps its context, and needs no copy of the tools.
                        *call.node.published.lock() = Published::Over;
                        value
                    },
                );
                classes::adopted(outcome, shared.host.get(scope))
            });
        };
        self.starts.add(scope, work.boxed())?;
        Ok(value)
    }
}

/// What the work of a call comes to. A panic in it is an error like any other. The work is boxed, and made where it
/// runs: it is large, and JavaScript's thread does not have to pass it on.
pub async fn outcome_of<T>(is_closed: bool, work: BoxFuture<'_, Result<T>>) -> Result<T> {
    if is_closed {
        return Err(Error::closed());
    }
    AssertUnwindSafe(work)
        .catch_unwind()
        .await
        .unwrap_or_else(|_| Err(Error::internal()))
}
