//! How many calls a rate still allows.

use tokio::time::Instant;

use crate::server_config::Rate;

/// The calls of one user, or of all, in the period of a rate that began with the first of them.
#[derive(Clone, Copy, Default)]
pub(super) struct Window {
    ends: Option<Instant>,
    calls: u32,
    /// Until when other processes have used up what is allowed.
    closed_until: Option<Instant>,
}

impl Window {
    /// When the period ends that is under way.
    fn end(&self, now: Instant) -> Option<Instant> {
        self.ends.filter(|ends| *ends > now)
    }

    fn closed(&self, now: Instant) -> Option<Instant> {
        self.closed_until.filter(|until| *until > now)
    }

    pub fn is_over(&self, now: Instant) -> bool {
        self.end(now).is_none() && self.closed(now).is_none()
    }

    /// Whether one more call may be made.
    pub fn is_open(&self, rate: Option<Rate>, now: Instant) -> bool {
        let is_used_up = |rate: Rate| self.end(now).is_some() && self.calls >= rate.calls;
        self.closed(now).is_none() && !rate.is_some_and(is_used_up)
    }

    pub fn count(&mut self, rate: Option<Rate>, now: Instant) {
        let Some(rate) = rate else {
            return;
        };
        if self.end(now).is_none() {
            self.ends = Some(now + rate.per);
            self.calls = 0;
        }
        self.calls += 1;
    }

    /// Takes a call back that was counted, and was not made.
    pub fn uncount(&mut self) {
        self.calls = self.calls.saturating_sub(1);
    }

    pub fn close(&mut self, until: Instant) {
        self.closed_until = self.closed_until.max(Some(until));
    }

    /// When a call may be made before which so many others are made.
    pub fn earliest(&self, rate: Option<Rate>, before: usize, now: Instant) -> Instant {
        let open = self.closed(now).unwrap_or(now);
        let Some(rate) = rate else {
            return open;
        };
        let (ends, calls) = self
            .end(now)
            .map_or((now + rate.per, 0), |ends| (ends, self.calls));
        let before = u32::try_from(before).unwrap_or(u32::MAX);
        let periods = calls.saturating_add(before) / rate.calls.max(1);
        match periods.checked_sub(1) {
            None => open,
            Some(more) => open.max(ends + rate.per.saturating_mul(more.min(MOST_PERIODS))),
        }
    }

    /// When to look again whether a call may be made. A period may begin while the call waits, and then ends later than this.
    pub fn look_again(&self, rate: Option<Rate>, now: Instant) -> Option<Instant> {
        let next = rate.map(|rate| self.end(now).unwrap_or(now + rate.per));
        self.closed(now).into_iter().chain(next).min()
    }
}

/// So that no time is too far away to be told.
const MOST_PERIODS: u32 = 1000;
