//! Disconnecting, and the end of the runtime.

use tokio::join;

use super::world::{World, connects_after, of_all, of_user, pass, settle};
use crate::connection::{Event, Parting};
use crate::error::Code;
use crate::manager::Owner;

#[tokio::test(start_paused = true)]
async fn close_ends_connections_that_are_used_too() {
    let world = World::new();
    let (ada, all) = (of_user("ada"), of_all());
    let lease = world.acquire(&ada).await.unwrap();
    drop(world.acquire(&all).await.unwrap());
    world.events();
    world.manager.close().await;
    assert!(world.server(0).is_closed() && world.server(1).is_closed());
    assert!(lease.connection().is_closed());
    assert!(!world.is_open(&ada) && !world.is_open(&all));
    assert_eq!(world.events(), [Event::Closed, Event::Closed]);
}

#[tokio::test(start_paused = true)]
async fn close_ends_attempts_and_who_waits_for_them() {
    let world = World::new().next(connects_after(20));
    let all = of_all();
    let (waiting, ()) = join!(world.acquire(&all), async {
        pass(1).await;
        world.manager.close().await;
        assert_eq!(world.under_way(), 0);
    });
    assert_eq!(waiting.err().unwrap().code, Code::Closed);
    assert_eq!(world.connected(), 0);
}

#[tokio::test(start_paused = true)]
async fn close_ends_the_pauses_of_reconnecting() {
    let world = World::new();
    drop(world.acquire(&of_all()).await.unwrap());
    world.server(0).go_away();
    pass(1).await;
    let before = tokio::time::Instant::now();
    world.manager.close().await;
    assert_eq!(before.elapsed().as_secs(), 0);
    pass(60).await;
    assert_eq!(world.begun().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_begins_after_close() {
    let world = World::new();
    world.manager.close().await;
    let late = world.acquire(&of_all()).await;
    assert_eq!(late.err().unwrap().code, Code::Closed);
    assert_eq!(world.begun().len(), 0);
    world.manager.close().await;
}

#[tokio::test(start_paused = true)]
async fn disconnecting_ends_the_attempt_for_all_who_wait() {
    let world = World::new().next(connects_after(20));
    let ada = of_user("ada");
    let (waiting, ()) = join!(world.acquire(&ada), async {
        pass(1).await;
        world.manager.disconnect(&ada.key).await;
    });
    assert_eq!(waiting.err().unwrap().code, Code::ConnectionLost);
    settle().await;
    assert_eq!(world.under_way(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_connections_of_one_user_end_together() {
    let world = World::new();
    let (ada, bob) = (of_user("ada"), of_user("bob"));
    for target in [&ada, &bob, &of_all()] {
        drop(world.acquire(target).await.unwrap());
    }
    world
        .manager
        .disconnect_all(&Owner::User("ada".into()), Parting::Over)
        .await;
    assert!(!world.is_open(&ada) && world.server(0).is_closed());
    assert!(world.is_open(&bob) && world.is_open(&of_all()));
}
