//! A store in memory, for tests in which time passes by itself.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use crate::error::Result;
use crate::host::SessionStore;

#[derive(Default)]
pub struct MemoryStore {
    values: Mutex<HashMap<String, (String, Instant)>>,
    /// It never answers.
    pub hangs: AtomicBool,
    /// So many sessions that are written meet one that is another's by then.
    pub conflicts: AtomicUsize,
}

impl MemoryStore {
    /// The values of a kind of keys.
    pub fn values(&self, kind: &str) -> Vec<String> {
        let values = self.values.lock();
        let found = values.iter().filter(|(key, (_, ends))| {
            key.starts_with(&format!("[\"{kind}\",")) && *ends > Instant::now()
        });
        found.map(|(_, (value, _))| value.clone()).collect()
    }

    pub fn clear(&self) {
        self.values.lock().clear();
    }

    /// Has somebody else make every session anew who never does.
    pub fn take_turn_of(&self, key: &str) {
        let turn = key.replacen("session", "session-turn", 1);
        let ends = Instant::now() + Duration::from_hours(1);
        let row = ("somebody else".to_owned(), ends);
        self.values.lock().insert(turn, row);
    }

    pub fn keys(&self) -> Vec<String> {
        self.values.lock().keys().cloned().collect()
    }

    /// A round trip.
    async fn answer(&self) {
        sleep(Duration::from_millis(1)).await;
        if self.hangs.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }

    fn now(&self, key: &str) -> Option<String> {
        let values = self.values.lock();
        let (value, ends) = values.get(key)?;
        (*ends > Instant::now()).then(|| value.clone())
    }
}

#[async_trait]
impl SessionStore for MemoryStore {
    async fn get(&self, key: &str) -> Result<Option<String>> {
        self.answer().await;
        Ok(self.now(key))
    }

    async fn set(&self, key: &str, value: &str, ttl: Duration) -> Result<()> {
        self.answer().await;
        let row = (value.to_owned(), Instant::now() + ttl);
        self.values.lock().insert(key.to_owned(), row);
        Ok(())
    }

    async fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&str>,
        value: &str,
        ttl: Duration,
    ) -> Result<bool> {
        self.answer().await;
        let less = |left: usize| left.checked_sub(1);
        let is_session = key.starts_with("[\"session\",");
        let order = Ordering::Relaxed;
        if is_session && self.conflicts.fetch_update(order, order, less).is_ok() {
            return Ok(false);
        }
        let is_expected = self.now(key).as_deref() == expected;
        if is_expected {
            let row = (value.to_owned(), Instant::now() + ttl);
            self.values.lock().insert(key.to_owned(), row);
        }
        Ok(is_expected)
    }

    async fn delete(&self, key: &str, expected: Option<&str>) -> Result<bool> {
        self.answer().await;
        let is_expected = expected.is_none() || self.now(key).as_deref() == expected;
        Ok(is_expected && self.values.lock().remove(key).is_some())
    }
}
