//! Calls that come and go in any order.

use std::collections::{BTreeMap, HashMap};

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use tokio::time::{Instant, advance, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::world::{HOUR, World, ms, places, rate};
use crate::error::{Code, Result};
use crate::governance::turns::Turn;
use crate::server_config::CallLimits;
use crate::telemetry::Queued;

/// Numbers that look random, and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// Calls come, end, are aborted, dropped and due in any order.
#[tokio::test(start_paused = true)]
async fn no_place_is_lost_or_given_twice() {
    let (concurrency, queue) = (5, 12);
    let limits = CallLimits {
        per_user: Some(rate(20, ms(400))),
        per_server: Some(rate(60, ms(300))),
        ..places(concurrency, queue)
    };
    let world = World::new(limits);
    let mut numbers = Numbers(1);
    let mut next = 0;
    let mut waiting: BTreeMap<u64, (String, CancellationToken, BoxFuture<'static, Result<Turn>>)> =
        BTreeMap::new();
    let mut running: Vec<(String, Turn)> = Vec::new();
    let mut made: Vec<(String, Instant)> = Vec::new();
    let mut outcomes: HashMap<Option<Code>, u32> = HashMap::new();
    for _ in 0..10_000 {
        match numbers.below(10) {
            0..=4 => {
                let user = format!("u{}", numbers.below(4));
                let cancel = CancellationToken::new();
                let patience = ms(1 + numbers.below(500));
                let entering = world.enter(&user, patience, &cancel);
                waiting.insert(next, (user, cancel, entering));
                next += 1;
            }
            5..=6 if !running.is_empty() => {
                let index = usize::try_from(numbers.below(running.len() as u64)).unwrap();
                running.swap_remove(index);
            }
            7 => {
                let nth = usize::try_from(numbers.below(16)).unwrap();
                if let Some((_, cancel, _)) = waiting.values().nth(nth) {
                    cancel.cancel();
                }
            }
            8 => {
                let nth = usize::try_from(numbers.below(16)).unwrap();
                let id = waiting.keys().nth(nth).copied();
                if let Some(id) = id {
                    waiting.remove(&id);
                }
            }
            _ => advance(ms(numbers.below(30))).await,
        }
        // Not all hear at once of what has become of them.
        let heard = numbers.below(3);
        let ids: Vec<_> = waiting
            .keys()
            .copied()
            .filter(|id| id % 3 >= heard)
            .collect();
        for id in ids {
            let (user, _, entering) = waiting.get_mut(&id).unwrap();
            let Some(outcome) = entering.now_or_never() else {
                continue;
            };
            let user = user.clone();
            waiting.remove(&id);
            let code = outcome.as_ref().err().map(|error| error.code);
            *outcomes.entry(code).or_default() += 1;
            if let Ok(turn) = outcome {
                made.push((user.clone(), turn.started));
                running.push((user, turn));
            }
        }
        let queued = world.queued();
        assert!(queued.running <= u64::from(concurrency), "{queued:?}");
        assert!(queued.waiting <= u64::from(queue), "{queued:?}");
        // Who has a place holds it, or has not heard of it yet.
        let known = (running.len() + waiting.len()) as u64;
        assert!(running.len() as u64 <= queued.running && queued.running + queued.waiting <= known);
    }
    for code in [None, Some(Code::Aborted), Some(Code::RateLimited)] {
        assert!(outcomes[&code] > 100, "{outcomes:?}");
    }
    assert_eq!(outcomes.len(), 3, "{outcomes:?}");
    // Periods do not overlap, so no more than two of them are within the time of one.
    for (user, at) in &made {
        let within = made
            .iter()
            .filter(|(it, begun)| it == user && *begun >= *at && *begun < *at + ms(400));
        assert!(within.count() <= 40);
    }
    drop(running);
    let left = waiting
        .into_values()
        .map(|(_, _, entering)| entering.map(|it| it.map(drop)));
    let ended = timeout(HOUR, join_all(left)).await;
    assert!(ended.is_ok(), "a wait never ends");
    assert_eq!(world.queued(), Queued::default());
    sleep(ms(400)).await;
    assert_eq!(world.queued(), Queued::default());
    assert!(world.is_forgotten());
}
