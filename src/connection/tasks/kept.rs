//! The request that has begun a task.

use std::sync::Arc;

use parking_lot::Mutex;

/// Keeps a request after its answer: the progress of the task that it began comes under its token for as long as the task
/// lives (MCP 2025-11-25, chapter "Tasks").
#[derive(Clone, Default)]
pub struct KeptRequest(Arc<Mutex<Option<Kept>>>);

/// The request is registered until this is dropped.
type Kept = Box<dyn Send + Sync>;

impl KeptRequest {
    pub(in crate::connection) fn keep(&self, request: impl Send + Sync + 'static) {
        *self.0.lock() = Some(Box::new(request));
    }
}
