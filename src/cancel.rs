//! Waits that end with the call that waits, and with the runtime.

use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};

/// Does the work until the call is aborted or the runtime closes, in this order where both have happened.
pub async fn until_cancelled<T>(
    call: &CancellationToken,
    runtime: &CancellationToken,
    work: impl Future<Output = T>,
) -> Result<T> {
    // Boxed, because each wait around it would carry its size once more.
    let work = until_closed(runtime, Box::pin(work));
    until_aborted(call, work).await.flatten()
}

/// The same for work that belongs to no call.
pub async fn until_closed<T>(
    runtime: &CancellationToken,
    work: impl Future<Output = T>,
) -> Result<T> {
    unless(runtime, Error::closed, work).await
}

/// The same for work that the runtime ends by itself.
pub async fn until_aborted<T>(
    call: &CancellationToken,
    work: impl Future<Output = T>,
) -> Result<T> {
    unless(call, Error::aborted, work).await
}

/// Unlike [`CancellationToken::run_until_cancelled`], the end comes before an outcome that is there at the same time.
async fn unless<T>(
    end: &CancellationToken,
    error: fn() -> Error,
    work: impl Future<Output = T>,
) -> Result<T> {
    tokio::select! {
        biased;
        () = end.cancelled() => Err(error()),
        outcome = work => Ok(outcome),
    }
}
