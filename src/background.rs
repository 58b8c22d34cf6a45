//! Tasks that nobody has to wait for.

use futures::future::BoxFuture;
use tokio::task::JoinHandle;

/// Runs `work` in a task of its own. Boxed: one kind of task for all work, or the addon has the code of a task once for each.
/// Needs a Tokio runtime.
pub fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    let work: BoxFuture<'static, T> = Box::pin(work);
    tokio::spawn(work)
}
