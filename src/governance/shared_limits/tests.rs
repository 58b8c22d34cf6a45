mod places;

use std::collections::HashMap;
use std::future::pending;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::time::advance;

use super::*;
use crate::governance::{Applicant, Turns};
use crate::log::{Level, Log, LogMeta};

/// What the store does when it is asked.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Answers,
    Fails,
    Hangs,
    /// Does it, and never says so.
    Swallows,
    /// A second later.
    IsSlow,
    Lies,
    HasNoTurns,
}

struct Store {
    mood: Mutex<Mood>,
    asked: Mutex<Vec<String>>,
    windows: Mutex<HashMap<String, (Instant, u32)>>,
    /// By their keys and holders.
    leases: Mutex<HashMap<(String, String), Instant>>,
}

impl Store {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            mood: Mutex::new(Mood::Answers),
            asked: Mutex::default(),
            windows: Mutex::default(),
            leases: Mutex::default(),
        })
    }

    fn is_now(&self, mood: Mood) {
        *self.mood.lock() = mood;
    }

    /// How often it was asked for that.
    fn count(&self, what: &str) -> usize {
        let asked = self.asked.lock();
        asked.iter().filter(|it| it.starts_with(what)).count()
    }

    fn held(&self) -> usize {
        let now = Instant::now();
        self.leases.lock().values().filter(|it| **it > now).count()
    }

    async fn answer<T>(&self, what: String, lie: T, truth: impl FnOnce() -> T) -> Result<T> {
        self.asked.lock().push(what);
        let mood = *self.mood.lock();
        match mood {
            Mood::Answers | Mood::HasNoTurns => Ok(truth()),
            Mood::Lies => Ok(lie),
            Mood::IsSlow => {
                tokio::time::sleep(Duration::from_secs(1)).await;
                Ok(truth())
            }
            Mood::Fails => Err(Error::new(Code::HostError, "out of order")),
            Mood::Hangs => pending().await,
            Mood::Swallows => {
                truth();
                pending().await
            }
        }
    }
}

#[async_trait]
impl SharedLimits for Store {
    async fn count(&self, _: &str, _: Duration) -> Result<u32> {
        unreachable!("calls open no breaker")
    }

    async fn block(&self, _: &str, _: Duration) -> Result<()> {
        unreachable!("calls open no breaker")
    }

    async fn blocked_for(&self, _: &str) -> Result<Duration> {
        unreachable!("calls open no breaker")
    }

    async fn clear(&self, _: &str) -> Result<()> {
        unreachable!("calls open no breaker")
    }

    async fn has_turns(&self) -> Result<bool> {
        let has_turns = *self.mood.lock() != Mood::HasNoTurns;
        self.answer("has".to_owned(), true, || has_turns).await
    }

    async fn take(&self, key: &str, rate: Rate) -> Result<Option<Duration>> {
        let take = || {
            let (mut windows, now) = (self.windows.lock(), Instant::now());
            let (ends, calls) = windows.entry(key.to_owned()).or_insert((now, 0));
            if *ends <= now {
                (*ends, *calls) = (now + rate.per, 0);
            }
            if *calls == rate.calls {
                return Some(*ends - now);
            }
            *calls += 1;
            None
        };
        self.answer(format!("take {key}"), Some(Duration::MAX), take)
            .await
    }

    async fn enter(&self, key: &str, holder: &str, most: u32, lease: Duration) -> Result<bool> {
        let enter = || {
            let (mut leases, now) = (self.leases.lock(), Instant::now());
            leases.retain(|_, ends| *ends > now);
            let place = (key.to_owned(), holder.to_owned());
            let there = leases.keys().filter(|(of, _)| of == key).count();
            let may = leases.contains_key(&place) || there < most as usize;
            if may {
                leases.insert(place, now + lease);
            }
            may
        };
        self.answer(format!("enter {holder}"), false, enter).await
    }

