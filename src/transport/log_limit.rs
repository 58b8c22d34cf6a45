//! How often somebody else may cause a line in the log.

use std::time::Duration;

use tokio::time::Instant;

/// Lines at once: more than a server says when it starts.
const BURST: u32 = 200;
/// Lines a second, on average. Each is searched for secrets, which takes milliseconds where it is long.
const RATE: u32 = 20;
/// Between two lines about what was dropped.
const TELL_AGAIN: Duration = Duration::from_secs(1);

/// A token bucket that counts what it turns away.
pub struct LogLimit {
    left: u32,
    refilled: Instant,
    dropped: u64,
    /// When somebody may be told about dropped lines.
    due: Instant,
}

impl Default for LogLimit {
    fn default() -> Self {
        Self {
            left: BURST,
            refilled: Instant::now(),
            dropped: 0,
            due: Instant::now(),
        }
    }
}

impl LogLimit {
    /// Whether one more line may be written; if not, it counts as dropped.
    pub(super) fn admits(&mut self) -> bool {
        if self.left == 0 {
            self.refill();
        }
        if self.left == 0 {
            self.dropped += 1;
            return false;
        }
        self.left -= 1;
        true
    }

    fn refill(&mut self) {
        let tokens = self.refilled.elapsed().as_millis() * u128::from(RATE) / 1000;
        if tokens > 0 {
            self.left = u32::try_from(tokens).map_or(BURST, |tokens| tokens.min(BURST));
            self.refilled = Instant::now();
        }
    }

    /// How many lines were dropped, where somebody has to be told: at most once a second.
    pub(super) fn dropped(&mut self) -> Option<u64> {
        if self.dropped == 0 || Instant::now() < self.due {
            return None;
        }
        self.due = Instant::now() + TELL_AGAIN;
        self.rest()
    }

    /// When [`Self::dropped`] has something to say, if lines were dropped.
    pub(super) const fn due(&self) -> Instant {
        self.due
    }

    pub(super) const fn has_dropped(&self) -> bool {
        self.dropped > 0
    }

    /// How many lines nobody was told about, at the end.
    pub(super) fn rest(&mut self) -> Option<u64> {
        Some(std::mem::take(&mut self.dropped)).filter(|dropped| *dropped > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_and_the_rest_is_counted() {
        let mut limit = LogLimit::default();
        let admitted = (0..BURST + 1000).filter(|_| limit.admits()).count();
        assert_eq!(admitted, BURST as usize);
        assert_eq!(limit.dropped(), Some(1000));
        assert!(!limit.admits());
        assert_eq!(limit.dropped(), None, "told a moment ago");
        tokio::time::advance(TELL_AGAIN).await;
        assert_eq!(limit.dropped(), Some(1));
        let admitted = (0..1000).filter(|_| limit.admits()).count();
        assert_eq!(admitted, RATE as usize);
        assert_eq!(limit.rest(), Some(1000 - u64::from(RATE)));
        assert_eq!(limit.rest(), None);
    }
}
