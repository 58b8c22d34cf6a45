//! A function of `runtime.oauth` or `runtime.tokens` that works for one call: context, log, environment, promise.

use std::cell::Cell;
use std::ops::Deref;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use url::Url;

use crate::error::{Code, Error, Result};
use crate::node::engine::{AbortLink, JsResult, Scope, Value};
use crate::node::host::arguments::Arguments;
use crate::node::marshal::context::CallContext;
use crate::node::marshal::log::logger_of;
use crate::node::marshal::services;
use crate::node::marshal::to_js::ToJs;
use crate::node::surface::methods::Invocation;
use crate::node::surface::running::{Ending, promised};
use crate::node::surface::state::RuntimeState;

/// One call, its arguments still to be read.
pub struct Call<'env> {
    pub runtime: Arc<RuntimeState>,
    given: Arguments<'env>,
    abort: Cell<Option<AbortLink>>,
}

impl<'env> Deref for Call<'env> {
    type Target = Arguments<'env>;

    fn deref(&self) -> &Self::Target {
        &self.given
    }
}

impl<'env> Call<'env> {
    /// A promise of the outcome of what `prepare` makes of the arguments: the work, which may run anywhere.
    pub fn promise<S, T, W>(
        invocation: &Invocation<'env, S>,
        prepare: impl FnOnce(&Self) -> JsResult<'env, W>,
    ) -> JsResult<'env>
    where
        T: for<'any> ToJs<'any> + Send + 'static,
        W: Future<Output = Result<T>> + Send + 'static,
    {
        let prepared = Self::new(invocation).and_then(|call| {
            let work = prepare(&call)?;
            let ended = Ended {
                context: Arc::clone(&call.context),
                abort: call.abort.take(),
            };
            Ok((Arc::new(ended), || work))
        });
        promised(
            &invocation.runtime,
            invocation.scope,
            prepared,
            |scope, _, outcome: T| outcome.to_js(scope),
        )
    }

    pub fn new<S>(invocation: &Invocation<'env, S>) -> JsResult<'env, Self> {
        let (runtime, scope) = (&invocation.runtime, invocation.scope);
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
                values: invocation.arguments.clone(),
            },
            abort: Cell::default(),
        })
    }

    /// What an `AbortSignal` cancels, if there is one.
    pub fn aborted_by(&self, signal: Value<'env>) -> JsResult<'env, CancellationToken> {
        let aborted = CancellationToken::new();
        if let Some(signal) = signal.present() {
            let link = AbortLink::new(&self.context.thread, signal, &aborted)?;
            self.abort.set(Some(link));
        }
        Ok(aborted)
    }
}

/// What is left of a call whose promise gets its outcome.
struct Ended {
    context: Arc<CallContext>,
    abort: Option<AbortLink>,
}

impl Ending for Ended {
    fn context(&self) -> &Arc<CallContext> {
        &self.context
    }

    fn end<'env>(&self, _: &Arc<RuntimeState>, scope: Scope<'env>) -> Option<Value<'env>> {
        self.abort.as_ref()?.end(scope)
    }
}

pub fn parsed(url: &str) -> Result<Url> {
    Url::parse(url).map_err(|_| Error::new(Code::InvalidArgument, "serverUrl must be a URL"))
}
