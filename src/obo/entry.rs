//! One exchanged token.

use std::time::Duration;

use crate::clock::now_ms;
use crate::secret::Secret;

/// A token is exchanged again this long before it expires, so that it does not expire on its way.
const EARLY: Duration = Duration::from_mins(5);

/// An exchanged token. Times in milliseconds since the epoch.
#[derive(Debug, Clone)]
pub struct Entry {
    pub token: Secret,
    pub expires_at: i64,
    /// Until when it is handed out from a cache.
    pub usable_until: i64,
}

impl Entry {
    pub(super) fn new(token: Secret, lifetime: Duration) -> Self {
        let early = EARLY.min(lifetime / 10);
        let now = now_ms();
        Self {
            token,
            expires_at: now.saturating_add(millis(lifetime)),
            usable_until: now.saturating_add(millis(lifetime.saturating_sub(early))),
        }
    }

    /// How long a cache may keep it; zero when it may not.
    pub(super) fn keep_for(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.usable_until - now_ms()).unwrap_or_default())
    }

    /// Seconds until the token expires.
    #[must_use]
    pub fn expires_in(&self) -> u64 {
        u64::try_from(self.expires_at - now_ms()).unwrap_or_default() / 1000
    }

    pub(super) fn is_usable(&self) -> bool {
        now_ms() < self.usable_until
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
