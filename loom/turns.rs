//! The queue of calls. What its waiters hear by is Tokio's, whose own orders Tokio tries; the time stands still.

#[path = "../src/governance/turns/places.rs"]
mod places;
#[path = "../src/governance/turns/queue.rs"]
mod queue;
#[path = "../src/governance/turns/refusal.rs"]
mod refusal;
#[path = "../src/governance/turns/servers.rs"]
mod servers;
#[path = "../src/governance/turns/window.rs"]
mod window;

use std::sync::Arc;
use std::time::Duration;

use loom::future::block_on;
use loom::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use loom::thread;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::beside;
use crate::error::{Code, Result};
use crate::server_config::{CallLimits, Rate};
use places::{Applicant, Turn, Turns};

const HOUR: Duration = Duration::from_hours(1);

/// The turns of one server, and how many calls are under way there.
#[derive(Clone)]
struct World {
    turns: Arc<Turns>,
    limits: CallLimits,
    under_way: Arc<AtomicUsize>,
    closing: CancellationToken,
}

impl World {
    fn new(limits: CallLimits) -> Self {
        let closing = CancellationToken::new();
        Self {
            turns: Turns::new(closing.clone()),
            limits,
            under_way: Arc::default(),
            closing,
        }
    }

    /// Waits for a turn. The wait would never end where nobody were told of a place.
    fn enter(&self, user: &str, cancel: &CancellationToken) -> Result<Turn> {
        block_on(self.turns.enter(&Applicant {
            server: "srv",
            user_id: Some(user),
            limits: &self.limits,
            due: Instant::now() + HOUR,
            weight: 1.0,
            is_counted: false,
            cancel,
        }))
    }

    /// Makes a call with a turn, which is no other's at the same time.
    fn make(&self, turn: Turn) {
        let others = self.under_way.fetch_add(1, SeqCst);
        assert!(u32::try_from(others).unwrap() < self.limits.concurrency.unwrap());
        self.under_way.fetch_sub(1, SeqCst);
        drop(turn);
    }

    /// What a call comes to: it is made, or the code of its error.
    fn call(&self, user: &str, cancel: &CancellationToken) -> Result<(), Code> {
        let turn = self.enter(user, cancel).map_err(|error| error.code)?;
        self.make(turn);
        Ok(())
    }

    /// The queue is forgotten, as it is when nobody has a place and nobody waits.
    fn is_forgotten(&self) -> bool {
        self.turns.queues.lock().is_empty()
    }
}

fn places(concurrency: u32, queue: u32) -> CallLimits {
    CallLimits {
        concurrency: Some(concurrency),
        queue: Some(queue),
        ..CallLimits::default()
    }
}

fn never() -> CancellationToken {
    CancellationToken::new()
}

/// How often a thread is stopped in the midst of what it does, besides where it waits. All orders would take hours.
const INTERRUPTIONS: usize = 3;

/// Tries the orders of what the threads of a world do.
fn model(limits: &CallLimits, threads: impl Fn(World) + Send + Sync + 'static) {
    let stopped_clock = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let _time = stopped_clock.enter();
    let limits = limits.clone();
    let mut orders = loom::model::Builder::new();
    orders.preemption_bound = Some(INTERRUPTIONS);
    orders.check(move || threads(World::new(limits.clone())));
}

#[test]
fn each_call_gets_its_turn_and_never_two_have_one_place() {
    model(&places(1, 2), |world| {
        let others = ["b", "c"].map(|user| beside(&world, |world| world.call(user, &never())));
        assert_eq!(world.call("a", &never()), Ok(()));
        for other in others {
            assert_eq!(other.join().unwrap(), Ok(()));
        }
        assert!(world.is_forgotten());
    });
}

#[test]
fn a_call_that_is_aborted_while_it_gets_its_turn_leaves_no_place_taken() {
    model(&places(1, 2), |world| {
        let turn = world.enter("a", &never()).ok().unwrap();
        let cancel = CancellationToken::new();
        let aborted = cancel.clone();
        let waiting = beside(&world, move |world| world.call("b", &aborted));
        let aborting = thread::spawn(move || cancel.cancel());
        world.make(turn);
        assert_eq!(world.call("c", &never()), Ok(()));
        aborting.join().unwrap();
        assert!(matches!(
            waiting.join().unwrap(),
            Ok(()) | Err(Code::Aborted)
        ));
        assert!(world.is_forgotten());
    });
}

#[test]
fn rates_count_the_calls_that_are_made() {
    let rate = Rate {
        calls: 2,
        per: 2 * HOUR,
    };
    let limits = CallLimits {
        per_server: Some(rate),
        ..places(1, 2)
    };
    model(&limits, |world| {
        let turn = world.enter("a", &never()).ok().unwrap();
        let cancel = CancellationToken::new();
        let aborted = cancel.clone();
        let waiting = beside(&world, move |world| world.call("b", &aborted));
        let aborting = thread::spawn(move || cancel.cancel());
        world.make(turn);
        let second = waiting.join().unwrap();
        aborting.join().unwrap();
        let third = world.call("c", &never());
        match second {
            Ok(()) => assert_eq!(third, Err(Code::RateLimited)),
            Err(code) => assert_eq!((code, third), (Code::Aborted, Ok(()))),
        }
    });
}

#[test]
fn closing_ends_every_wait() {
    model(&places(1, 2), |world| {
        let turn = world.enter("a", &never()).ok().unwrap();
        let waiting = beside(&world, |world| world.call("b", &never()));
        let closing = beside(&world, |world| world.closing.cancel());
        let late = world.call("c", &never());
        assert_eq!(late, Err(Code::Closed));
        closing.join().unwrap();
        assert_eq!(waiting.join().unwrap(), Err(Code::Closed));
        world.make(turn);
        assert!(world.is_forgotten());
    });
}

#[test]
fn whoever_is_one_too_many_is_refused_and_nobody_else() {
    model(&places(1, 1), |world| {
        let turn = world.enter("a", &never()).ok().unwrap();
        let others = [(); 2].map(|()| beside(&world, |world| world.call("b", &never())));
        world.make(turn);
        let fates = others.map(|other| other.join().unwrap());
        let refused = fates.iter().filter(|fate| fate.is_err()).count();
        assert!(refused <= 1);
        assert!(
            fates
                .iter()
                .all(|fate| !matches!(fate, Err(code) if *code != Code::RateLimited))
        );
        assert!(world.is_forgotten());
    });
}

#[test]
fn a_place_that_is_put_back_is_the_next_calls() {
    model(&places(1, 2), |world| {
        let turn = world.enter("a", &never()).ok().unwrap();
        let cancel = CancellationToken::new();
        let aborted = cancel.clone();
        let next = beside(&world, |world| world.call("b", &never()));
        let back = thread::spawn(move || {
            let until = Instant::now() + HOUR / 2;
            block_on(turn.put_back(true, until, &aborted)).map(drop)
        });
        assert_eq!(next.join().unwrap(), Ok(()));
        cancel.cancel();
        let error = back.join().unwrap().unwrap_err();
        assert_eq!(error.code, Code::Aborted);
        assert_eq!(world.call("c", &never()), Ok(()));
    });
}
