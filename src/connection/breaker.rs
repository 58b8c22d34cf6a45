//! The circuit breaker of one user's connection to one server: it counts failures and rapid reconnects, and blocks
//! further attempts for a while. The arithmetic is the reference's (`packages/api/src/mcp/connection.ts`), the key is
//! not: there one user's failures block everybody.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::shared_breaker::{Kept, SharedBreaker};
use crate::error::{Code, Error, Result};
use crate::log::Logger;
use crate::settings::BreakerSettings;

#[derive(Debug, Default)]
struct State {
    cycles: Window,
    failures: Window,
    blocked_until: Option<Instant>,
    /// The store that processes share has the block, and says when it ends.
    is_shared: bool,
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
    /// Absent where processes share nothing.
    shared: Option<SharedBreaker>,
}

impl Breaker {
    /// Counts and blocks together with other processes.
    #[must_use]
    pub fn shared_as(self, shared: SharedBreaker) -> Self {
        Self {
            shared: Some(shared),
            ..self
        }
    }

    /// Refuses while the breaker is open.
    pub async fn check(&self, log_prefix: &str) -> Result<()> {
        if let Some(shared) = &self.shared {
            self.take_over(shared).await;
        }
        if self.state.lock().is_blocked(Instant::now()) {
            return Err(Error::new(
                Code::CircuitOpen,
                format!("{log_prefix} Circuit breaker is open, connection attempt blocked"),
            ));
        }
        Ok(())
    }

    async fn take_over(&self, shared: &SharedBreaker) {
        if self.state.lock().has_own_block(Instant::now()) {
            return;
        }
        if let Some(left) = shared.blocked_for().await {
            let longest = self.settings.max_backoff.max(self.settings.cycle_cooldown);
            let left = left.min(longest);
            self.state.lock().take_over(Instant::now(), left);
        }
    }

    /// Forgets the failures, and has other processes forget them where this one knows of any.
    pub async fn succeeded(&self) {
        let had_failed = {
            let mut state = self.state.lock();
            let had_failed = state.failures.count > 0 || state.blocked_until.is_some();
            state.failures = Window::default();
            state.blocked_until = None;
            state.is_shared = false;
            had_failed
        };
        if let (Some(shared), true) = (&self.shared, had_failed) {
            shared.forget(&[Kept::Failures, Kept::Block]).await;
        }
    }

    /// Counts a failed attempt; from the limit on the pauses double.
    pub async fn failed(&self, log_prefix: &str, logger: &Logger) {
        let settings = &self.settings;
        let window = settings.failed_window;
        let here = self.state.lock().failures.count(Instant::now(), window);
        let count = self.count(Kept::Failures, window, here).await;
        if count < settings.max_failed_rounds {
            return;
        }
        let doublings = (count - settings.max_failed_rounds).min(31);
        let pause = settings
            .base_backoff
            .saturating_mul(1 << doublings)
            .min(settings.max_backoff);
        let milliseconds = pause.as_millis();
        logger.warn(format!(
            "{log_prefix} Circuit breaker: too many failures, backing off for {milliseconds}ms"
        ));
        self.block(pause).await;
    }

    /// Counts a connection that was made again after one that had worked.
    pub async fn cycled(&self, log_prefix: &str, logger: &Logger) {
        let settings = &self.settings;
        let window = settings.cycle_window;
        let here = self.state.lock().cycles.count(Instant::now(), window);
        let count = self.count(Kept::Cycles, window, here).await;
        if count < settings.max_cycles {
            return;
        }
        self.state.lock().cycles = Window::default();
        let milliseconds = settings.cycle_cooldown.as_millis();
        logger.warn(format!(
            "{log_prefix} Circuit breaker: too many cycles, cooling down for {milliseconds}ms"
        ));
        self.block(settings.cycle_cooldown).await;
        if let Some(shared) = &self.shared {
            shared.forget(&[Kept::Cycles]).await;
        }
    }

    /// How many there are of what this process has counted: the store knows of others, or is away.
    async fn count(&self, kept: Kept, window: Duration, here: u32) -> u32 {
        let Some(shared) = &self.shared else {
            return here;
        };
        let all = shared.count(kept, window).await;
        all.map_or(here, |all| all.max(here))
    }

    async fn block(&self, pause: Duration) {
        self.state.lock().block(Instant::now() + pause);
        if let Some(shared) = &self.shared
            && shared.block(pause).await
        {
            self.state.lock().is_shared = true;
        }
    }
}

impl State {
    fn block(&mut self, until: Instant) {
        self.blocked_until = self.blocked_until.max(Some(until));
        self.is_shared = false;
    }

    /// The store says how long a block lasts, unless it is one that the store was not told of.
    fn take_over(&mut self, now: Instant, left: Duration) {
        let is_news = self.is_shared || !left.is_zero();
        if is_news && !self.has_own_block(now) {
            self.blocked_until = Some(now + left);
            self.is_shared = true;
        }
    }

