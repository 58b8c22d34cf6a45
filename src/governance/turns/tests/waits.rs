//! How waits end, and who may wait.

use futures::FutureExt;
use tokio_util::sync::CancellationToken;

use super::world::{HOUR, World, ms, never, places, refusal};
use crate::error::Code;

#[tokio::test(start_paused = true)]
async fn a_wait_ends_when_it_is_due_or_aborted_or_the_runtime_closes() {
    let world = World::new(places(1, 100));
    let place = world.enter("a", HOUR, &never()).await.unwrap();

    let error = refusal(world.enter("b", ms(200), &never())).await;
    assert_eq!(world.started.elapsed(), ms(200));
    assert!(
        error.message.starts_with("The call has waited 200 ms"),
        "{error}"
    );
    assert!(
        error.message.contains("1 of 1 (limits.concurrency)"),
        "{error}"
    );

    let cancel = CancellationToken::new();
    let mut aborted = world.enter("b", HOUR, &cancel);
    assert!((&mut aborted).now_or_never().is_none());
    assert_eq!(world.queued().waiting, 1);
    cancel.cancel();
    let error = aborted.await.map(drop).unwrap_err();
    assert_eq!((error.code, world.queued().waiting), (Code::Aborted, 0));

    let mut waiting = world.enter("b", HOUR, &never());
    assert!((&mut waiting).now_or_never().is_none());
    world.closing.cancel();
    assert_eq!(waiting.await.map(drop).unwrap_err().code, Code::Closed);
    drop(place);
    assert!(world.is_forgotten());
}

#[tokio::test(start_paused = true)]
async fn a_place_that_comes_too_late_goes_on() {
    let world = World::new(places(1, 100));
    let place = world.enter("a", HOUR, &never()).await.unwrap();
    let cancel = CancellationToken::new();
    let mut dropped = world.enter("b", HOUR, &never());
    let mut aborted = world.enter("c", HOUR, &cancel);
    let mut last = world.enter("d", HOUR, &never());
    for waiting in [&mut dropped, &mut aborted, &mut last] {
        assert!(waiting.now_or_never().is_none());
    }
    // The place is b's, who never hears of it; then c's, who is aborted before it does.
    drop(place);
    assert_eq!((world.queued().running, world.queued().waiting), (1, 2));
    drop(dropped);
    cancel.cancel();
    assert_eq!((world.queued().running, world.queued().waiting), (1, 1));
    assert_eq!(aborted.await.map(drop).unwrap_err().code, Code::Aborted);
    assert_eq!((world.queued().running, world.queued().waiting), (1, 0));
    drop(last.await.unwrap());
    assert!(world.is_forgotten());
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_is_shared_by_its_users() {
    let world = World::new(places(1, 3));
    let _place = world.enter("x", HOUR, &never()).await.unwrap();
    let mut waiting: Vec<_> = (1..=3)
        .map(|n| world.enter("a", HOUR * n, &never()))
        .collect();
    for call in &mut waiting {
        assert!(call.now_or_never().is_none());
    }
    // Nobody waits for more than a does.
    let error = refusal(world.enter("a", ms(1), &never())).await;
    assert!(
        error
            .message
            .ends_with("and 3 wait; no more may (limits.queue)"),
        "{error}"
    );
    // None has ended, so a call is taken for a second.
    assert_eq!(error.retry_after_ms, Some(4000));
    // The one of a that is due last makes room.
    let mut b = world.enter("b", HOUR, &never());
    assert!((&mut b).now_or_never().is_none());
    let error = refusal(waiting.remove(2)).await;
    assert!(error.message.contains("has made room"), "{error}");
    // a waits for two calls, b for one: nothing is gained by another exchange.
    let error = refusal(world.enter("b", HOUR, &never())).await;
    assert!(error.message.contains("no more may"), "{error}");
    assert_eq!(world.queued().waiting, 3);
}

#[tokio::test(start_paused = true)]
async fn a_queue_of_none_never_waits() {
    let world = World::new(places(2, 0));
    let a = world.enter("a", HOUR, &never()).await.unwrap();
    refusal(world.enter("a", HOUR, &never())).await;
    let _b = world.enter("b", HOUR, &never()).await.unwrap();
    refusal(world.enter("c", HOUR, &never())).await;
    drop(a);
    world.enter("c", HOUR, &never()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn limits_of_one_tenant_are_no_others() {
    let few = World::new(places(1, 2));
    let many = few.under(places(100, 0));
    let first = few.enter("a", HOUR, &never()).await.unwrap();
    let mut waiting = [
        few.enter("a", HOUR, &never()),
        few.enter("b", HOUR, &never()),
    ];
    for call in &mut waiting {
        assert!(call.now_or_never().is_none());
    }
    let others = [
        many.enter("c", HOUR, &never()).await.unwrap(),
        many.enter("d", HOUR, &never()).await.unwrap(),
    ];
    for call in &mut waiting {
        assert!(call.now_or_never().is_none());
    }
    let there = few.queued();
    assert_eq!((there.running, there.waiting, there.users), (3, 2, 4));
    // Nor does it count who waits elsewhere, or what runs there.
    let error = refusal(few.enter("a", HOUR, &never())).await;
    assert!(
        error.message.contains("1 of 1 (limits.concurrency)"),
        "{error}"
    );
    drop(first);
    let [a, b] = waiting;
    drop(a.await.unwrap());
    drop(b.await.unwrap());
    drop(others);
    assert!(few.is_forgotten());
}
