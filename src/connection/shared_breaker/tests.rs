use std::collections::HashMap;
use std::future::pending;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::time::{Instant, advance};

use super::*;
use crate::connection::{Breaker, Breakers};
use crate::error::{Code, Error};
use crate::log::{Level, Log, LogMeta};
use crate::server_config::Rate;
use crate::settings::BreakerSettings;

/// What the store does when it is asked.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Answers,
    Fails,
    Hangs,
    Lies,
}

struct Store {
    mood: Mutex<Mood>,
    asked: Mutex<Vec<String>>,
    counts: Mutex<HashMap<String, (Instant, u32)>>,
    blocks: Mutex<HashMap<String, Instant>>,
}

impl Store {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            mood: Mutex::new(Mood::Answers),
            asked: Mutex::default(),
            counts: Mutex::default(),
            blocks: Mutex::default(),
        })
    }

    /// What was asked of it since this was called last.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock())
    }

    /// The answer, unless the store is in a mood; a liar says the largest that there is.
    async fn answer<T>(
        &self,
        what: &str,
        key: &str,
        lie: T,
        truth: impl FnOnce() -> T,
    ) -> Result<T> {
        self.asked.lock().push(format!("{what} {key}"));
        let mood = *self.mood.lock();
        match mood {
            Mood::Answers => Ok(truth()),
            Mood::Lies => Ok(lie),
            Mood::Fails => Err(Error::new(Code::HostError, "out of order")),
            Mood::Hangs => pending().await,
        }
    }
}

#[async_trait]
impl SharedLimits for Store {
    async fn count(&self, key: &str, window: Duration) -> Result<u32> {
        let count = || {
            let (mut counts, now) = (self.counts.lock(), Instant::now());
            let (ends, count) = counts.entry(key.to_owned()).or_insert((now + window, 0));
            if *ends <= now {
                (*ends, *count) = (now + window, 0);
            }
            *count += 1;
            *count
        };
        self.answer("count", key, u32::MAX, count).await
    }

    async fn block(&self, key: &str, pause: Duration) -> Result<()> {
        let block = || {
            let (mut blocks, until) = (self.blocks.lock(), Instant::now() + pause);
            let longest = blocks.get(key).map_or(until, |other| until.max(*other));
            blocks.insert(key.to_owned(), longest);
        };
        self.answer("block", key, (), block).await
    }

    async fn blocked_for(&self, key: &str) -> Result<Duration> {
        let left = || {
            let until = self.blocks.lock().get(key).copied();
            let left = until.and_then(|until| until.checked_duration_since(Instant::now()));
            left.unwrap_or_default()
        };
        self.answer("blockedFor", key, Duration::MAX, left).await
    }

    async fn clear(&self, key: &str) -> Result<()> {
        let clear = || {
            self.counts.lock().remove(key);
            self.blocks.lock().remove(key);
        };
        self.answer("clear", key, (), clear).await
    }

    async fn has_turns(&self) -> Result<bool> {
        Ok(false)
    }

    async fn take(&self, _: &str, _: Rate) -> Result<Option<Duration>> {
        unreachable!("breakers count no calls")
    }

    async fn enter(&self, _: &str, _: &str, _: u32, _: Duration) -> Result<bool> {
        unreachable!("breakers have no places")
    }

    async fn leave(&self, _: &str, _: &str) -> Result<()> {
        unreachable!("breakers have no places")
    }
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Log for Lines {
    fn log(&self, level: Level, message: String, _: LogMeta) {
        self.0.lock().push(format!("{level:?} {message}"));
    }
}

/// One process.
struct Pod {
    breakers: Breakers<String>,
    store: Arc<Store>,
    standing: Arc<Standing>,
    lines: Lines,
    cancel: CancellationToken,
}

impl Pod {
    fn over(store: &Arc<Store>) -> Self {
        Self {
            breakers: Breakers::default(),
            store: Arc::clone(store),
            standing: Arc::new(Standing::new("limits")),
            lines: Lines::default(),
            cancel: CancellationToken::new(),
        }
    }

    fn logger(&self) -> Logger {
        Logger::new(Arc::new(self.lines.clone()))
    }

    fn shared(&self, user: &str) -> SharedBreaker {
        SharedBreaker {
            limits: Arc::clone(&self.store) as _,
            standing: Arc::clone(&self.standing),
            user_id: user.to_owned(),
            server_name: "files".to_owned(),
            logger: self.logger(),
            cancel: self.cancel.clone(),
        }
    }

    fn breaker(&self, user: &str) -> Breaker {
        let settings = BreakerSettings {
            max_cycles: 3,
            max_failed_rounds: 3,
            ..BreakerSettings::default()
        };
        let breaker = self.breakers.of(&user.to_owned(), &settings);
        breaker.shared_as(self.shared(user))
    }

    async fn fail(&self, user: &str) {
        self.breaker(user).failed("[MCP]", &self.logger()).await;
    }

    async fn cycle(&self, user: &str) {
        self.breaker(user).cycled("[MCP]", &self.logger()).await;
    }

    async fn is_open(&self, user: &str) -> bool {
        self.breaker(user).check("[MCP]").await.is_err()
    }