    async fn leave(&self, key: &str, holder: &str) -> Result<()> {
        let leave = || {
            let place = (key.to_owned(), holder.to_owned());
            self.leases.lock().remove(&place);
        };
        self.answer(format!("leave {holder}"), (), leave).await
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
    calls: SharedCalls,
    store: Arc<dyn SharedLimits>,
    closing: CancellationToken,
    tasks: TaskTracker,
    lines: Lines,
    logger: Logger,
}

impl Pod {
    fn over(store: &Arc<Store>) -> Self {
        let (closing, tasks) = (CancellationToken::new(), TaskTracker::new());
        let lines = Lines::default();
        Self {
            calls: SharedCalls::new(
                Arc::new(Standing::new("limits")),
                tasks.clone(),
                closing.clone(),
                Handle::current(),
            ),
            store: Arc::clone(store) as _,
            closing,
            tasks,
            logger: Logger::new(Arc::new(lines.clone())),
            lines,
        }
    }

    async fn turn_in(
        &self,
        user_id: &str,
        limits: &CallLimits,
        counted: &mut Counted,
        patience: Duration,
    ) -> Result<Shared> {
        let call = LimitedCall {
            store: &self.store,
            limits,
            user_id,
            server: "files",
            due: Instant::now() + patience,
            cancel: &self.closing,
            logger: &self.logger,
        };
        self.calls.turn(&call, counted).await
    }

