//! Connections that were lost come back.

use std::time::Duration;

use tokio::time::Instant;

use super::world::{World, connects_after, fails_after, of_all, of_user, pass};
use crate::connection::Event;
use crate::error::{Code, Error};
use crate::manager::ConnectionState;

const HOUR: u64 = 60 * 60;

fn failure() -> Error {
    Error::new(Code::ConnectionFailed, "refused")
}

/// A world whose only connection was just lost, and when that was.
async fn with_a_loss() -> (World, Instant) {
    let world = World::new();
    drop(world.acquire(&of_all()).await.unwrap());
    world.events();
    world.server(0).go_away();
    (world, Instant::now())
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_comes_back_after_a_pause() {
    let (world, lost) = with_a_loss().await;
    pass(1).await;
    assert_eq!(world.begun().len(), 1);
    assert!(world.manager.is_active(&of_all().key));
    pass(3).await;
    let pause = world.begun()[1] - lost;
    assert!(pause >= Duration::from_secs(2), "{pause:?}");
    assert!(world.is_open(&of_all()));
    let told = [Event::Lost, Event::Connecting, Event::Connected];
    assert_eq!(world.events(), told);
}

#[tokio::test(start_paused = true)]
async fn the_pauses_double_and_the_third_attempt_is_the_last() {
    let (world, lost) = with_a_loss().await;
    world.all_fail(&failure());
    pass(HOUR).await;
    let begun = world.begun();
    assert_eq!(begun.len(), 4);
    let mut before = lost;
    for (at, pause) in begun[1..].iter().zip([2, 4, 8]) {
        let waited = *at - before;
        assert!(
            (pause..=pause + 1).contains(&waited.as_secs()),
            "{waited:?}"
        );
        before = *at;
    }
    assert_eq!(world.state(&of_all()), ConnectionState::Disconnected);
    assert!(!world.manager.is_active(&of_all().key));
    assert_eq!(world.events().last(), Some(&Event::Failed));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_faster_ends_the_pauses() {
    let (world, _) = with_a_loss().await;
    pass(1).await;
    drop(world.acquire(&of_all()).await.unwrap());
    pass(HOUR).await;
    assert_eq!(world.begun().len(), 2);
    assert!(world.is_open(&of_all()));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_wants_less_traffic_is_left_alone() {
    let (world, _) = with_a_loss().await;
    let world = world.next(fails_after(0, Error::http_status(429, "too many")));
    pass(HOUR).await;
    assert_eq!(world.begun().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_wants_authorization_is_left_to_calls() {
    let (world, _) = with_a_loss().await;
    let world = world.next(fails_after(0, Error::http_status(401, "who?")));
    pass(HOUR).await;
    assert_eq!(world.begun().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn disconnecting_ends_the_pauses() {
    let (world, _) = with_a_loss().await;
    pass(1).await;
    world.manager.disconnect(&of_all().key).await;
    pass(HOUR).await;
    assert_eq!(world.begun().len(), 1);
    assert_eq!(world.events(), [Event::Lost, Event::Closed]);
}

#[tokio::test(start_paused = true)]
async fn a_lease_on_a_lost_connection_goes_on_without_it() {
    let world = World::new();
    let ada = of_user("ada");
    let lease = world.acquire(&ada).await.unwrap();
    world.server(0).go_away();
    pass(4).await;
    assert!(lease.connection().is_closed());
    assert!(world.is_open(&ada));
    assert_eq!(world.connected(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_session_without_its_stream_is_replaced_while_it_serves_calls() {
    let world = World::new();
    let lease = world.acquire(&of_all()).await.unwrap();
    let world = world.next(connects_after(5));
    world.server(0).conflict();
    pass(1).await;
    assert!(world.is_open(&of_all()));
    pass(5).await;
    assert_eq!(world.connected(), 2);
    assert!(!world.server(0).is_closed() && !lease.connection().is_closed());
    drop(lease);
    pass(1).await;
    assert!(world.server(0).is_closed() && !world.server(1).is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_session_that_cannot_be_replaced_stays() {
    let world = World::new();
    drop(world.acquire(&of_all()).await.unwrap());
    world.all_fail(&failure());
    world.server(0).conflict();
    pass(HOUR).await;
    assert_eq!(world.begun().len(), 2);
    assert!(world.is_open(&of_all()) && !world.server(0).is_closed());
}

#[tokio::test(start_paused = true)]
async fn what_is_not_kept_does_not_come_back() {
    let world = World::keeping(false);
    let _lease = world.acquire(&of_all()).await.unwrap();
    world.server(0).go_away();
    pass(HOUR).await;
    assert_eq!(world.begun().len(), 1);
    assert_eq!(world.events().last(), Some(&Event::Failed));
}
