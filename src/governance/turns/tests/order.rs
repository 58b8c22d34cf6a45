//! Whose turn it is.

use futures::FutureExt;
use futures::future::join_all;
use tokio::time::sleep;

use super::world::{HOUR, World, ms, never, places};

#[tokio::test(start_paused = true)]
async fn users_take_turns() {
    let world = World::new(places(1, 100));
    let calls = ["a", "a", "a", "b", "b", "c"].map(|user| world.call(user, ms(10)));
    for outcome in join_all(calls).await {
        outcome.unwrap().unwrap();
    }
    assert_eq!(world.order(), "abcaba");
    assert!(world.is_forgotten());
}

#[tokio::test(start_paused = true)]
async fn what_counts_is_the_time_that_calls_take() {
    let world = World::new(places(1, 1000));
    let slow = (0..10).map(|_| world.call("s", ms(100)));
    let mut calls: Vec<_> = slow.collect();
    calls.extend((0..100).map(|_| world.call("f", ms(10))));
    for outcome in join_all(calls).await {
        outcome.unwrap().unwrap();
    }
    // Neither has held the place for longer than the other by more than one call.
    let mut ahead = 0_i32;
    for user in world.order().chars() {
        ahead += if user == 's' { 100 } else { -10 };
        assert!(ahead.abs() <= 100, "{}", world.order());
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_of_more_weight_may_hold_its_place_longer() {
    let world = World::new(places(1, 100));
    let mut calls: Vec<_> = (0..4).map(|_| world.call("a", ms(10))).collect();
    calls.extend((0..8).map(|_| world.weighted("b", ms(10), 2.0)));
    join_all(calls).await;
    assert_eq!(world.order(), "abbabbabbabb");
}

#[tokio::test(start_paused = true)]
async fn places_are_kept_for_users_who_hold_none() {
    let world = World::new(places(8, 100));
    let slow: Vec<_> = (0..20).map(|_| world.call("s", ms(500))).collect();
    assert_eq!((world.queued().running, world.queued().waiting), (6, 14));
    sleep(ms(100)).await;
    for user in ["a", "b"] {
        let waited = world.call(user, ms(5)).await.unwrap().unwrap();
        assert_eq!(waited, ms(0));
    }
    for outcome in join_all(slow).await {
        outcome.unwrap().unwrap();
    }
    // Six at a time.
    let last = world.log.lock().last().cloned().unwrap();
    assert_eq!(last, ("s".to_owned(), 1500));
    for (all, kept) in [(1, 0), (2, 1), (4, 1), (5, 2), (8, 2), (9, 3)] {
        let world = World::new(places(all, 100));
        let calls: Vec<_> = (0..all).map(|_| world.call("s", HOUR)).collect();
        assert_eq!(world.queued().running, u64::from(all - kept));
        for call in calls {
            call.abort();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_had_no_calls_has_no_credit_and_who_was_alone_no_debt() {
    let world = World::new(places(1, 100));
    // Alone for a second.
    let before = (0..10).map(|_| world.call("a", ms(100)));
    join_all(before).await;
    world.log.lock().clear();
    let mut calls: Vec<_> = (0..3).map(|_| world.call("a", ms(10))).collect();
    sleep(ms(5)).await;
    calls.extend((0..3).map(|_| world.call("b", ms(10))));
    join_all(calls).await;
    assert_eq!(world.order(), "ababab");
}

#[tokio::test(start_paused = true)]
async fn calls_of_a_user_come_by_when_they_are_due() {
    let world = World::new(places(1, 100));
    let first = world.enter("a", HOUR, &never()).await.unwrap();
    let mut late = world.enter("a", ms(900), &never());
    let mut soon = world.enter("a", ms(300), &never());
    assert!((&mut late).now_or_never().is_none());
    assert!((&mut soon).now_or_never().is_none());
    drop(first);
    let second = soon.await.unwrap();
    assert!((&mut late).now_or_never().is_none());
    drop(second);
    late.await.unwrap();
    assert!(world.is_forgotten());
}
