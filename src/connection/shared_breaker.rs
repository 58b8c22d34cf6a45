//! What the processes of a host know together of one connection's breaker. It is kept where the host says, and a store
//! that is away knows nothing.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::error::Result;
use crate::host::{SharedLimits, Standing};
use crate::log::Logger;

/// What is kept of a breaker.
#[derive(Clone, Copy)]
pub(super) enum Kept {
    Failures,
    Cycles,
    Block,
}

impl Kept {
    pub const ALL: [Self; 3] = [Self::Failures, Self::Cycles, Self::Block];

    const fn name(self) -> &'static str {
        match self {
            Self::Failures => "breaker-failures",
            Self::Cycles => "breaker-cycles",
            Self::Block => "breaker",
        }
    }
}

/// One connection's breaker in the host's store.
#[derive(Clone)]
pub struct SharedBreaker {
    pub limits: Arc<dyn SharedLimits>,
    pub standing: Arc<Standing>,
    /// Empty for a connection that all users share.
    pub user_id: String,
    pub server_name: String,
    pub logger: Logger,
    /// Ends every wait for the store.
    pub cancel: CancellationToken,
}

impl SharedBreaker {
    /// Forgets everything, for all processes.
    pub async fn clear(&self) {
        self.forget(&Kept::ALL).await;
    }

    pub(super) async fn forget(&self, kept: &[Kept]) {
        let forgetting = kept.iter().map(|kept| async {
            let key = self.key(*kept);
            self.ask("clear", self.limits.clear(&key)).await
        });
        join_all(forgetting).await;
    }

    /// Counts an event, and says how many all processes have counted. `None` where the store does not say.
    pub(super) async fn count(&self, kept: Kept, window: Duration) -> Option<u32> {
        // Operators switch counting off with it.
        if window.as_millis() == 0 {
            return None;
        }
        let key = self.key(kept);
        self.ask("count", self.limits.count(&key, window)).await
    }

    /// Whether the store has the block.
    pub(super) async fn block(&self, pause: Duration) -> bool {
        if pause.as_millis() == 0 {
            return false;
        }
        let key = self.key(Kept::Block);
        let block = self.limits.block(&key, pause);
        self.ask("block", block).await.is_some()
    }

    /// `None` where the store does not say.
    pub(super) async fn blocked_for(&self) -> Option<Duration> {
        let key = self.key(Kept::Block);
        self.ask("read", self.limits.blocked_for(&key)).await
    }

    /// Whose breaker it is.
    #[must_use]
    pub fn identity(&self) -> String {
        self.key(Kept::Block)
    }

    fn key(&self, kept: Kept) -> String {
        json!([kept.name(), self.user_id, self.server_name]).to_string()
    }

    async fn ask<T>(&self, what: &str, work: impl Future<Output = Result<T>>) -> Option<T> {
        let asking = self.standing.ask(what, &self.logger, work);
        self.cancel.run_until_cancelled(asking).await.flatten()
    }
}
