//! Functions of the host that Rust calls and waits for.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::callee::Callee;
use super::context::CallContext;
use super::errors;
use super::from_js::FromJs;
use super::to_js::ToArguments;
use crate::error::{Code, Error, Result};
use crate::node::engine::{JsResult, Scope, Value};

/// Bound on a callback of the registry, of a token store or of a cache.
pub const STORE_TIMEOUT: Duration = Duration::from_secs(10);
/// Bound on a callback that reaches the user or the tool cache.
pub const SLOW_TIMEOUT: Duration = Duration::from_secs(30);

type Read<Ret> = for<'env> fn(&Arc<CallContext>, Value<'env>) -> JsResult<'env, Ret>;

type Start = Box<dyn for<'env> FnOnce(&Arc<CallContext>, Scope<'env>) -> JsResult<'env> + Send>;

/// A function of the host, what it takes and what it answers. `docs/architecture.md` has a table of the types.
pub struct Callback<Args, Ret> {
    /// How errors call it. After the last dot it is the name of a member of the host services, or of a method.
    pub name: &'static str,
    limit: Duration,
    read: Read<Ret>,
    arguments: PhantomData<fn(Args)>,
}

impl<Args: 'static, Ret: Send + 'static> Callback<Args, Ret> {
    pub const fn new(name: &'static str, limit: Duration) -> Self
    where
        Ret: FromJs,
    {
        Self::reading(name, limit, Ret::from_js)
    }

    /// For an answer that means something else to this callback than to others.
    pub const fn reading(name: &'static str, limit: Duration, read: Read<Ret>) -> Self {
        Self {
            name,
            limit,
            read,
            arguments: PhantomData,
        }
    }

    /// The name of the member or method.
    pub fn member(&self) -> &'static str {
        self.name
            .rsplit_once('.')
            .map_or(self.name, |(_, member)| member)
    }

    /// Calls the function on JavaScript's thread and waits for what it answers, or for what a promise that it returned
    /// resolves to.
    pub async fn call(
        self,
        context: &Arc<CallContext>,
        callee: impl Into<Callee>,
        arguments: Args,
    ) -> Result<Ret>
    where
        Args: for<'env> ToArguments<'env> + Send,
    {
        let (callee, member) = (callee.into(), self.member());
        self.call_by(context, move |context, scope| {
            callee.call(context, scope, member, arguments)
        })
        .await
    }

    /// The same where no [`Callee`] says what is called: `start` makes the call, on JavaScript's thread.
    pub async fn call_by<S>(self, context: &Arc<CallContext>, start: S) -> Result<Ret>
    where
        S: for<'env> FnOnce(&Arc<CallContext>, Scope<'env>) -> JsResult<'env> + Send + 'static,
    {
        let read = self.read;
        // Boxed: the rest is compiled once for all arguments.
        let start: Start = Box::new(start);
        self.call_with(context, start, read).await
    }

    /// The same where reading the answer takes more than the answer; `Ret` is `()` then.
    pub async fn call_with<T, S, R>(
        self,
        context: &Arc<CallContext>,
        start: S,
        read: R,
    ) -> Result<T>
    where
        T: Send + 'static,
        S: for<'env> FnOnce(&Arc<CallContext>, Scope<'env>) -> JsResult<'env> + Send + 'static,
        R: for<'env> FnOnce(&Arc<CallContext>, Value<'env>) -> JsResult<'env, T> + Send + 'static,
    {
        let (name, limit, caller) = (self.name, self.limit, Arc::clone(context));
        let answer = context.thread.ask(move |scope, sender| {
            self.start(&caller, scope, sender, start, read);
        });
        bounded(name, limit, answer).await
    }

    /// The same for who is on JavaScript's thread already: makes the call at once, to be waited for later.
    pub fn call_now<'env, T, S, R>(
        self,
        context: &Arc<CallContext>,
        scope: Scope<'env>,
        start: S,
        read: R,
    ) -> PendingCallback<T>
    where
        T: 'static,
        S: FnOnce(&Arc<CallContext>, Scope<'env>) -> JsResult<'env>,
        R: for<'any> FnOnce(&Arc<CallContext>, Value<'any>) -> JsResult<'any, T> + 'static,
    {
        let (sender, answer) = oneshot::channel();
        let (name, limit) = (self.name, self.limit);
        self.start(context, scope, sender, start, read);
        PendingCallback {
            name,
            limit,
            answer,
        }
    }

    fn start<'env, T, S, R>(
        self,
        context: &Arc<CallContext>,
        scope: Scope<'env>,
        sender: oneshot::Sender<Result<T>>,
        start: S,
        read: R,
    ) where
        T: 'static,
        S: FnOnce(&Arc<CallContext>, Scope<'env>) -> JsResult<'env>,
        R: for<'any> FnOnce(&Arc<CallContext>, Value<'any>) -> JsResult<'any, T> + 'static,
    {
        context.flush_log(scope);
        let (name, context) = (self.name, Arc::clone(context));
        let mut answer = Answer {
            name,
            sender: Some(sender),
        };
        match start(&context, scope) {
            Ok(value) => value.settled(move |_, outcome| {
                let outcome = outcome
                    .and_then(|value| read(&context, value))
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
pub struct PendingCallback<Ret> {
    name: &'static str,
    limit: Duration,
    answer: oneshot::Receiver<Result<Ret>>,
}

impl<Ret> PendingCallback<Ret> {
    pub async fn answer(self) -> Result<Ret> {
        let answer = async { self.answer.await.map_err(|_| Error::internal()) };
        bounded(self.name, self.limit, answer).await
    }
}

async fn bounded<T>(
    name: &str,
    limit: Duration,
    answer: impl Future<Output = Result<Result<T>>>,
) -> Result<T> {
    tokio::time::timeout(limit, answer)
        .await
        .map_err(|_| too_slow(name, limit))??
}

fn too_slow(name: &str, limit: Duration) -> Error {
    let seconds = limit.as_secs();
    Error::new(
        Code::HostTimeout,
        format!("The host callback {name} did not settle within {seconds} s"),
    )
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
        if self.sender.is_none() {
            return;
        }
        let error = if std::thread::panicking() {
            Error::internal()
        } else {
            never_settled(self.name)
        };
        self.give(Err(error));
    }
}

fn never_settled(name: &str) -> Error {
    Error::new(
        Code::HostTimeout,
        format!("The host callback {name} returned a promise that can never settle"),
    )
}