    fn has_own_block(&self, now: Instant) -> bool {
        !self.is_shared && self.is_blocked(now)
    }

    fn is_blocked(&self, now: Instant) -> bool {
        self.blocked_until.is_some_and(|until| now < until)
    }

    fn is_idle(&self, now: Instant, longest_window: Duration) -> bool {
        !self.is_blocked(now)
            && self.cycles.is_over(now, longest_window)
            && self.failures.is_over(now, longest_window)
    }
}

/// The breakers of one runtime, by whose connection it is.
pub struct Breakers<K>(Mutex<All<K>>);

struct All<K> {
    breakers: HashMap<K, Arc<Mutex<State>>>,
    /// How many there may be before they are looked through again.
    most: usize,
}

impl<K> Default for Breakers<K> {
    fn default() -> Self {
        Self(Mutex::new(All {
            breakers: HashMap::new(),
            most: KEPT,
        }))
    }
}

/// Beyond this many, breakers that block nothing, count nothing recent and serve no attempt are dropped.
const KEPT: usize = 128;

impl<K: Eq + Hash + Clone> Breakers<K> {
    pub fn of(&self, key: &K, settings: &BreakerSettings) -> Breaker {
        let mut all = self.0.lock();
        let All { breakers, most } = &mut *all;
        if breakers.len() >= *most {
            let (now, longest) = (
                Instant::now(),
                settings.failed_window.max(settings.cycle_window),
            );
            // An attempt under way holds its breaker, and may yet have a failure to count.
            breakers.retain(|_, state| {
                Arc::strong_count(state) > 1 || !state.lock().is_idle(now, longest)
            });
            // Those that are left are not looked through for each that comes.
            *most = KEPT.max(2 * breakers.len());
        }
        Breaker {
            state: Arc::clone(breakers.entry(key.clone()).or_default()),
            settings: settings.clone(),
            shared: None,
        }
    }

    /// Takes one counted cycle back.
    pub fn forgive_cycle(&self, key: &K) {
        if let Some(state) = self.0.lock().breakers.get(key) {
            let mut state = state.lock();
            state.cycles.count = state.cycles.count.saturating_sub(1);
        }
    }

    /// How many block, and how many there are.
    pub fn counts(&self) -> (usize, usize) {
        let (all, now) = (self.0.lock(), Instant::now());
        let all = &all.breakers;
        let blocks = |state: &&Arc<Mutex<State>>| state.lock().is_blocked(now);
        (all.values().filter(blocks).count(), all.len())
    }

    /// Shows those that block, and for how long they do.
    pub fn blocked(&self, mut show: impl FnMut(&K, Duration)) {
        let now = Instant::now();
        for (key, state) in &self.0.lock().breakers {
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
        self.0.lock().breakers.remove(key);
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
        let fail = async || breaker.failed("[MCP]", &Logger::silent()).await;
        let open = async || breaker.check("[MCP]").await.is_err();
        fail().await;
        fail().await;
        assert!(!open().await);
        fail().await;
        assert!(open().await);
        advance(31).await;
        assert!(!open().await);
        fail().await;
        advance(59).await;
        assert!(open().await);
        advance(2).await;
        assert!(!open().await);
        fail().await;
        advance(99).await;
        assert!(open().await, "the longest pause is 100 s");
        breaker.succeeded().await;
        assert!(!open().await);
    }

    #[tokio::test(start_paused = true)]
    async fn old_failures_do_not_count() {
        let breaker = Breakers::default().of(&1, &settings());
        breaker.failed("", &Logger::silent()).await;
        breaker.failed("", &Logger::silent()).await;
        advance(121).await;
        breaker.failed("", &Logger::silent()).await;
        assert!(breaker.check("").await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn cycles_cool_down() {
        let breaker = Breakers::default().of(&1, &settings());
        for _ in 0..3 {
            assert!(breaker.check("").await.is_ok());
            breaker.cycled("", &Logger::silent()).await;
        }
        let error = breaker.check("[MCP][s]").await.expect_err("open");
        assert_eq!(
            error.message,
            "[MCP][s] Circuit breaker is open, connection attempt blocked"
        );
        advance(16).await;
        assert!(breaker.check("").await.is_ok());
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
            held.failed("", &Logger::silent()).await;
        }
        assert!(breakers.of(&0, &settings()).check("").await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn users_do_not_share() {
        let breakers = Breakers::default();
        for _ in 0..3 {
            breakers
                .of(&("one", "server"), &settings())
                .failed("", &Logger::silent())
                .await;
        }
        assert!(
            breakers
                .of(&("one", "server"), &settings())
                .check("")
                .await
                .is_err()
        );
        assert!(
            breakers
                .of(&("two", "server"), &settings())
                .check("")
                .await
                .is_ok()
        );
        breakers.clear(&("one", "server"));
        assert!(
            breakers
                .of(&("one", "server"), &settings())
                .check("")
                .await
                .is_ok()
        );
    }
}
