//! The circuit breaker of one user's connection to one server: it counts failures and rapid reconnects, and blocks
//! further attempts for a while. The arithmetic is the reference's (`packages/api/src/mcp/connection.ts`), the key is
//! not: there one user's failures block everybody.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::error::{Code, Error, Result};
use crate::log::Logger;
use crate::settings::BreakerSettings;

#[derive(Debug, Default)]
struct State {
    cycles: Window,
    failures: Window,
    blocked_until: Option<Instant>,
}

/// Events counted from the first one on, for as long as a window lasts.
#[derive(Debug, Default)]
struct Window {
    started: Option<Instant>,
    count: u32,
}

impl Window {
    fn is_over(&self, now: Instant, length: Duration) -> bool {
        self.started.is_none_or(|started| now - started > length)
    }

    fn count(&mut self, now: Instant, length: Duration) -> u32 {
        if self.is_over(now, length) {
            *self = Self {
                started: Some(now),
                count: 0,
            };
        }
        self.count += 1;
        self.count
    }
}

/// A handle on one breaker.
#[derive(Clone)]
pub struct Breaker {
    state: Arc<Mutex<State>>,
    settings: BreakerSettings,
}

impl Breaker {
    /// Refuses while the breaker is open.
    pub fn check(&self, log_prefix: &str) -> Result<()> {
        match self.state.lock().blocked_until {
            Some(until) if Instant::now() < until => Err(Error::new(
                Code::CircuitOpen,
                format!("{log_prefix} Circuit breaker is open, connection attempt blocked"),
            )),
            _ => Ok(()),
        }
    }

    pub fn succeeded(&self) {
        let mut state = self.state.lock();
        state.failures = Window::default();
        state.blocked_until = None;
    }

    /// Counts a failed attempt; from the limit on the pauses double.
    pub fn failed(&self, log_prefix: &str, logger: &Logger) {
        let (now, settings) = (Instant::now(), &self.settings);
        let mut state = self.state.lock();
        let count = state.failures.count(now, settings.failed_window);
        if count < settings.max_failed_rounds {
            return;
        }
        let doublings = (count - settings.max_failed_rounds).min(31);
        let pause = settings
            .base_backoff
            .saturating_mul(1 << doublings)
            .min(settings.max_backoff);
        state.block(now + pause);
        drop(state);
        let milliseconds = pause.as_millis();
        logger.warn(format!(
            "{log_prefix} Circuit breaker: too many failures, backing off for {milliseconds}ms"
        ));
    }

    /// Counts a connection that was made again after one that had worked.
    pub fn cycled(&self, log_prefix: &str, logger: &Logger) {
        let (now, settings) = (Instant::now(), &self.settings);
        let mut state = self.state.lock();
        if state.cycles.count(now, settings.cycle_window) < settings.max_cycles {
            return;
        }
        state.cycles = Window::default();
        state.block(now + settings.cycle_cooldown);
        drop(state);
        let milliseconds = settings.cycle_cooldown.as_millis();
        logger.warn(format!(
            "{log_prefix} Circuit breaker: too many cycles, cooling down for {milliseconds}ms"
        ));
    }
}

impl State {
    fn block(&mut self, until: Instant) {
        self.blocked_until = self.blocked_until.max(Some(until));
    }

    fn is_idle(&self, now: Instant, longest_window: Duration) -> bool {
        self.blocked_until.is_none_or(|until| until <= now)
            && self.cycles.is_over(now, longest_window)
            && self.failures.is_over(now, longest_window)
    }
}

/// The breakers of one runtime, by whose connection it is.
pub struct Breakers<K>(Mutex<HashMap<K, Arc<Mutex<State>>>>);

impl<K> Default for Breakers<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// Beyond this many, breakers that block nothing, count nothing recent and serve no attempt are dropped.
const KEPT: usize = 1024;

impl<K: Eq + Hash + Clone> Breakers<K> {
    pub fn of(&self, key: &K, settings: &BreakerSettings) -> Breaker {
        let mut all = self.0.lock();
        if all.len() >= KEPT {
            let (now, longest) = (
                Instant::now(),
                settings.failed_window.max(settings.cycle_window),
            );
            // An attempt under way holds its breaker, and may yet have a failure to count.
            all.retain(|_, state| {
                Arc::strong_count(state) > 1 || !state.lock().is_idle(now, longest)
            });
        }
        Breaker {
            state: Arc::clone(all.entry(key.clone()).or_default()),
            settings: settings.clone(),
        }
    }

