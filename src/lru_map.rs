//! What is remembered of the latest so many keys.

use std::borrow::Borrow;
use std::hash::Hash;
use std::num::NonZeroUsize;

use lru::LruCache;
use parking_lot::Mutex;

/// A map that forgets the keys that were not used for the longest time.
pub struct LruMap<K: Eq + Hash, V>(Mutex<LruCache<K, V>>);

impl<K: Eq + Hash, V: Clone> LruMap<K, V> {
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        // It grows as it fills.
        let mut cache = LruCache::unbounded();
        cache.resize(NonZeroUsize::new(capacity).unwrap_or(NonZeroUsize::MIN));
        Self(Mutex::new(cache))
    }

    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.0.lock().get(key).cloned()
    }

    /// What is there, or what `make` makes; others wait meanwhile.
    pub fn get_or_make<E>(&self, key: &K, make: impl FnOnce() -> Result<V, E>) -> Result<V, E>
    where
        K: Clone,
    {
        let mut cache = self.0.lock();
        if let Some(known) = cache.get(key) {
            return Ok(known.clone());
        }
        let value = make()?;
        cache.put(key.clone(), value.clone());
        Ok(value)
    }

    pub fn insert(&self, key: K, value: V) {
        self.0.lock().put(key, value);
    }

    pub fn remove<Q: Eq + Hash + ?Sized>(&self, key: &Q)
    where
        K: Borrow<Q>,
    {
        self.0.lock().pop(key);
    }

    /// Looks at all of them, which is no use.
    pub fn each(&self, mut look: impl FnMut(&K, &V)) {
        for (key, value) in self.0.lock().iter() {
            look(key, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_that_was_not_used_for_the_longest_time_is_forgotten() {
        let lru = LruMap::new(2);
        lru.insert("a", 1);
        lru.insert("b", 2);
        assert_eq!(lru.get("a"), Some(1));
        lru.insert("c", 3);
        assert_eq!(
            [lru.get("a"), lru.get("b"), lru.get("c")],
            [Some(1), None, Some(3)]
        );
        lru.remove("a");
        let mut left = Vec::new();
        lru.each(|key, value| left.push((*key, *value)));
        assert_eq!(left, [("c", 3)]);
    }
}
