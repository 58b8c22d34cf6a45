//! Single flight: exchanges of one key that happen at the same time are one.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::entry::Entry;
use super::key::CacheKey;
use crate::error::{Code, Error, Result};

/// An exchange under way. It runs in a task of its own, so that a waiter that is cancelled takes nothing from the
/// others, and ends with the last of them.
pub(super) type Flight = Shared<BoxFuture<'static, Result<Entry>>>;

type Joinable = Arc<Mutex<HashMap<CacheKey, Registered>>>;

struct Registered {
    number: u64,
    flight: WeakShared<BoxFuture<'static, Result<Entry>>>,
}

/// The exchanges of one runtime that are under way.
pub(super) struct Flights {
    joinable: Joinable,
    next: AtomicU64,
    tasks: TaskTracker,
    closing: CancellationToken,
}

impl Flights {
    pub fn new(tasks: TaskTracker, closing: CancellationToken) -> Self {
        Self {
            joinable: Joinable::default(),
            next: AtomicU64::new(0),
            tasks,
            closing,
        }
    }

    /// The flight of this key, or a new one. Answers whether it was joined.
    pub fn join_or_start<F>(&self, key: CacheKey, start: impl FnOnce() -> F) -> (Flight, bool)
    where
        F: Future<Output = Result<Entry>> + Send + 'static,
    {
        let mut joinable = self.joinable.lock();
        let known = joinable
            .get(&key)
            .and_then(|registered| registered.flight.upgrade());
        if let Some(flight) = known {
            return (flight, true);
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let landing = Landing {
            joinable: Arc::clone(&self.joinable),
            key,
            number,
        };
        let work = start();
        let flight = self.start(async move {
            // Taken off the list before anybody hears of the outcome: a failure is not remembered.
            let _landing = landing;
            work.await
        });
        if let Some(weak) = flight.downgrade() {
            joinable.insert(
                key,
                Registered {
                    number,
                    flight: weak,
                },
            );
        }
        (flight, false)
    }

    /// A flight that nobody joins.
    pub fn start<F>(&self, work: F) -> Flight
    where
        F: Future<Output = Result<Entry>> + Send + 'static,
    {
        let closing = self.closing.clone();
        let task = self.tasks.spawn(async move {
            closing
                .run_until_cancelled(work)
                .await
                .unwrap_or_else(|| Err(Error::closed()))
        });
        let task = AbortOnDropHandle::new(task);
        async move {
            task.await.unwrap_or_else(|failure| {
                Err(if failure.is_panic() {
                    Error::new(Code::Internal, "Internal error during the token exchange")
                } else {
                    Error::closed()
                })
            })
        }
        .boxed()
        .shared()
    }
}

/// Takes a flight off the list when it has ended, in whatever way.
struct Landing {
    joinable: Joinable,
    key: CacheKey,
    number: u64,
}

impl Drop for Landing {
    fn drop(&mut self) {
        let mut joinable = self.joinable.lock();
        if joinable
            .get(&self.key)
            .is_some_and(|registered| registered.number == self.number)
        {
            joinable.remove(&self.key);
        }
    }
}