    /// Takes one counted cycle back.
    pub fn forgive_cycle(&self, key: &K) {
        if let Some(state) = self.0.lock().get(key) {
            let mut state = state.lock();
            state.cycles.count = state.cycles.count.saturating_sub(1);
        }
    }

    /// How many block, and how many there are.
    pub fn counts(&self) -> (usize, usize) {
        let (all, now) = (self.0.lock(), Instant::now());
        let blocks = |state: &&Arc<Mutex<State>>| {
            state.lock().blocked_until.is_some_and(|until| now < until)
        };
        (all.values().filter(blocks).count(), all.len())
    }

    /// Shows those that block, and for how long they do.
    pub fn blocked(&self, mut show: impl FnMut(&K, Duration)) {
        let now = Instant::now();
        for (key, state) in self.0.lock().iter() {
            if let Some(left) = state
                .lock()
                .blocked_until
                .and_then(|until| until.checked_duration_since(now))
            {
                show(key, left);
            }
        }
    }

    /// Forgets everything about one connection.
    pub fn clear(&self, key: &K) {
        self.0.lock().remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> BreakerSettings {
        BreakerSettings {
            max_cycles: 3,
            cycle_window: Duration::from_secs(45),
            cycle_cooldown: Duration::from_secs(15),
            max_failed_rounds: 3,
            failed_window: Duration::from_mins(2),
            base_backoff: Duration::from_secs(30),
            max_backoff: Duration::from_secs(100),
        }
    }

    async fn advance(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn failures_block_for_doubling_pauses() {
        let breakers = Breakers::default();
        let breaker = breakers.of(&("user", "server"), &settings());
        let fail = || breaker.failed("[MCP]", &Logger::silent());
        let open = || breaker.check("[MCP]").is_err();
        fail();
        fail();
        assert!(!open());
        fail();
        assert!(open());
        advance(31).await;
        assert!(!open());
        fail();
        advance(59).await;
        assert!(open());
        advance(2).await;
        assert!(!open());
        fail();
        advance(99).await;
        assert!(open(), "the longest pause is 100 s");
        breaker.succeeded();
        assert!(!open());
    }

    #[tokio::test(start_paused = true)]
    async fn old_failures_do_not_count() {
        let breaker = Breakers::default().of(&1, &settings());
        breaker.failed("", &Logger::silent());
        breaker.failed("", &Logger::silent());
        advance(121).await;
        breaker.failed("", &Logger::silent());
        assert!(breaker.check("").is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn cycles_cool_down() {
        let breaker = Breakers::default().of(&1, &settings());
        for _ in 0..3 {
            assert!(breaker.check("").is_ok());
            breaker.cycled("", &Logger::silent());
        }
        let error = breaker.check("[MCP][s]").expect_err("open");
        assert_eq!(
            error.message,
            "[MCP][s] Circuit breaker is open, connection attempt blocked"
        );
        advance(16).await;
        assert!(breaker.check("").is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn only_breakers_without_a_use_are_dropped() {
        let breakers = Breakers::default();
        let held = breakers.of(&0, &settings());
        for key in 1..2 * KEPT {
            breakers.of(&key, &settings());
        }
        assert!(breakers.counts().1 < 2 * KEPT);
        for _ in 0..3 {
            held.failed("", &Logger::silent());
        }
        assert!(breakers.of(&0, &settings()).check("").is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn users_do_not_share() {
        let breakers = Breakers::default();
        for _ in 0..3 {
            breakers
                .of(&("one", "server"), &settings())
                .failed("", &Logger::silent());
        }
        assert!(
            breakers
                .of(&("one", "server"), &settings())
                .check("")
                .is_err()
        );
        assert!(
            breakers
                .of(&("two", "server"), &settings())
                .check("")
                .is_ok()
        );
        breakers.clear(&("one", "server"));
        assert!(
            breakers
                .of(&("one", "server"), &settings())
                .check("")
                .is_ok()
        );
    }
}
