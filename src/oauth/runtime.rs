//! What all authorizers of a runtime share.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::flights::Flights;
use crate::keyed_lock::KeyedLock;
use crate::secret::Secret;
use crate::telemetry::Metrics;

/// What all authorizers of a runtime share: refreshes and flows that are under way. Cheap to clone.
#[derive(Clone)]
pub struct OAuth {
    pub(super) refreshes: Flights<String, Option<Secret>>,
    /// Held by calls that start or join a flow: at the same time they must not start one each, nor store its tokens twice.
    pub(super) starting: KeyedLock<String>,
    pub(super) tasks: TaskTracker,
    pub(super) closing: CancellationToken,
    pub(super) metrics: Arc<Metrics>,
}

impl OAuth {
    /// Work that outlives its caller is counted by `tasks`, and begins nothing new after `closing`.
    #[must_use]
    pub fn new(tasks: TaskTracker, closing: CancellationToken, metrics: Arc<Metrics>) -> Self {
        Self {
            refreshes: Flights::new(tasks.clone(), "A token refresh broke off"),
            starting: KeyedLock::default(),
            tasks,
            closing,
            metrics,
        }
    }
}
