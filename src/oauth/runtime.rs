//! What all authorizers of a runtime share.

use std::collections::HashMap;
use std::sync::Arc;

use futures::future::{BoxFuture, Shared};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::Result;
use crate::secret::Secret;
use crate::telemetry::Metrics;

/// A refresh that is under way.
pub(super) type Refreshing = Shared<BoxFuture<'static, Result<Option<Secret>>>>;

/// What all authorizers of a runtime share: refreshes and flows that are under way. Cheap to clone.
#[derive(Clone)]
pub struct OAuth {
    pub(super) refreshing: Arc<Mutex<HashMap<String, Refreshing>>>,
    /// Turns of calls that start or join a flow, one at a time per flow.
    pub(super) starting: Arc<Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>>,
    pub(super) tasks: TaskTracker,
    pub(super) closing: CancellationToken,
    pub(super) metrics: Arc<Metrics>,
}

impl OAuth {
    /// Work that outlives its caller is counted by `tasks`, and begins nothing new after `closing`.
    #[must_use]
    pub fn new(tasks: TaskTracker, closing: CancellationToken, metrics: Arc<Metrics>) -> Self {
        Self {
            refreshing: Arc::default(),
            starting: Arc::default(),
            tasks,
            closing,
            metrics,
        }
    }
}
