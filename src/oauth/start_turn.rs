//! Calls that start or join a flow, one after the other.

use std::sync::Arc;

use super::authorizer::Inner;

/// One call's turn with a flow: calls at the same time must not start one each, nor store its tokens twice.
pub(super) struct StartTurn<'a> {
    inner: &'a Inner,
    turns: Arc<tokio::sync::Mutex<()>>,
    guard: Option<tokio::sync::OwnedMutexGuard<()>>,
}

impl<'a> StartTurn<'a> {
    pub async fn take(inner: &'a Inner) -> Self {
        let turns = {
            let mut starting = inner.oauth.starting.lock();
            Arc::clone(starting.entry(inner.key.clone()).or_default())
        };
        // Whole before it waits, so that a call that leaves meanwhile leaves nothing behind.
        let mut turn = Self {
            inner,
            turns,
            guard: None,
        };
        turn.guard = Some(Arc::clone(&turn.turns).lock_owned().await);
        turn
    }
}

impl Drop for StartTurn<'_> {
    fn drop(&mut self) {
        let mut starting = self.inner.oauth.starting.lock();
        self.guard.take();
        // The map's own reference and this call's: nobody else takes turns.
        if Arc::strong_count(&self.turns) == 2 {
            starting.remove(&self.inner.key);
        }
    }
}