    /// For how long the breakers refuse, as `health()` shows it.
    fn seconds_left(&self) -> Vec<u64> {
        let mut left = Vec::new();
        self.breakers.blocked(|_, time| left.push(time.as_secs()));
        left
    }
}

fn pods() -> (Arc<Store>, Pod, Pod) {
    let store = Store::new();
    let (one, other) = (Pod::over(&store), Pod::over(&store));
    (store, one, other)
}

async fn pass(seconds: u64) {
    advance(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn failures_of_all_processes_count_together() {
    let (_, one, other) = pods();
    one.fail("ann").await;
    other.fail("ann").await;
    assert!(!one.is_open("ann").await && !other.is_open("ann").await);
    one.fail("ann").await;
    assert!(one.is_open("ann").await && other.is_open("ann").await);
    assert_eq!(other.seconds_left(), [30]);
    assert!(!other.is_open("bob").await && !other.is_open("").await);
    pass(31).await;
    assert!(!one.is_open("ann").await && !other.is_open("ann").await);
    other.fail("ann").await;
    assert!(one.is_open("ann").await);
    assert_eq!(
        one.seconds_left(),
        [60],
        "the fourth failure doubles the pause"
    );
}

#[tokio::test(start_paused = true)]
async fn cycles_of_all_processes_count_together() {
    let (_, one, other) = pods();
    one.cycle("ann").await;
    other.cycle("ann").await;
    assert!(!one.is_open("ann").await);
    other.cycle("ann").await;
    assert!(one.is_open("ann").await);
    assert_eq!(one.seconds_left(), [15]);
    pass(16).await;
    one.cycle("ann").await;
    assert!(!one.is_open("ann").await, "counted from the start again");
}

#[tokio::test(start_paused = true)]
async fn a_success_ends_what_this_process_knows_of() {
    let (store, one, other) = pods();
    assert!(!one.is_open("ann").await);
    one.breaker("ann").succeeded().await;
    assert_eq!(store.asked(), [r#"blockedFor ["breaker","ann","files"]"#]);
    one.fail("ann").await;
    one.fail("ann").await;
    one.breaker("ann").succeeded().await;
    one.breaker("ann").succeeded().await;
    let count = r#"count ["breaker-failures","ann","files"]"#;
    assert_eq!(
        store.asked(),
        [
            count,
            count,
            r#"clear ["breaker-failures","ann","files"]"#,
            r#"clear ["breaker","ann","files"]"#,
        ]
    );
    other.fail("ann").await;
    assert!(!other.is_open("ann").await);
}

#[tokio::test(start_paused = true)]
async fn what_is_cleared_blocks_nobody() {
    let (_, one, other) = pods();
    for _ in 0..3 {
        one.fail("ann").await;
    }
    assert!(one.is_open("ann").await && other.is_open("ann").await);
    other.breakers.clear(&"ann".to_owned());
    other.shared("ann").clear().await;
    assert!(!other.is_open("ann").await);
    assert!(!one.is_open("ann").await, "its block was in the store");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_leaves_each_on_its_own() {
    let (store, one, other) = pods();
    *store.mood.lock() = Mood::Fails;
    for _ in 0..3 {
        one.fail("ann").await;
    }
    assert!(one.is_open("ann").await && !other.is_open("ann").await);
    // The block that could not be written stays, although the store knows of none.
    *store.mood.lock() = Mood::Answers;
    pass(6).await;
    assert!(one.is_open("ann").await && !other.is_open("ann").await);
    pass(25).await;
    assert!(!one.is_open("ann").await);
    assert_eq!(
        *one.lines.0.lock(),
        [
            "Warn [MCP] limits failed to count, going on without it: out of order",
            "Warn [MCP] Circuit breaker: too many failures, backing off for 30000ms",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_is_waited_for_once() {
    let (store, one, _) = pods();
    *store.mood.lock() = Mood::Hangs;
    let began = Instant::now();
    for _ in 0..3 {
        assert!(!one.is_open("ann").await);
        one.fail("ann").await;
    }
    assert!(one.is_open("ann").await);
    assert_eq!(began.elapsed(), Duration::from_secs(2));
    assert_eq!(store.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_block_that_was_taken_over_lasts_while_the_store_is_away() {
    let (store, one, other) = pods();
    for _ in 0..3 {
        one.fail("ann").await;
    }
    assert!(other.is_open("ann").await);
    *store.mood.lock() = Mood::Fails;
    assert!(other.is_open("ann").await);
    pass(31).await;
    assert!(!other.is_open("ann").await);
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_does_not_wait_for_the_store() {
    let (store, one, _) = pods();
    *store.mood.lock() = Mood::Hangs;
    let began = Instant::now();
    one.cancel.cancel();
    assert!(!one.is_open("ann").await);
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn no_answer_blocks_for_longer_than_the_longest_pause() {
    let (store, one, other) = pods();
    *store.mood.lock() = Mood::Lies;
    assert!(one.is_open("ann").await);
    assert_eq!(one.seconds_left(), [300]);
    other.fail("bob").await;
    assert_eq!(other.seconds_left(), [300]);
    *store.mood.lock() = Mood::Answers;
    assert!(!one.is_open("ann").await);
    pass(301).await;
    assert!(!other.is_open("bob").await);
}

#[tokio::test(start_paused = true)]
async fn what_is_switched_off_is_not_asked_for() {
    let (store, one, _) = pods();
    let settings = BreakerSettings {
        max_failed_rounds: 1,
        failed_window: Duration::ZERO,
        base_backoff: Duration::ZERO,
        ..BreakerSettings::default()
    };
    let breaker = one.breakers.of(&"ann".to_owned(), &settings);
    let breaker = breaker.shared_as(one.shared("ann"));
    breaker.failed("[MCP]", &Logger::silent()).await;
    assert_eq!(store.asked(), [""; 0]);
    assert!(breaker.check("[MCP]").await.is_ok());
}
