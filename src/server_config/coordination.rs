//! How processes take turns with a user's tokens: `oauthRefreshCoordination` and its bounds.

use std::time::Duration;

/// Where a config says nothing.
const WAIT: Duration = Duration::from_secs(15);
/// Half of what a refresh may take: the other half is for the refresh itself.
const LONGEST_REFRESH_WAIT: Duration = Duration::from_secs(30);
/// `MAX_MCP_OAUTH_PERSISTENCE_WAIT_MS`: less than a host's lease lasts.
const LONGEST_PERSISTENCE_WAIT: Duration = Duration::from_mins(14);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Coordination {
    /// Whether one process refreshes at a time, by a lease of the host.
    pub is_on: bool,
    /// `oauthRefreshWaitTimeout`
    pub refresh_wait: Option<Duration>,
    /// `oauthPersistenceWaitTimeout`
    pub persistence_wait: Option<Duration>,
}

impl Coordination {
    /// How long to wait for another process that refreshes.
    #[must_use]
    pub fn refresh_wait(self) -> Duration {
        self.refresh_wait.unwrap_or(WAIT).min(LONGEST_REFRESH_WAIT)
    }

    /// How long to wait for another process that writes tokens.
    #[must_use]
    pub fn persistence_wait(self) -> Duration {
        let wait = self.persistence_wait.unwrap_or(WAIT);
        wait.min(LONGEST_PERSISTENCE_WAIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_bounded() {
        let waits = |seconds: Option<u64>| {
            let wait = seconds.map(Duration::from_secs);
            let config = Coordination {
                is_on: true,
                refresh_wait: wait,
                persistence_wait: wait,
            };
            (
                config.refresh_wait().as_secs(),
                config.persistence_wait().as_secs(),
            )
        };
        assert_eq!(waits(None), (15, 15));
        assert_eq!(waits(Some(3)), (3, 3));
        assert_eq!(waits(Some(3600)), (30, 840));
    }
}