    /// Until when the call has to wait; zero seconds where it has not.
    async fn wait(&self, user_id: &str, limits: &CallLimits, counted: &mut Counted) -> (bool, u64) {
        let turn = self.turn_in(user_id, limits, counted, MINUTE).await;
        match turn.unwrap() {
            Shared::Now(_) => (false, 0),
            Shared::Later { of_user, until } => (of_user, (until - Instant::now()).as_secs()),
        }
    }
}

const MINUTE: Duration = Duration::from_mins(1);
const NOW: (bool, u64) = (false, 0);
/// Two calls at a time.
const PLACES: CallLimits = CallLimits {
    per_user: None,
    per_server: None,
    concurrency: Some(2),
    queue: None,
};

fn rates(of_user: Option<u32>, of_server: Option<u32>) -> CallLimits {
    let rate = |calls| Rate { calls, per: MINUTE };
    CallLimits {
        per_user: of_user.map(rate),
        per_server: of_server.map(rate),
        ..CallLimits::default()
    }
}

fn pods() -> (Arc<Store>, Pod, Pod) {
    let store = Store::new();
    let (one, other) = (Pod::over(&store), Pod::over(&store));
    (store, one, other)
}

#[tokio::test(start_paused = true)]
async fn calls_of_all_processes_count_together() {
    let (_, one, other) = pods();
    let limits = rates(Some(2), None);
    let call = async |pod: &Pod, user| pod.wait(user, &limits, &mut Counted::default()).await;
    assert_eq!(call(&one, "ann").await, NOW);
    assert_eq!(call(&other, "ann").await, NOW);
    assert_eq!(call(&one, "ann").await, (true, 60));
    assert_eq!(call(&other, "ann").await, (true, 60));
    assert_eq!(call(&one, "bob").await, NOW);
    assert_eq!(call(&one, "").await, NOW);
    advance(MINUTE).await;
    assert_eq!(call(&other, "ann").await, NOW);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_its_user_may_not_make_is_none_of_the_servers() {
    let (store, one, other) = pods();
    let limits = rates(Some(1), Some(2));
    let call = async |pod: &Pod, user| pod.wait(user, &limits, &mut Counted::default()).await;
    assert_eq!(call(&one, "ann").await, NOW);
    assert_eq!(call(&other, "ann").await, (true, 60));
    assert_eq!(store.count(r#"take ["server-calls","","files","2-60"]"#), 1);
    assert_eq!(call(&other, "bob").await, NOW);
    assert_eq!(call(&other, "cat").await, (false, 60));
}

#[tokio::test(start_paused = true)]
async fn a_call_is_counted_once_however_often_it_asks() {
    let (store, one, _) = pods();
    let limits = rates(Some(2), Some(1));
    let mut first = Counted::default();
    assert_eq!(one.wait("ann", &limits, &mut first).await, NOW);
    assert_eq!(one.wait("ann", &limits, &mut first).await, NOW);
    let mut second = Counted::default();
    assert_eq!(one.wait("ann", &limits, &mut second).await, (false, 60));
    advance(MINUTE / 2).await;
    assert_eq!(one.wait("ann", &limits, &mut second).await, (false, 30));
    assert_eq!(store.count(r#"take ["user-calls","ann","files"]"#), 2);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_leaves_each_on_its_own() {
    let limits = CallLimits {
        concurrency: Some(1),
        ..rates(Some(1), Some(1))
    };
    for (mood, waited, why) in [
        (Mood::Fails, 0, "out of order"),
        (Mood::Hangs, 2, "no answer within 2 s"),
    ] {
        let (store, one, _) = pods();
        assert_eq!(one.wait("ann", &limits, &mut Counted::default()).await, NOW);
        store.is_now(mood);
        let began = Instant::now();
        for _ in 0..3 {
            assert_eq!(one.wait("ann", &limits, &mut Counted::default()).await, NOW);
        }
        assert_eq!(began.elapsed().as_secs(), waited);
        store.is_now(Mood::Answers);
        tokio::time::sleep(Duration::from_secs(6)).await;
        let (of_user, _) = one.wait("ann", &limits, &mut Counted::default()).await;
        assert!(of_user, "counted again");
        let warning =
            format!("Warn [MCP] limits failed to count calls, going on without it: {why}");
        assert_eq!(
            *one.lines.0.lock(),
            [warning.as_str(), "Info [MCP] limits answers again"]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_without_the_functions_is_asked_for_them_once() {
    let (store, one, _) = pods();
    store.is_now(Mood::HasNoTurns);
    for _ in 0..3 {
        let limits = rates(Some(1), None);
        assert_eq!(one.wait("ann", &limits, &mut Counted::default()).await, NOW);
    }
    assert_eq!(*store.asked.lock(), ["has"]);
    assert_eq!(
        *one.lines.0.lock(),
        [
            "Info [MCP] limits has no take, enter and leave: each process limits tool calls on its own"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_for_calls_without_such_limits() {
    let (store, one, _) = pods();
    let limits = CallLimits {
        queue: Some(1),
        ..CallLimits::default()
    };
    assert_eq!(one.wait("ann", &limits, &mut Counted::default()).await, NOW);
    assert!(store.asked.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn no_answer_has_a_call_wait_for_longer_than_its_rate_or_its_time() {
    let (store, one, _) = pods();
    store.is_now(Mood::Lies);
    let limits = rates(Some(1), None);
    let wait = one.wait("ann", &limits, &mut Counted::default()).await;
    assert_eq!(wait, (true, 60));
    let mut counted = Counted::default();
    let turn = one.turn_in("ann", &PLACES, &mut counted, MINUTE).await;
    assert!(turn.is_err_and(|error| error.code == Code::RateLimited));
}

#[tokio::test(start_paused = true)]
async fn who_may_not_call_yet_keeps_nobody_from_a_turn() {
    let (_, one, other) = pods();
    let limits = CallLimits {
        concurrency: Some(1),
        ..rates(Some(1), None)
    };
    assert_eq!(
        other.wait("ann", &limits, &mut Counted::default()).await,
        NOW
    );
    let (turns, cancel) = (Turns::new(one.closing.clone()), CancellationToken::new());
    let call = async |user_id, due| {
        let applicant = Applicant {
            server: "files",
            user_id: Some(user_id),
            limits: &limits,
            due,
            weight: 1.0,
            is_counted: false,
            cancel: &cancel,
        };
        let turn = turns.enter(&applicant).await?;
        let call = LimitedCall {
            store: &one.store,
            limits: &limits,
            user_id,
            server: "files",
            due,
            cancel: &cancel,
            logger: &one.logger,
        };
        let mut counted = Counted::default();
        one.calls.agree(turn, &call, &mut counted).await.map(drop)
    };
    let (began, enough) = (Instant::now(), Instant::now() + 2 * MINUTE);
    let waited = async |user| call(user, enough).await.map(|()| began.elapsed().as_secs());
    let (ann, bob) = tokio::join!(waited("ann"), waited("bob"));
    assert_eq!((ann.unwrap(), bob.unwrap()), (60, 0));
    // A window has begun with each of them.
    let due = Instant::now() + MINUTE / 2;
    let refused = call("ann", due).await.unwrap_err();
    assert_eq!(refused.code, Code::RateLimited);
    assert!(refused.retry_after_ms.is_some());
    let abort = async {
        tokio::time::sleep(MINUTE / 4).await;
        cancel.cancel();
    };
    let (aborted, ()) = tokio::join!(call("ann", enough), abort);
    assert_eq!(aborted.unwrap_err().code, Code::Aborted);
}
