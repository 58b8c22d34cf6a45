//! Where results are kept that are still valid.

use std::sync::Arc;
use std::time::Duration;

use lru::LruCache;
use parking_lot::Mutex;
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::clock::now_ms;
use crate::digest::Digest;

/// Bytes of all results that a runtime keeps.
const CAPACITY: usize = 32 * 1024 * 1024;
/// What a result takes beside its text, about.
const BESIDE: usize = 256;

/// The results of all connections of a runtime, by whom they serve and what was asked. Cheap to clone.
#[derive(Clone, Default)]
pub struct ResultCache(Arc<Mutex<Kept>>);

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

    /// Not so while the first page is being asked for.
    fn is_over(&self) -> bool {
        self.until.is_some_and(|until| until.left().is_none())
    }

    fn bytes(&self) -> usize {
        let size = |(cursor, text): &(Option<String>, Arc<RawValue>)| {
            cursor.as_ref().map_or(0, String::len) + text.get().len() + BESIDE
        };
        BESIDE + self.texts.iter().map(size).sum::<usize>()
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

/// The latest used are at one end, and what they take in sum.
struct Kept {
    results: LruCache<Digest, Arc<Pages>>,
    bytes: usize,
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            results: LruCache::unbounded(),
            bytes: 0,
        }
    }
}

impl Kept {
    fn put(&mut self, key: Digest, pages: Arc<Pages>) {
        self.bytes += pages.bytes();
        if let Some(before) = self.results.put(key, pages) {
            self.bytes -= before.bytes();
        }
        // Those that nobody used for the longest time go while all take too much, and while their own time is over.
        while let Some((_, oldest)) = self.results.peek_lru() {
            if self.bytes <= CAPACITY && !oldest.is_over() {
                return;
            }
            self.bytes -= oldest.bytes();
            self.results.pop_lru();
        }
    }

    fn take(&mut self, key: &Digest) {
        if let Some(before) = self.results.pop(key) {
            self.bytes -= before.bytes();
        }
    }
}

impl ResultCache {
    /// What is there, or the place of what is about to be asked for. A place that is taken away meanwhile says that the
    /// answer may be out of date when it comes.
    pub(super) fn place(&self, key: Digest) -> Arc<Pages> {
        let mut kept = self.0.lock();
        if let Some(pages) = kept.results.get(&key)
            && !pages.is_over()
        {
            return Arc::clone(pages);
        }
        let place = Arc::<Pages>::default();
        kept.put(key, Arc::clone(&place));
        place
    }

    pub(super) fn keep(&self, key: Digest, place: &Arc<Pages>, pages: Option<Pages>) {
        let mut kept = self.0.lock();
        let known = kept.results.peek(&key);
        if !known.is_some_and(|known| Arc::ptr_eq(known, place)) {
            return;
        }
        match pages {
            Some(pages) => kept.put(key, Arc::new(pages)),
            // It was for this answer alone.
            None if place.texts.is_empty() => kept.take(&key),
            None => {}
        }
    }

    pub(super) fn forget(&self, key: &Digest) {
        self.0.lock().take(key);
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
        let kept = cache.0.lock();
        let sum: usize = kept.results.iter().map(|(_, pages)| pages.bytes()).sum();
        assert_eq!(kept.bytes, sum);
        assert!(sum <= CAPACITY, "{sum}");
        assert!(sum > CAPACITY / 2, "{sum}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_over_gives_its_room_back() {
        let cache = ResultCache::default();
        for number in 0..10 {
            keep(&cache, [number; 32], None, "1", SECOND);
        }
        tokio::time::advance(2 * SECOND).await;
        keep(&cache, [10; 32], None, "1", SECOND);
        assert_eq!(cache.0.lock().results.len(), 1);
        cache.forget(&[10; 32]);
        assert_eq!(cache.0.lock().bytes, 0);
    }
}
