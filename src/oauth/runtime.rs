//! What all authorizers of a runtime share.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::storage::StoredAccess;
use crate::connection::KNOWN_SETS;
use crate::flights::Flights;
use crate::host::Standing;
use crate::keyed_lock::KeyedLock;
use crate::lru_map::LruMap;
use crate::telemetry::Metrics;

/// How many refreshes are remembered. Who hears of one that was forgotten begins a new session.
const RENEWALS: usize = 20_000;

const WITHOUT_LOCK: &str = "going on without it: two processes may use one refresh token, and a server that revokes \
                            on reuse then logs the user out";

const WHILE_GOOD: &str = "going on with tokens that are still good";

/// What all authorizers of a runtime share: refreshes and flows that are under way. Cheap to clone.
#[derive(Clone)]
pub struct OAuth {
    pub(super) refreshes: Flights<String, Option<StoredAccess>>,
    /// By a set of credentials, which one it was refreshed from.
    renewals: Arc<LruMap<String, String>>,
    /// Held by calls that start or join a flow: at the same time they must not start one each, nor store its tokens twice.
    pub(super) starting: KeyedLock<String>,
    /// The host's `lock`.
    pub(super) lock: Arc<Standing>,
    /// Whether that answers in time.
    pub(super) lock_answers: Arc<Standing>,
    /// The leases of its `flowManager`.
    pub(super) leases: Arc<Standing>,
    pub(super) tasks: TaskTracker,
    pub(super) closing: CancellationToken,
    pub(super) metrics: Arc<Metrics>,
}

impl OAuth {
    /// Work that outlives its caller is counted by `tasks`, and begins nothing new after `closing`.
    #[must_use]
    pub fn new(tasks: TaskTracker, closing: CancellationToken, metrics: Arc<Metrics>) -> Self {
        Self {
            refreshes: Flights::new(tasks.clone(), "A token refresh broke off"),
            renewals: Arc::new(LruMap::new(RENEWALS)),
            starting: KeyedLock::default(),
            lock: Arc::new(Standing::risking("lock", WITHOUT_LOCK)),
            lock_answers: Arc::new(Standing::risking("lock.acquire", WHILE_GOOD)),
            leases: Arc::new(Standing::new("flowManager")),
            tasks,
            closing,
            metrics,
        }
    }

    /// Notes that this process puts a set of credentials in place of another of the same login.
    pub fn note_renewal(&self, before: &str, after: &str) {
        self.renewals.insert(after.to_owned(), before.to_owned());
    }

    /// A set of credentials, and those that it comes from by refreshes of this process, the newest last.
    pub(super) fn lineage(&self, set: &str) -> Vec<String> {
        let before = |set: &String| self.renewals.get(set);
        let mut sets: Vec<_> = std::iter::successors(Some(set.to_owned()), before)
            .take(KNOWN_SETS)
            .collect();
        sets.reverse();
        sets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_refreshes_are_remembered_however_many_there_were() {
        let oauth = OAuth::new(TaskTracker::new(), CancellationToken::new(), Arc::default());
        for number in 0..RENEWALS + 1000 {
            oauth.note_renewal(&number.to_string(), &(number + 1).to_string());
        }
        let last = RENEWALS + 1000;
        let newest_last: Vec<_> = (last - 7..=last).map(|number| number.to_string()).collect();
        assert_eq!(oauth.lineage(&last.to_string()), newest_last);
        assert_eq!(oauth.lineage("another"), ["another"]);
    }
}
