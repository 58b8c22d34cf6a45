//! Locks by key.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;

type Locks<K> = Arc<Mutex<HashMap<K, Arc<tokio::sync::Mutex<()>>>>>;

/// One lock for each key. Nothing is left of one that nobody holds or waits for. Cheap to clone.
#[derive(Clone)]
pub struct KeyedLock<K>(Locks<K>);

impl<K> Default for KeyedLock<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Clone + Eq + Hash> KeyedLock<K> {
    pub async fn lock(&self, key: &K) -> KeyedGuard<K> {
        let lock = Arc::clone(self.0.lock().entry(key.clone()).or_default());
        // Whole before it waits, so that a call that leaves meanwhile leaves nothing behind.
        let mut guard = KeyedGuard {
            locks: Arc::clone(&self.0),
            key: key.clone(),
            lock: Arc::clone(&lock),
            guard: None,
        };
        guard.guard = Some(lock.lock_owned().await);
        guard
    }
}

/// Holds the lock of a key.
pub struct KeyedGuard<K: Eq + Hash> {
    locks: Locks<K>,
    key: K,
    lock: Arc<tokio::sync::Mutex<()>>,
    guard: Option<OwnedMutexGuard<()>>,
}

impl<K: Eq + Hash> Drop for KeyedGuard<K> {
    fn drop(&mut self) {
        let mut locks = self.locks.lock();
        self.guard = None;
        // The map's own reference and this one: nobody else holds it or waits for it.
        if Arc::strong_count(&self.lock) == 2 {
            locks.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn one_at_a_time_for_each_key() {
        let locks = KeyedLock::default();
        let first = locks.lock(&"a").await;
        let mut second = Box::pin(locks.lock(&"a"));
        assert!((&mut second).now_or_never().is_none());
        assert!(locks.lock(&"b").now_or_never().is_some());
        drop(first);
        drop(second.await);
        assert!(locks.0.lock().is_empty());
    }

    #[tokio::test]
    async fn nothing_is_left_of_who_leaves_while_waiting() {
        let locks = KeyedLock::default();
        let first = locks.lock(&"a").await;
        assert!(locks.lock(&"a").now_or_never().is_none());
        drop(first);
        assert!(locks.0.lock().is_empty());
        assert!(locks.lock(&"a").now_or_never().is_some());
    }
}
