//! Work that Tokio gives to a thread of its own, because it blocks: names are looked up, files are read.

use std::panic::AssertUnwindSafe;

use futures::{FutureExt, TryFutureExt};

use crate::error::{Code, Error, Result};

/// Waits for such work. Tokio panics where the system gives it no thread, which is an error like any other here. Boxed,
/// since everything that connects has it within.
pub fn blocking<T>(work: impl Future<Output = T>) -> impl Future<Output = Result<T>> {
    AssertUnwindSafe(Box::pin(work))
        .catch_unwind()
        .map_err(|_| {
            Error::new(
                Code::Internal,
                "The system gives this process no more threads (ulimit -u, pids.max)",
            )
        })
}
