//! `AbortSignal`, without touching what the caller set on it.

use tokio_util::sync::CancellationToken;

use super::reference::JsRef;
use super::thread::JsThread;
use super::value::{JsResult, Scope, Value};

/// A listener on a caller's signal; removed again with [`AbortLink::end`].
pub struct AbortLink {
    signal: JsRef,
    /// Absent where the signal was aborted from the start.
    listener: Option<JsRef>,
}

impl AbortLink {
    /// Cancels `token` when the signal is aborted, at once if it already is.
    pub fn new<'env>(
        thread: &JsThread,
        signal: Value<'env>,
        token: &CancellationToken,
    ) -> JsResult<'env, Self> {
        let reference = JsRef::new(thread, signal)?;
        if signal.get("aborted")?.is_truthy() {
            token.cancel();
            return Ok(Self {
                signal: reference,
                listener: None,
            });
        }
        let scope = signal.scope();
        let token = token.clone();
        let listener = scope.function("onAbort", move |scope, _, _| {
            token.cancel();
            Ok(scope.undefined())
        })?;
        signal
            .call_method("addEventListener", &[scope.string("abort")?, listener])?
            .unheeded();
        Ok(Self {
            signal: reference,
            listener: Some(JsRef::new(thread, listener)?),
        })
    }

    /// Removes the listener and returns the reason of an abort that came.
    pub fn end<'env>(&self, scope: Scope<'env>) -> Option<Value<'env>> {
        let signal = self.signal.get(scope);
        // A signal whose methods throw keeps its listener; the token is of no use to anybody by then.
        if let Some(listener) = &self.listener {
            let _ = (|| -> JsResult<'env, ()> {
                let event = scope.string("abort")?;
                let removed =
                    signal.call_method("removeEventListener", &[event, listener.get(scope)])?;
                removed.unheeded();
                Ok(())
            })();
        }
        if signal.get("aborted").ok()?.is_truthy() {
            signal.get("reason").ok()?.present()
        } else {
            None
        }
    }
}
