//! Calls that a rate, of this process or of all, does not allow yet.

use futures::FutureExt;
use futures::future::join_all;
use tokio::time::{Instant, sleep};

use super::world::{HOUR, World, ms, never, places, rate, refusal};
use crate::error::Code;
use crate::server_config::CallLimits;
use crate::telemetry::Queued;

#[tokio::test(start_paused = true)]
async fn a_rate_holds_for_each_period_that_a_call_begins() {
    let limits = CallLimits {
        per_user: Some(rate(3, ms(1000))),
        ..CallLimits::default()
    };
    let world = World::new(limits);
    let mut calls: Vec<_> = (0..7).map(|_| world.call("a", ms(1))).collect();
    calls.push(world.call("b", ms(1)));
    join_all(calls).await;
    let log = world.log.lock().clone();
    let starts = |user: &str| {
        let own = log.iter().filter(|(it, _)| it == user);
        own.map(|(_, at)| *at).collect::<Vec<_>>()
    };
    assert_eq!(starts("a"), [0, 0, 0, 1000, 1000, 1000, 2000]);
    assert_eq!(starts("b"), [0]);
    // The period that is under way is not forgotten with the calls.
    assert!(!world.is_forgotten());
    sleep(ms(1000)).await;
    assert_eq!(world.queued(), Queued::default());
    assert!(world.is_forgotten());
}

#[tokio::test(start_paused = true)]
async fn a_call_is_refused_at_once_where_a_rate_allows_it_too_late() {
    let limits = CallLimits {
        per_user: Some(rate(2, ms(1000))),
        per_server: Some(rate(3, ms(5000))),
        ..CallLimits::default()
    };
    let world = World::new(limits);
    for _ in 0..2 {
        world.enter("a", HOUR, &never()).await.unwrap();
    }
    let error = refusal(world.enter("a", ms(900), &never())).await;
    let expected =
        "Too many calls to srv: 2 of one user's calls are made in 1 s (limits.perUser), and 0 wait";
    assert_eq!(error.message, expected);
    assert_eq!(error.retry_after_ms, Some(1000));
    world.enter("b", HOUR, &never()).await.unwrap();
    let error = refusal(world.enter("b", ms(1500), &never())).await;
    let expected = "Too many calls to srv: 3 of all users' calls are made in 5 s (limits.perServer), and 0 wait";
    assert_eq!(error.message, expected);
    assert_eq!(error.retry_after_ms, Some(5000));
    assert_eq!(world.started.elapsed(), ms(0));
    // What is made again was counted before.
    let again = world.apply("a", ms(1), &never(), 1.0, true);
    again.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_rate_is_in_nobodys_way() {
    let limits = CallLimits {
        per_user: Some(rate(1, ms(1000))),
        ..places(1, 10)
    };
    let world = World::new(limits);
    let calls = [
        world.call("a", ms(10)),
        world.call("a", ms(10)),
        world.call("b", ms(10)),
        world.call("c", ms(10)),
    ];
    join_all(calls).await;
    let log = world.log.lock().clone();
    let expected = [("a", 0), ("b", 10), ("c", 20), ("a", 1000)];
    assert_eq!(log, expected.map(|(user, at)| (user.to_owned(), at)));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_other_processes_leave_no_room_for_is_put_back() {
    let limits = CallLimits {
        per_user: Some(rate(1, HOUR)),
        ..places(1, 10)
    };
    let world = World::new(limits);
    let turn = world.enter("a", HOUR, &never()).await.unwrap();
    let mut other = world.enter("b", HOUR, &never());
    assert!((&mut other).now_or_never().is_none());
    let until = Instant::now() + ms(700);
    let cancel = never();
    let mut again = turn.put_back(true, until, &cancel).boxed();
    assert!((&mut again).now_or_never().is_none());
    // The place is b's meanwhile.
    let turn = other.await.unwrap();
    assert_eq!(world.queued().waiting, 1);
    drop(turn);
    // The rate has not counted the first try.
    let turn = again.await.unwrap();
    assert_eq!((world.started.elapsed(), turn.waited()), (ms(700), ms(700)));
    // Nobody's call is made before then; one that is due earlier is refused at once.
    let error = turn.put_back(false, Instant::now() + HOUR, &cancel).await;
    let error = error.map(drop).unwrap_err();
    assert_eq!(error.code, Code::RateLimited);
    assert!(error.message.contains("other processes"), "{error}");
    assert_eq!(world.queued(), Queued::default());
}

#[tokio::test(start_paused = true)]
async fn who_waits_behind_a_call_that_is_put_back_looks_when_it_would_have() {
    let limits = CallLimits {
        per_user: Some(rate(10, HOUR)),
        ..places(1, 10)
    };
    let world = World::new(limits);
    let turn = world.enter("a", HOUR, &never()).await.unwrap();
    let mut behind = world.enter("a", HOUR, &never());
    assert!((&mut behind).now_or_never().is_none());
    let cancel = never();
    let mut again = turn
        .put_back(true, Instant::now() + ms(700), &cancel)
        .boxed();
    assert!((&mut again).now_or_never().is_none());
    cancel.cancel();
    assert_eq!(again.await.map(drop).unwrap_err().code, Code::Aborted);
    behind.await.unwrap();
    assert_eq!(world.started.elapsed(), ms(700));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_names_the_rate_that_comes_too_late() {
    let limits = CallLimits {
        per_user: Some(rate(30, ms(60_000))),
        per_server: Some(rate(3, ms(60_000))),
        ..places(1, 10)
    };
    for (limits, rate) in [
        (limits.clone(), "60 s (limits.perServer)"),
        (
            CallLimits {
                per_user: None,
                ..limits.clone()
            },
            "60 s (limits.perServer)",
        ),
        (
            CallLimits {
                per_user: limits.per_server,
                per_server: limits.per_user,
                ..limits
            },
            "60 s (limits.perUser)",
        ),
    ] {
        let world = World::new(limits);
        let _place = world.enter("a", ms(5000), &never()).await.unwrap();
        let mut waiting = [(); 2].map(|()| world.enter("a", ms(5000), &never()));
        for call in &mut waiting {
            assert!(call.now_or_never().is_none());
        }
        // Neither rate is used up yet.
        let error = refusal(world.enter("a", ms(5000), &never())).await;
        let expected = format!("calls are made in {rate}, and 2 wait");
        assert!(error.message.ends_with(&expected), "{error}");
    }
}
