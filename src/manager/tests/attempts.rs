//! Attempts to connect, and the calls that wait for them.

use tokio::join;

use super::world::{World, connects_after, fails_after, of_all, of_user, pass, settle};
use crate::connection::Event;
use crate::error::{Code, Error};
use crate::manager::{ConnectionState, Lease};

fn is_same(one: &Lease, other: &Lease) -> bool {
    std::ptr::eq(one.connection(), other.connection())
}

#[tokio::test(start_paused = true)]
async fn two_callers_share_one_attempt() {
    let world = World::new().next(connects_after(5));
    let ada = of_user("ada");
    let (first, second) = join!(world.acquire(&ada), world.acquire(&ada));
    assert!(is_same(&first.unwrap(), &second.unwrap()));
    assert_eq!(world.begun().len(), 1);
    assert_eq!(world.events(), [Event::Connecting, Event::Connected]);
}

#[tokio::test(start_paused = true)]
async fn users_share_nothing() {
    let world = World::new();
    let (ada, bob) = (of_user("ada"), of_user("bob"));
    let (first, second) = join!(world.acquire(&ada), world.acquire(&bob));
    assert!(!is_same(&first.unwrap(), &second.unwrap()));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_there_is_used() {
    let world = World::new();
    let first = world.acquire(&of_all()).await.unwrap();
    let second = world.acquire(&of_all()).await.unwrap();
    assert!(is_same(&first, &second) && second.is_reused() && !first.is_reused());
    assert_eq!(world.begun().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_caller_does_not_end_the_attempt() {
    let world = World::new().next(connects_after(5));
    let (left, stayed) = (world.call(&of_all()), world.call(&of_all()));
    let (left, stayed, ()) = join!(left.acquire(), stayed.acquire(), async {
        pass(1).await;
        left.cancel.cancel();
    });
    assert_eq!(left.err().unwrap().code, Code::Aborted);
    assert!(stayed.is_ok());
    assert_eq!(world.begun().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_last_caller_ends_the_attempt() {
    let world = World::new().next(connects_after(5));
    let (first, last) = (world.call(&of_all()), world.call(&of_all()));
    let (one, other, ()) = join!(first.acquire(), last.acquire(), async {
        pass(1).await;
        first.cancel.cancel();
        pass(1).await;
        assert_eq!(world.under_way(), 1);
        last.cancel.cancel();
    });
    assert!(one.is_err() && other.is_err());
    settle().await;
    assert_eq!((world.under_way(), world.connected()), (0, 0));
    assert_eq!(world.state(&of_all()), ConnectionState::Disconnected);
    assert_eq!(world.events(), [Event::Connecting, Event::Failed]);
}

#[tokio::test(start_paused = true)]
async fn a_caller_after_the_last_begins_anew() {
    let world = World::new().next(connects_after(5));
    let gone = world.call(&of_all()).within(1);
    assert_eq!(gone.acquire().await.err().unwrap().code, Code::Timeout);
    world.acquire(&of_all()).await.unwrap();
    assert_eq!(world.begun().len(), 2);
    assert_eq!((world.under_way(), world.connected()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn the_time_of_one_caller_is_not_that_of_the_others() {
    let world = World::new().next(connects_after(5));
    let (late, patient) = (world.call(&of_all()).within(1), world.call(&of_all()));
    let (late, patient) = join!(late.acquire(), patient.acquire());
    assert_eq!(late.err().unwrap().code, Code::Timeout);
    assert!(patient.is_ok());
    assert_eq!(world.begun().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failed_attempt_fails_all_and_is_not_kept() {
    let refused = Error::new(Code::ConnectionFailed, "refused");
    let world = World::new().next(fails_after(1, refused));
    let all = of_all();
    let (first, second) = join!(world.acquire(&all), world.acquire(&all));
    for outcome in [first, second] {
        assert_eq!(outcome.err().unwrap().message, "refused");
    }
    assert_eq!(world.begun().len(), 1);
    assert_eq!(world.events(), [Event::Connecting, Event::Failed]);
    world.acquire(&of_all()).await.unwrap();
    assert_eq!(world.begun().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn another_config_is_another_attempt() {
    let world = World::new().next(connects_after(5)).next(connects_after(1));
    let (old, new) = (of_all(), of_all().at("elsewhere"));
    let (before, after) = join!(world.acquire(&old), async {
        pass(1).await;
        world.acquire(&new).await
    });
    let (before, after) = (before.unwrap(), after.unwrap());
    assert!(!is_same(&before, &after));
    // The older one serves who has waited for it, and nobody else.
    assert!(is_same(&world.acquire(&new).await.unwrap(), &after));
    drop(before);
    settle().await;
    assert!(world.is_open(&new));
    let closed: Vec<_> = (0..2)
        .map(|number| world.server(number).is_closed())
        .collect();
    // The newer attempt was done first.
    assert_eq!(closed, [false, true]);
}

#[tokio::test(start_paused = true)]
async fn a_changed_config_replaces_the_connection() {
    let world = World::new();
    let old = world.acquire(&of_all()).await.unwrap();
    let new = world.acquire(&of_all().at("elsewhere")).await.unwrap();
    assert!(!is_same(&old, &new));
    settle().await;
    assert!(!world.server(0).is_closed(), "a call still uses it");
    drop(old);
    settle().await;
    assert!(world.server(0).is_closed() && !world.server(1).is_closed());
}

#[tokio::test(start_paused = true)]
async fn force_new_replaces_one_after_the_other() {
    let world = World::new().next(connects_after(5)).next(connects_after(5));
    let ada = of_user("ada");
    let (first, second) = (world.call(&ada).force_new(), world.call(&ada).force_new());
    let (first, second) = join!(first.acquire(), second.acquire());
    let begun = world.begun();
    assert_eq!((begun[1] - begun[0]).as_secs(), 5);
    assert!(!is_same(&first.unwrap(), &second.unwrap()));
    settle().await;
    assert!(world.server(0).is_closed() && !world.server(1).is_closed());
    assert!(world.is_open(&ada));
}

#[tokio::test(start_paused = true)]
async fn a_failed_force_new_leaves_nothing_behind() {
    let world = World::new();
    let ada = of_user("ada");
    drop(world.acquire(&ada).await.unwrap());
    world.all_fail(&Error::new(Code::ConnectionFailed, "refused"));
    let forced = world.call(&ada).force_new();
    assert!(forced.acquire().await.is_err());
    settle().await;
    assert_eq!(world.state(&ada), ConnectionState::Disconnected);
    assert!(world.server(0).is_closed());
}

#[tokio::test(start_paused = true)]
async fn what_all_share_is_not_forced() {
    let world = World::new();
    let first = world.acquire(&of_all()).await.unwrap();
    let forced = world.call(&of_all()).force_new();
    assert!(is_same(&first, &forced.acquire().await.unwrap()));
}
