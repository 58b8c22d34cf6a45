//! `AbortSignal`, without touching what the caller set on it.

use tokio_util::sync::CancellationToken;

use super::js::{JsResult, Scope, Value};
use super::thread::{JsRef, JsThread};

/// A listener on a caller's signal; removed again with [`AbortLink::unlink`].
pub struct AbortLink {
    signal: JsRef,
    listener: JsRef,
}

impl AbortLink {
    /// Cancels `token` when the signal is aborted, at once if it already is.
    pub fn new<'env>(
        thread: &JsThread,
        signal: Value<'env>,
        token: &CancellationToken,
    ) -> JsResult<'env, Option<Self>> {
        if signal.get("aborted")?.is_truthy() {
            token.cancel();
            return Ok(None);
        }
        let scope = signal.scope();
        let token = token.clone();
        let listener = scope.function("onAbort", move |scope, _, _| {
            token.cancel();
            Ok(scope.undefined())
        })?;
        signal
            .get("addEventListener")?
            .call(signal, &[scope.string("abort")?, listener])?;
        Ok(Some(Self {
            signal: JsRef::new(thread, signal)?,
            listener: JsRef::new(thread, listener)?,
        }))
    }

    pub fn unlink(&self, scope: Scope<'_>) {
        let signal = self.signal.get(scope);
        // A signal whose methods throw keeps its listener; the token is of no use to anybody by then.
        let _ = (|| {
            let event = scope.string("abort")?;
            signal
                .get("removeEventListener")?
                .call(signal, &[event, self.listener.get(scope)])
        })();
    }
}
