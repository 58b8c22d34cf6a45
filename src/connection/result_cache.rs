//! Where results are kept that are still valid.

use std::sync::Arc;
use std::time::{Duration, Instant as Moment};

use moka::Expiry;
use moka::sync::Cache;
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::clock::now_ms;
use crate::digest::Digest;

/// Bytes of all results that a runtime keeps.
const CAPACITY: u64 = 32 * 1024 * 1024;
/// What a result takes beside its text, about.
const BESIDE: usize = 256;
/// How long the place of a result is kept that is being asked for.
const ASKING: Duration = Duration::from_mins(5);

/// The results of all connections of a runtime, by whom they serve and what was asked. Cheap to clone.
#[derive(Clone)]
pub struct ResultCache(Cache<Digest, Arc<Pages>>);

/// A result, or the pages of a list so far.
#[derive(Default)]
pub(super) struct Pages {
    /// By cursor; absent for the first.
    texts: Vec<(Option<String>, Arc<RawValue>)>,
    /// Absent while the first is being asked for.
    until: Option<Until>,
}

/// Both clocks are asked: one stands still while a machine sleeps, the other may be set back.
#[derive(Clone, Copy)]
struct Until {
    instant: Instant,
    /// Milliseconds since the epoch.
    time: i64,
}

impl Until {
    fn after(lifetime: Duration) -> Self {
        let milliseconds = i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX);
        Self {
            instant: Instant::now() + lifetime,
            time: now_ms().saturating_add(milliseconds),
        }
    }

    fn left(self) -> Option<Duration> {
        let left = self.instant.checked_duration_since(Instant::now())?;
        (now_ms() < self.time && !left.is_zero()).then_some(left)
    }

    fn earlier(self, other: Self) -> Self {
        Self {
            instant: self.instant.min(other.instant),
            time: self.time.min(other.time),
        }
    }
}

impl Pages {
    pub fn fresh(&self, cursor: Option<&str>) -> Option<Box<RawValue>> {
        self.until?.left()?;
        let mut texts = self.texts.iter();
        let (_, text) = texts.find(|(known, _)| known.as_deref() == cursor)?;
        Some((**text).to_owned())
    }

    fn bytes(&self) -> u32 {
        let size = |(cursor, text): &(Option<String>, Arc<RawValue>)| {
            cursor.as_ref().map_or(0, String::len) + text.get().len() + BESIDE
        };
        let bytes = BESIDE + self.texts.iter().map(size).sum::<usize>();
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }

    /// The same and another page. A first page begins the list anew.
    pub fn with(&self, cursor: Option<&str>, text: &RawValue, lifetime: Duration) -> Option<Self> {
        let mut until = Until::after(lifetime);
        let mut texts = Vec::new();
        if cursor.is_some() {
            until = until.earlier(self.until?);
            let others = self.texts.iter();
            texts.extend(
                others
                    .filter(|(known, _)| known.as_deref() != cursor)
                    .cloned(),
            );
        }
        texts.push((cursor.map(str::to_owned), Arc::from(text.to_owned())));
        Some(Self {
            texts,
            until: Some(until),
        })
    }
}

struct WhileValid;

impl WhileValid {
    fn left(pages: &Pages) -> Duration {
        pages
            .until
            .map_or(ASKING, |until| until.left().unwrap_or_default())
    }
}

impl Expiry<Digest, Arc<Pages>> for WhileValid {
    fn expire_after_create(&self, _: &Digest, pages: &Arc<Pages>, _: Moment) -> Option<Duration> {
        Some(Self::left(pages))
    }

    fn expire_after_update(
        &self,
        _: &Digest,
        pages: &Arc<Pages>,
        _: Moment,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(Self::left(pages))
    }
}

impl Default for ResultCache {
    fn default() -> Self {
        let cache = Cache::builder()
            .max_capacity(CAPACITY)
            .weigher(|_: &Digest, pages: &Arc<Pages>| pages.bytes())
            .expire_after(WhileValid)
            .build();
        Self(cache)
    }
}

impl ResultCache {
    /// What is there, or the place of what is about to be asked for. A place that is taken away meanwhile says that the
    /// answer may be out of date when it comes.
    pub(super) fn place(&self, key: Digest) -> Arc<Pages> {
        self.0.get_with(key, Arc::default)
    }

    pub(super) fn keep(&self, key: Digest, place: &Arc<Pages>, pages: Option<Pages>) {
        let is_there = self.0.get(&key).is_some_and(|it| Arc::ptr_eq(&it, place));
        match pages {
            Some(pages) if is_there => self.0.insert(key, Arc::new(pages)),
            // It was for this answer alone.
            None if is_there && place.texts.is_empty() => self.0.invalidate(&key),
            _ => {}
        }
    }

    pub(super) fn forget(&self, key: &Digest) {
        self.0.invalidate(key);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn text(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    fn cached(cache: &ResultCache, key: Digest, cursor: Option<&str>) -> Option<String> {
        let found = cache.place(key).fresh(cursor)?;
        Some(found.get().to_owned())
    }

    fn keep(cache: &ResultCache, key: Digest, cursor: Option<&str>, json: &str, left: Duration) {
        let place = cache.place(key);
        let pages = place.with(cursor, &text(json), left);
        cache.keep(key, &place, pages);
    }

    #[tokio::test(start_paused = true)]
    async fn a_result_is_valid_until_its_time_is_over() {
        let (cache, key) = (ResultCache::default(), Digest::default());
        keep(&cache, key, None, "1", 10 * SECOND);
        tokio::time::advance(Duration::from_millis(9999)).await;
        assert_eq!(cached(&cache, key, None).as_deref(), Some("1"));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(cached(&cache, key, None), None);
        keep(&cache, key, None, "2", SECOND);
        assert_eq!(cached(&cache, key, None).as_deref(), Some("2"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_is_valid_while_all_its_pages_are() {
        let (cache, key) = (ResultCache::default(), Digest::default());
        keep(&cache, key, None, "1", 60 * SECOND);
        keep(&cache, key, Some("b"), "2", 10 * SECOND);
        assert_eq!(cached(&cache, key, None).as_deref(), Some("1"));
        assert_eq!(cached(&cache, key, Some("b")).as_deref(), Some("2"));
        assert_eq!(cached(&cache, key, Some("c")), None);
        tokio::time::advance(10 * SECOND).await;
        assert_eq!(cached(&cache, key, None), None);
        // The first page begins another list.
        keep(&cache, key, None, "3", 60 * SECOND);
        assert_eq!(cached(&cache, key, Some("b")), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_without_a_first_one_is_not_kept() {
        let (cache, key) = (ResultCache::default(), Digest::default());
        keep(&cache, key, Some("b"), "2", SECOND);
        assert_eq!(cached(&cache, key, Some("b")), None);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_to_what_was_asked_before_an_announcement_is_not_kept() {
        let (cache, key) = (ResultCache::default(), Digest::default());
        let place = cache.place(key);
        cache.forget(&key);
        cache.keep(key, &place, place.with(None, &text("1"), SECOND));
        assert_eq!(cached(&cache, key, None), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_kept_has_a_bound_in_bytes() {
        let cache = ResultCache::default();
        let large = format!("\"{}\"", "x".repeat(1024 * 1024));
        for number in 0..100 {
            keep(&cache, [number; 32], None, &large, 60 * SECOND);
        }
        cache.0.run_pending_tasks();
        assert!(
            cache.0.weighted_size() <= CAPACITY,
            "{}",
            cache.0.weighted_size()
        );
        assert!(cache.0.entry_count() > 0);
    }
}
