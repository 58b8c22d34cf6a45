//! Exchanged tokens, kept in two places: in this process, and in the host's cache that processes share.

use std::time::{Duration, Instant};

use moka::Expiry;
use moka::sync::Cache;

use super::entry::Entry;
use super::key::CacheKey;
use super::seal::Sealer;
use crate::host::{Host, SharedCache, Standing};
use crate::log::Logger;

/// Tokens kept in this process.
const CAPACITY: u64 = 10_000;

struct UntilUsed;

impl Expiry<CacheKey, Entry> for UntilUsed {
    fn expire_after_create(&self, _: &CacheKey, entry: &Entry, _: Instant) -> Option<Duration> {
        Some(entry.keep_for())
    }

    fn expire_after_update(
        &self,
        _: &CacheKey,
        entry: &Entry,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.keep_for())
    }
}

/// The tokens of this process.
#[derive(Clone)]
pub(super) struct LocalCache(Cache<CacheKey, Entry>);

impl Default for LocalCache {
    fn default() -> Self {
        Self(
            Cache::builder()
                .max_capacity(CAPACITY)
                .expire_after(UntilUsed)
                .build(),
        )
    }
}

impl LocalCache {
    /// The wall clock is asked too: moka's clock stands still while a machine sleeps.
    pub fn get(&self, key: &CacheKey) -> Option<Entry> {
        self.0.get(key).filter(Entry::is_usable)
    }

    pub fn insert(&self, key: CacheKey, entry: Entry) {
        self.0.insert(key, entry);
    }

    pub fn remove(&self, key: &CacheKey) {
        self.0.invalidate(key);
    }
}

/// The host's cache, for one exchange. It only ever saves a request.
pub(super) struct Shared<'a> {
    cache: &'a dyn SharedCache,
    standing: &'a Standing,
    sealer: Sealer,
    logger: &'a Logger,
}

impl<'a> Shared<'a> {
    /// `None` where the host has no cache, or no key to encrypt with.
    pub fn of(host: &'a Host, standing: &'a Standing) -> Option<Self> {
        let cache = host.exchanged_tokens.as_deref()?;
        let sealer = Sealer::new(&host.credentials_key.key().ok()??).ok()?;
        Some(Self {
            cache,
            standing,
            sealer,
            logger: &host.logger,
        })
    }

    pub async fn get(&self, key: &CacheKey) -> Option<Entry> {
        let name = key.to_string();
        let read = self.cache.get(&name);
        let sealed = self.standing.ask("read", self.logger, read).await??;
        let entry = self.sealer.open(key, &sealed);
        if entry.is_none() {
            self.logger
                .warn("[OBO] Ignoring an unreadable entry of exchangedTokens");
        }
        entry.filter(Entry::is_usable)
    }

    pub async fn set(&self, key: &CacheKey, entry: &Entry) {
        let ttl = entry.keep_for();
        if ttl.is_zero() {
            return;
        }
        if let Ok(sealed) = self.sealer.seal(key, entry) {
            let name = key.to_string();
            let write = self.cache.set(&name, &sealed, ttl);
            self.standing.ask("write", self.logger, write).await;
        }
    }

    pub async fn remove(&self, key: &CacheKey) {
        let name = key.to_string();
        let delete = self.cache.delete(&name);
        self.standing.ask("delete", self.logger, delete).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::now_ms;
    use crate::host::{ClientAuth, OpenIdClient};
    use crate::obo::key::Subject;
    use crate::secret::Secret;

    fn key(user: &str) -> CacheKey {
        let client = OpenIdClient {
            issuer: None,
            token_endpoint: String::new(),
            client_id: String::new(),
            client_auth: ClientAuth::None,
        };
        CacheKey::new(&Subject {
            client: &client,
            tenant: None,
            user,
            scopes: "",
            assertion: &Secret::default(),
            identity: None,
        })
    }

    fn entry(seconds: u64) -> Entry {
        Entry::new(Secret::from("hunter2"), Duration::from_secs(seconds))
    }

    #[test]
    fn counts_as_expired_early() {
        for (lifetime, usable) in [(3600, 3300), (86_400, 86_100), (600, 540), (10, 9), (0, 0)] {
            let before = now_ms();
            let usable_until = entry(lifetime).usable_until;
            let range = before + usable * 1000..=now_ms() + usable * 1000;
            assert!(range.contains(&usable_until), "{lifetime} s");
        }
    }

    #[test]
    fn keeps_what_is_usable() {
        let cache = LocalCache::default();
        cache.insert(key("a"), entry(3600));
        cache.insert(key("b"), entry(0));
        assert!((3598..=3600).contains(&cache.get(&key("a")).unwrap().expires_in()));
        assert!(cache.get(&key("b")).is_none());
        cache.remove(&key("a"));
        assert!(cache.get(&key("a")).is_none());
    }

    #[test]
    fn sealed_entries() {
        let sealer = Sealer::new(&Secret::from("00ff")).unwrap();
        let text = sealer.seal(&key("a"), &entry(60)).unwrap();
        assert!(!text.contains("hunter2"));
        assert_ne!(text, sealer.seal(&key("a"), &entry(60)).unwrap());
        let opened = sealer.open(&key("a"), &text).unwrap();
        assert_eq!(opened.token.expose(), "hunter2");
        assert!((58..=60).contains(&opened.expires_in()));

        assert!(
            sealer.open(&key("b"), &text).is_none(),
            "moved to another key"
        );
        let other = Sealer::new(&Secret::from("00fe")).unwrap();
        assert!(
            other.open(&key("a"), &text).is_none(),
            "another credentials key"
        );
        for at in [0, 5, text.len() / 2, text.len() - 2] {
            let mut tampered = text.clone().into_bytes();
            tampered[at] = if tampered[at] == b'B' { b'C' } else { b'B' };
            let tampered = String::from_utf8(tampered).unwrap();
            assert!(sealer.open(&key("a"), &tampered).is_none(), "byte {at}");
        }
        for junk in ["", "AQ", "not base64!", "hunter2"] {
            assert!(sealer.open(&key("a"), junk).is_none());
        }
    }
}
