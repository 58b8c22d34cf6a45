//! Functions of the host that Rust calls and waits for.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::context::CallContext;
use super::errors;
use crate::error::{Code, Error, Result};
use crate::node::engine::{JsResult, Scope, Value};

/// Bound on a callback of the registry, of a token store or of a cache.
pub const STORE_TIMEOUT: Duration = Duration::from_secs(10);
/// Bound on a callback that reaches the user or the tool cache.
pub const SLOW_TIMEOUT: Duration = Duration::from_secs(30);

impl CallContext {
    /// Calls a function of the host on JavaScript's thread and waits for what it returns, for at most `limit`.
    ///
    /// `start` makes the call; `convert` reads its value, or that of the promise it returned. Both run on JavaScript's
    /// thread. `name` is how errors call the callback.
    pub async fn callback<T, S, C>(
        self: &Arc<Self>,
        name: &'static str,
        limit: Duration,
        start: S,
        convert: C,
    ) -> Result<T>
    where
        T: Send + 'static,
        S: for<'env> FnOnce(&Arc<Self>, Scope<'env>) -> JsResult<'env> + Send + 'static,
        C: for<'env> FnOnce(&Arc<Self>, Value<'env>) -> JsResult<'env, T> + Send + 'static,
    {
        let context = Arc::clone(self);
        let answer = self.thread.ask(move |scope, sender| {
            context.start(scope, name, sender, start, convert);
        });
        bounded(name, limit, answer).await
    }

    /// The same for who is on JavaScript's thread already: makes the call at once, to be waited for later.
    pub fn callback_now<'env, T, S, C>(
        self: &Arc<Self>,
        scope: Scope<'env>,
        name: &'static str,
        start: S,
        convert: C,
    ) -> Asked<T>
    where
        T: Send + 'static,
        S: FnOnce(&Arc<Self>, Scope<'env>) -> JsResult<'env>,
        C: for<'any> FnOnce(&Arc<Self>, Value<'any>) -> JsResult<'any, T> + Send + 'static,
    {
        let (sender, answer) = oneshot::channel();
        self.start(scope, name, sender, start, convert);
        Asked { name, answer }
    }

    fn start<'env, T, S, C>(
        self: &Arc<Self>,
        scope: Scope<'env>,
        name: &'static str,
        sender: oneshot::Sender<Result<T>>,
        start: S,
        convert: C,
    ) where
        T: Send + 'static,
        S: FnOnce(&Arc<Self>, Scope<'env>) -> JsResult<'env>,
        C: for<'any> FnOnce(&Arc<Self>, Value<'any>) -> JsResult<'any, T> + Send + 'static,
    {
        let context = Arc::clone(self);
        context.flush_log(scope);
        let mut answer = Answer {
            name,
            sender: Some(sender),
        };
        match start(&context, scope) {
            Ok(value) => value.settled(move |_, outcome| {
                let outcome = outcome
                    .and_then(|value| convert(&context, value))
                    .map_err(|thrown| errors::from_host(name, &context.thread, &thrown));
                answer.give(outcome);
            }),
            Err(thrown) => {
                let error = errors::from_host(name, &context.thread, &thrown);
                answer.give(Err(error));
            }
        }
    }
}

/// A callback that was made, and whose answer is still to be waited for.
pub struct Asked<T> {
    name: &'static str,
    answer: oneshot::Receiver<Result<T>>,
}

impl<T> Asked<T> {
    pub async fn within(self, limit: Duration) -> Result<T> {
        let Self { name, answer } = self;
        bounded(name, limit, async {
            answer.await.map_err(|_| Error::internal())
        })
        .await
    }
}

async fn bounded<T>(
    name: &str,
    limit: Duration,
    answer: impl Future<Output = Result<Result<T>>>,
) -> Result<T> {
    tokio::time::timeout(limit, answer).await.map_err(|_| {
        Error::new(
            Code::HostTimeout,
            format!(
                "The host callback {name} did not settle within {} s",
                limit.as_secs()
            ),
        )
    })??
}

/// What a callback that was started owes. A promise that nobody can settle any more is garbage, and goes with it.
struct Answer<T> {
    name: &'static str,
    sender: Option<oneshot::Sender<Result<T>>>,
}

impl<T> Answer<T> {
    fn give(&mut self, outcome: Result<T>) {
        if let Some(sender) = self.sender.take() {
            let _ = sender.send(outcome);
        }
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return self.give(Err(Error::internal()));
        }
        self.give(Err(Error::new(
            Code::HostTimeout,
            format!(
                "The host callback {} returned a promise that can never settle",
                self.name
            ),
        )));
    }
}
