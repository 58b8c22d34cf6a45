//! A function of the runtime that works for one call: context, log, environment, promise.

use std::ops::Deref;
use std::sync::Arc;

use futures::FutureExt;
use url::Url;

use crate::error::{Code, Error, Result};
use crate::node::engine::workers::spawn;
use crate::node::engine::{JsResult, Scope, Thrown, Value};
use crate::node::host::arguments::Arguments;
use crate::node::marshal::context::CallContext;
use crate::node::marshal::log::logger_of;
use crate::node::marshal::to_js::ToJs;
use crate::node::marshal::{classes, errors, services};
use crate::node::surface::running::outcome_of;
use crate::node::surface::state::RuntimeState;

/// One function of a surface.
pub type Function =
    for<'env> fn(&Arc<RuntimeState>, Scope<'env>, Vec<Value<'env>>) -> JsResult<'env>;

/// One call, its arguments still to be read.
pub struct Call<'env> {
    pub runtime: Arc<RuntimeState>,
    given: Arguments<'env>,
}

impl<'env> Deref for Call<'env> {
    type Target = Arguments<'env>;

    fn deref(&self) -> &Self::Target {
        &self.given
    }
}

impl<'env> Call<'env> {
    /// A promise of what `prepare` makes of the arguments: the work, which may run anywhere. After `close()` every call
    /// rejects with `MCP_CLOSED`.
    pub fn promise<T, W>(
        runtime: &Arc<RuntimeState>,
        scope: Scope<'env>,
        arguments: Vec<Value<'env>>,
        prepare: impl FnOnce(&Self) -> JsResult<'env, W>,
    ) -> JsResult<'env>
    where
        T: for<'any> ToJs<'any> + Send + 'static,
        W: Future<Output = Result<T>> + Send + 'static,
    {
        Self::promise_with(runtime, scope, arguments, prepare, |scope, outcome| {
            outcome.to_js(scope)
        })
    }

    /// The same where `convert` makes the value, on JavaScript's thread.
    pub fn promise_with<T, W>(
        runtime: &Arc<RuntimeState>,
        scope: Scope<'env>,
        arguments: Vec<Value<'env>>,
        prepare: impl FnOnce(&Self) -> JsResult<'env, W>,
        convert: impl for<'any> FnOnce(Scope<'any>, T) -> JsResult<'any> + Send + 'static,
    ) -> JsResult<'env>
    where
        T: Send + 'static,
        W: Future<Output = Result<T>> + Send + 'static,
    {
        let (promise, value) = runtime.thread.promise(scope)?;
        let prepared = Self::new(runtime, scope, arguments)
            .and_then(|call| Ok((prepare(&call)?, Arc::clone(&call.context))));
        let (work, context) = match prepared {
            Ok(prepared) => prepared,
            Err(thrown) => {
                promise.reject(&thrown)?;
                return Ok(value);
            }
        };
        let closed = runtime.manager.closing().is_cancelled();
        let work = work.boxed();
        spawn(async move {
            let outcome = outcome_of(closed, work).await;
            promise.settle(move |scope| {
                context.flush_log(scope);
                let outcome = match outcome {
                    Ok(outcome) => convert(scope, outcome),
                    Err(error) => Err(Thrown(errors::to_js(scope, &error))),
                };
                classes::adopted(outcome, context.host(scope))
            });
        });
        Ok(value)
    }

    pub fn new(
        runtime: &Arc<RuntimeState>,
        scope: Scope<'env>,
        arguments: Vec<Value<'env>>,
    ) -> JsResult<'env, Self> {
        let environment = runtime.variables.read(scope)?.environment;
        let context = Arc::new(CallContext::new(
            &runtime.thread,
            &runtime.realm,
            &runtime.host,
            scope,
        )?);
        let present = services::present(runtime.host.get(scope))?;
        let logger = logger_of(present, &context, &environment);
        Ok(Self {
            runtime: Arc::clone(runtime),
            given: Arguments {
                scope,
                context,
                environment,
                logger,
                http: runtime.manager.http().clone(),
                values: arguments,
            },
        })
    }
}

pub fn parsed(url: &str) -> Result<Url> {
    Url::parse(url).map_err(|_| Error::new(Code::InvalidArgument, "serverUrl must be a URL"))
}
