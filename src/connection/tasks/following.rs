//! The calls that follow tasks over one connection, which end before it does.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// How long the end of a call, or of a connection, may wait for the server to hear that a task is not wanted any more.
pub(super) const CANCEL_TIMEOUT: Duration = Duration::from_secs(1);

/// Takes no room before there is a task.
#[derive(Default)]
pub(in crate::connection) struct Following(OnceLock<Box<Calls>>);

#[derive(Default)]
struct Calls {
    ending: CancellationToken,
    calls: TaskTracker,
}

impl Following {
    /// Held by a call until the server has heard of its end. The token is cancelled when the connection is about to end.
    pub(super) fn begin(&self) -> (TaskTrackerToken, CancellationToken) {
        let following = self.0.get_or_init(Box::default);
        (following.calls.token(), following.ending.clone())
    }

    /// Ends the calls, and waits until they have told the server.
    pub(in crate::connection) async fn end(&self) {
        if let Some(following) = self.0.get() {
            following.ending.cancel();
            following.calls.close();
            let _ = timeout(CANCEL_TIMEOUT, following.calls.wait()).await;
        }
    }
}
