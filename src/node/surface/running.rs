//! From the start of a call to the end of its promise.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::call::Call;
use super::methods::Invocation;
use super::request_connections;
use super::state::RuntimeState;
use crate::error::{Code, Error, Result};
use crate::manager::Manager;
use crate::node::engine::{JsResult, Scope, Thrown, Value};
use crate::node::host::registry::Published;
use crate::node::marshal::context::CallContext;
use crate::node::marshal::to_js::ToJs;
use crate::node::marshal::{classes, errors};

/// What JavaScript's thread has to do for a call before and after its promise gets its outcome.
pub trait Ending: Send + Sync + 'static {
    fn context(&self) -> &Arc<CallContext>;

    /// Gives the reason of an abort that came.
    fn end<'env>(&self, runtime: &Arc<RuntimeState>, scope: Scope<'env>) -> Option<Value<'env>>;

    /// The call has its result.
    fn is_over(&self) {}
}

impl Ending for Call {
    fn context(&self) -> &Arc<CallContext> {
        self.context()
    }

    fn end<'env>(&self, runtime: &Arc<RuntimeState>, scope: Scope<'env>) -> Option<Value<'env>> {
        if let Some(session) = &self.host.upstream_tokens {
            session.end();
        }
        let reason = self.abort.as_ref().and_then(|abort| abort.end(scope));
        if let Some(request) = &self.request {
            request_connections::hand_over(runtime, scope, request);
        }
        reason
    }

    fn is_over(&self) {
        // The connection that the call made keeps its context, and needs no copy of the tools.
        *self.node.published.lock() = Published::Over;
    }
}

/// What a call that was successful makes of its result on JavaScript's thread.
type Converted = Box<dyn for<'any> FnOnce(Scope<'any>) -> JsResult<'any> + Send>;
/// Boxed where it begins: it is large, and JavaScript's thread does not have to pass it on.
type Begin = Box<dyn FnOnce() -> BoxFuture<'static, Result<Converted>> + Send>;

/// Runs what `begin` makes and returns a promise of what `convert` makes of its outcome. `prepared` is what could be
/// read of the call: an exception rejects the promise, as in an `async` function. After `close()` every call rejects.
pub fn promised<'env, E, T, B, F, C>(
    runtime: &Arc<RuntimeState>,
    scope: Scope<'env>,
    prepared: JsResult<'env, (Arc<E>, B)>,
    convert: C,
) -> JsResult<'env>
where
    E: Ending,
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send,
    B: FnOnce() -> F + Send + 'static,
    C: for<'any> FnOnce(Scope<'any>, &E, T) -> JsResult<'any> + Send + 'static,
{
    let prepared = prepared.map(|(call, begin)| {
        let ending: Arc<dyn Ending> = Arc::clone(&call) as _;
        let begin = move || -> BoxFuture<'static, Result<Converted>> {
            Box::pin(async move {
                let outcome = begin().await?;
                let convert: Converted = Box::new(move |scope| convert(scope, &call, outcome));
                Ok(convert)
            })
        };
        (ending, Box::new(begin) as Begin)
    });
    promised_boxed(runtime, scope, prepared)
}

/// Not generic: compiled once for all functions.
fn promised_boxed<'env>(
    runtime: &Arc<RuntimeState>,
    scope: Scope<'env>,
    prepared: JsResult<'env, (Arc<dyn Ending>, Begin)>,
) -> JsResult<'env> {
    let (promise, value) = runtime.thread.promise(scope)?;
    let (call, begin) = match prepared {
        Ok(prepared) => prepared,
        Err(thrown) => {
            promise.reject(&thrown)?;
            return Ok(value);
        }
    };
    let shared = Arc::clone(runtime);
    let under_way = runtime.manager.begin_call();
    let work = async move {
        let is_closed = under_way.is_none() || shared.manager.closing().is_cancelled();
        let outcome = outcome_of(is_closed, begin).await;
        drop(under_way);
        promise.settle(move |scope| {
            let reason = call.end(&shared, scope);
            call.context().flush_log(scope);
            let outcome = match outcome {
                Ok(convert) => {
                    let value = convert(scope);
                    call.is_over();
                    value
                }
                Err(error) => Err(Thrown(rejection(&shared, scope, &error, reason)?)),
            };
            classes::adopted(outcome, shared.host.get(scope))
        });
    };
    runtime.starts.add(scope, work.boxed())?;
    Ok(value)
}

/// What a promise is rejected with. The end of the runtime aborts its calls, too.
fn rejection<'env>(
    runtime: &RuntimeState,
    scope: Scope<'env>,
    error: &Error,
    reason: Option<Value<'env>>,
) -> JsResult<'env> {
    match (error.code, reason) {
        (Code::Aborted, Some(reason)) => {
            let rejection = errors::to_js(scope, error);
            rejection.set("cause", reason)?;
            Ok(rejection)
        }
        (Code::Aborted, None) if runtime.manager.closing().is_cancelled() => {
            Ok(errors::to_js(scope, &Error::closed()))
        }
        _ => Ok(errors::to_js(scope, error)),
    }
}

/// What the work of a call comes to. A panic in it is an error like any other.
async fn outcome_of(is_closed: bool, begin: Begin) -> Result<Converted> {
    if is_closed {
        return Err(Error::closed());
    }
    AssertUnwindSafe(begin())
        .catch_unwind()
        .await
        .unwrap_or_else(|_| Err(Error::internal()))
}

impl<'env, S> Invocation<'env, S> {
    /// A promise of the outcome of work with the manager.
    pub fn run<T, W, F>(&self, prepared: JsResult<'env, (Call, W)>) -> JsResult<'env>
    where
        T: for<'any> ToJs<'any> + Send + 'static,
        F: Future<Output = Result<T>> + Send,
        W: FnOnce(Manager, Arc<Call>) -> F + Send + 'static,
    {
        self.run_with(prepared, |scope, _, outcome| outcome.to_js(scope))
    }

    /// The same where `convert` makes the value.
    pub fn run_with<T, W, F, C>(
        &self,
        prepared: JsResult<'env, (Call, W)>,
        convert: C,
    ) -> JsResult<'env>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send,
        W: FnOnce(Manager, Arc<Call>) -> F + Send + 'static,
        C: for<'any> FnOnce(Scope<'any>, &Call, T) -> JsResult<'any> + Send + 'static,
    {
        let manager = self.runtime.manager.clone();
        let prepared = prepared.map(|(call, work)| {
            let call = Arc::new(call);
            (Arc::clone(&call), || work(manager, call))
        });
        promised(&self.runtime, self.scope, prepared, convert)
    }

    /// [`Self::run`] for a call that is given no object of parameters.
    pub fn start<T, W, F>(&self, work: W) -> JsResult<'env>
    where
        T: for<'any> ToJs<'any> + Send + 'static,
        F: Future<Output = Result<T>> + Send,
        W: FnOnce(Manager, Arc<Call>) -> F + Send + 'static,
    {
        self.run(self.call().map(|call| (call, work)))
    }

    /// The same where `convert` makes the value.
    pub fn start_with<T, W, F, C>(&self, work: W, convert: C) -> JsResult<'env>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send,
        W: FnOnce(Manager, Arc<Call>) -> F + Send + 'static,
        C: for<'any> FnOnce(Scope<'any>, &Call, T) -> JsResult<'any> + Send + 'static,
    {
        self.run_with(self.call().map(|call| (call, work)), convert)
    }
}
