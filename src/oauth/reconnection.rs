//! Which of a user's servers are being reconnected after a restart, and which are left alone for a while
//! (`packages/api/src/mcp/oauth/OAuthReconnectionTracker.ts`).

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// After the first, second, … failure in a row; the last one holds from then on.
const COOLDOWNS: [Duration; 4] = [
    Duration::from_mins(5),
    Duration::from_mins(10),
    Duration::from_mins(20),
    Duration::from_mins(30),
];
/// A reconnection that takes longer is over.
const TIMEOUT: Duration = Duration::from_mins(3);

type Key = (String, String);

struct Failure {
    attempts: usize,
    at: Instant,
}

/// By user and server.
#[derive(Default)]
pub struct Reconnections(Mutex<State>);

#[derive(Default)]
struct State {
    failed: HashMap<Key, Failure>,
    active: HashMap<Key, Instant>,
}

/// Numbers for diagnostics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrackerStats {
    pub users_with_failed_servers: usize,
    pub users_with_active_reconnections: usize,
    pub active_timestamps: usize,
}

impl Reconnections {
    #[must_use]
    pub fn is_reconnecting(&self, user_id: &str, server_name: &str) -> bool {
        let mut state = self.0.lock();
        state
            .active
            .retain(|_, started| started.elapsed() <= TIMEOUT);
        state.active.contains_key(&key(user_id, server_name))
    }

    /// Begins a reconnection, unless one is under way or has failed lately.
    pub fn begin(&self, user_id: &str, server_name: &str) -> bool {
        let mut state = self.0.lock();
        let key = key(user_id, server_name);
        let cooling = state.failed.get(&key).is_some_and(|failure| {
            let index = failure.attempts.clamp(1, COOLDOWNS.len()) - 1;
            failure.at.elapsed() < COOLDOWNS[index]
        });
        let active = state
            .active
            .get(&key)
            .is_some_and(|started| started.elapsed() <= TIMEOUT);
        if cooling || active {
            return false;
        }
        state.active.insert(key, Instant::now());
        true
    }

    pub fn failed(&self, user_id: &str, server_name: &str) {
        let mut state = self.0.lock();
        let key = key(user_id, server_name);
        state.active.remove(&key);
        let failure = state.failed.entry(key).or_insert(Failure {
            attempts: 0,
            at: Instant::now(),
        });
        failure.attempts += 1;
        failure.at = Instant::now();
    }

    /// The user authorized, or the server is connected: nothing stands in the way.
    pub fn clear(&self, user_id: &str, server_name: &str) {
        let mut state = self.0.lock();
        let key = key(user_id, server_name);
        state.failed.remove(&key);
        state.active.remove(&key);
    }

    #[must_use]
    pub fn stats(&self) -> TrackerStats {
        let state = self.0.lock();
        let users = |keys: Vec<&Key>| {
            let users: HashSet<_> = keys.into_iter().map(|(user, _)| user).collect();
            users.len()
        };
        TrackerStats {
            users_with_failed_servers: users(state.failed.keys().collect()),
            users_with_active_reconnections: users(state.active.keys().collect()),
            active_timestamps: state.active.len(),
        }
    }
}

fn key(user_id: &str, server_name: &str) -> Key {
    (user_id.to_owned(), server_name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn cooldowns_grow_and_success_ends_them() {
        let tracker = Reconnections::default();
        for minutes in [5, 10, 20, 30, 30] {
            assert!(tracker.begin("u", "s"));
            assert!(tracker.is_reconnecting("u", "s"));
            assert!(!tracker.begin("u", "s"), "one at a time");
            tracker.failed("u", "s");
            assert!(!tracker.is_reconnecting("u", "s"));
            tokio::time::advance(Duration::from_secs(minutes * 60 - 1)).await;
            assert!(!tracker.begin("u", "s"), "{minutes} minutes");
            assert!(tracker.begin("u", "other"), "other servers go on");
            tracker.clear("u", "other");
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(tracker.stats().users_with_failed_servers, 1);
        tracker.clear("u", "s");
        assert!(tracker.begin("u", "s"));
        assert_eq!(
            tracker.stats(),
            TrackerStats {
                users_with_failed_servers: 0,
                users_with_active_reconnections: 1,
                active_timestamps: 1,
            }
        );
        tokio::time::advance(TIMEOUT + Duration::from_secs(1)).await;
        assert!(!tracker.is_reconnecting("u", "s"));
        assert!(tracker.begin("u", "s"), "one that hangs does not last");
    }
}
