//! The use of a connection by calls.

use super::world::{World, of_all, of_user, settle};
use crate::connection::Event;

#[tokio::test(start_paused = true)]
async fn a_discarded_connection_closes_with_its_last_lease() {
    let world = World::new();
    let first = world.acquire(&of_all()).await.unwrap();
    let second = world.acquire(&of_all()).await.unwrap();
    first.discard();
    settle().await;
    assert!(!world.is_open(&of_all()) && !world.server(0).is_closed());
    drop(second);
    settle().await;
    assert!(world.server(0).is_closed());
    let told = [Event::Connecting, Event::Connected, Event::Closed];
    assert_eq!(world.events(), told);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_kept_stays_without_leases() {
    let world = World::new();
    drop(world.acquire(&of_all()).await.unwrap());
    settle().await;
    assert!(world.is_open(&of_all()) && !world.server(0).is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_not_kept_closes_with_its_last_lease() {
    let world = World::keeping(false);
    let first = world.acquire(&of_all()).await.unwrap();
    let second = world.acquire(&of_all()).await.unwrap();
    drop(first);
    settle().await;
    assert!(world.is_open(&of_all()));
    drop(second);
    settle().await;
    assert!(!world.is_open(&of_all()) && world.server(0).is_closed());
}

#[tokio::test(start_paused = true)]
async fn an_aborted_call_takes_along_what_it_opened() {
    let world = World::new();
    let ada = of_user("ada");
    world.acquire(&ada).await.unwrap().abandon();
    settle().await;
    assert!(!world.is_open(&ada) && world.server(0).is_closed());
}

#[tokio::test(start_paused = true)]
async fn an_aborted_call_leaves_what_others_use() {
    let world = World::new();
    let ada = of_user("ada");
    let opened = world.acquire(&ada).await.unwrap();
    let other = world.acquire(&ada).await.unwrap();
    opened.abandon();
    settle().await;
    assert!(world.is_open(&ada));
    // Nor does one that has found it.
    other.abandon();
    settle().await;
    assert!(world.is_open(&ada));
}

#[tokio::test(start_paused = true)]
async fn an_aborted_call_leaves_what_all_share() {
    let world = World::new();
    world.acquire(&of_all()).await.unwrap().abandon();
    settle().await;
    assert!(world.is_open(&of_all()));
}
