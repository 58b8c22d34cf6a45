//! Single flight: work that several callers want at the same time is done once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};
use parking_lot::Mutex;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::error::{Code, Error, Result};

/// Work under way. It runs in a task of its own, so that a caller who leaves takes nothing from the others.
pub type Flight<T> = Shared<BoxFuture<'static, Result<T>>>;

/// What is under way, by what it is for. Cheap to clone.
#[derive(Clone)]
pub struct Flights<K, T> {
    under_way: Arc<Mutex<HashMap<K, Registered<T>>>>,
    tasks: TaskTracker,
    broken_off: &'static str,
}

struct Registered<T> {
    /// Tells it from the one that comes after it.
    id: Arc<()>,
    flight: WeakShared<BoxFuture<'static, Result<T>>>,
}

impl<K, T> Flights<K, T>
where
    K: Clone + Eq + Hash + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// `broken_off` is what callers are told when the work panics.
    pub fn new(tasks: TaskTracker, broken_off: &'static str) -> Self {
        Self {
            under_way: Arc::default(),
            tasks,
            broken_off,
        }
    }

    pub fn get(&self, key: &K) -> Option<Flight<T>> {
        self.under_way.lock().get(key)?.flight.upgrade()
    }

    /// The flight that is under way, or a new one. It ends with the last of those who wait.
    pub fn join(
        &self,
        key: &K,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Flight<T> {
        self.join_boxed(key, Box::pin(work))
    }

    /// Not generic over the work: compiled once for all of it.
    fn join_boxed(&self, key: &K, work: BoxFuture<'static, Result<T>>) -> Flight<T> {
        let mut under_way = self.under_way.lock();
        let joined = under_way.get(key).and_then(|it| it.flight.upgrade());
        if let Some(flight) = joined {
            return flight;
        }
        let id = Arc::new(());
        let landing = Landing {
            flights: self.clone(),
            key: key.clone(),
            id: Arc::clone(&id),
        };
        let flight = self.start_boxed(Box::pin(async move {
            // Taken off the list before anybody hears of the outcome: a failure is not remembered.
            let _landing = landing;
            work.await
        }));
        if let Some(flight) = flight.downgrade() {
            under_way.insert(key.clone(), Registered { id, flight });
        }
        flight
    }

    /// The same for work that is brought to its end whoever waits.
    pub fn join_lasting(
        &self,
        key: &K,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Flight<T> {
        let flight = self.join(key, work);
        self.tasks.spawn(flight.clone());
        flight
    }

    /// A flight that nobody joins.
    pub fn start(&self, work: impl Future<Output = Result<T>> + Send + 'static) -> Flight<T> {
        self.start_boxed(Box::pin(work))
    }

    fn start_boxed(&self, work: BoxFuture<'static, Result<T>>) -> Flight<T> {
        let task = AbortOnDropHandle::new(self.tasks.spawn(work));
        let broken_off = self.broken_off;
        let outcome = task.map(move |outcome| {
            outcome.unwrap_or_else(|_| Err(Error::new(Code::Internal, broken_off)))
        });
        outcome.boxed().shared()
    }
}

/// Takes a flight off the list when it has ended, in whatever way.
struct Landing<K: Eq + Hash, T> {
    flights: Flights<K, T>,
    key: K,
    id: Arc<()>,
}

impl<K: Eq + Hash, T> Drop for Landing<K, T> {
    fn drop(&mut self) {
        let mut under_way = self.flights.under_way.lock();
        let registered = under_way.get(&self.key);
        if registered.is_some_and(|it| Arc::ptr_eq(&it.id, &self.id)) {
            under_way.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    fn flights() -> Flights<&'static str, u32> {
        Flights::new(TaskTracker::new(), "It broke off")
    }

    /// Work that ends when the sender says so.
    async fn work(outcome: oneshot::Receiver<u32>) -> Result<u32> {
        outcome.await.map_err(|_| Error::closed())
    }

    #[tokio::test]
    async fn callers_at_the_same_time_share_one_outcome() {
        let flights = flights();
        let (done, outcome) = oneshot::channel();
        let first = flights.join(&"key", work(outcome));
        let second = flights.join(&"key", async { panic!("begun twice") });
        assert!(first.ptr_eq(&second) && flights.get(&"other").is_none());
        drop(first);
        done.send(1).unwrap();
        assert_eq!(second.await.unwrap(), 1);
        assert!(flights.get(&"key").is_none());
    }

    #[tokio::test]
    async fn a_flight_ends_with_the_last_who_waits() {
        let flights = flights();
        let (mut done, outcome) = oneshot::channel();
        let flight = flights.join(&"key", work(outcome));
        drop(flight);
        done.closed().await;
        assert!(flights.get(&"key").is_none());
    }

    #[tokio::test]
    async fn a_lasting_flight_ends_by_itself_alone() {
        let flights = flights();
        let (done, outcome) = oneshot::channel();
        drop(flights.join_lasting(&"key", work(outcome)));
        let joined = flights.get(&"key").unwrap();
        done.send(2).unwrap();
        assert_eq!(joined.await.unwrap(), 2);
        assert!(flights.get(&"key").is_none());
    }

    #[tokio::test]
    async fn a_flight_that_was_left_does_not_take_the_next_one_off_the_list() {
        let flights = flights();
        let (_left, outcome) = oneshot::channel();
        drop(flights.join(&"key", work(outcome)));
        let (done, outcome) = oneshot::channel();
        let next = flights.join(&"key", work(outcome));
        // The task of the first ends now.
        tokio::task::yield_now().await;
        assert!(flights.get(&"key").unwrap().ptr_eq(&next));
        done.send(3).unwrap();
        assert_eq!(next.await.unwrap(), 3);
    }

    #[tokio::test]
    async fn a_panic_is_an_error_for_all_and_is_forgotten() {
        let flights = flights();
        let first = flights.join(&"key", async { panic!("as expected") });
        let error = first.clone().await.unwrap_err();
        assert_eq!(
            (error.code, &*error.message),
            (Code::Internal, "It broke off")
        );
        assert!(flights.get(&"key").is_none());
    }
}
