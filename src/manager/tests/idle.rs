//! Users who do nothing, 15 minutes long.

use std::time::Duration;

use tokio::time::sleep;

use super::world::{World, of_all, of_user, pass};
use crate::connection::Event;

const MINUTE: u64 = 60;

#[tokio::test(start_paused = true)]
async fn a_user_is_disconnected_at_the_time_and_not_before() {
    let world = World::new();
    let ada = of_user("ada");
    drop(world.acquire(&ada).await.unwrap());
    world.events();
    pass(15 * MINUTE - 2).await;
    assert!(world.is_open(&ada));
    assert_eq!(world.events(), []);
    pass(4).await;
    assert!(!world.is_open(&ada) && world.server(0).is_closed());
    assert_eq!(world.events(), [Event::Closed]);
    assert_eq!(world.manager.stats().activity_entries, 0);
}

#[tokio::test(start_paused = true)]
async fn a_time_below_a_second_is_kept_as_well() {
    let world = World::new();
    let ada = of_user("ada").idle_after(Duration::from_millis(300));
    drop(world.acquire(&ada).await.unwrap());
    sleep(Duration::from_millis(290)).await;
    assert!(world.is_open(&ada));
    sleep(Duration::from_millis(120)).await;
    assert!(!world.is_open(&ada));
}

#[tokio::test(start_paused = true)]
async fn a_lease_stops_the_clock_and_its_end_starts_it() {
    let world = World::new();
    let ada = of_user("ada");
    let lease = world.acquire(&ada).await.unwrap();
    pass(50 * MINUTE).await;
    assert!(world.is_open(&ada));
    drop(lease);
    pass(15 * MINUTE - 2).await;
    assert!(world.is_open(&ada));
    pass(4).await;
    assert!(!world.is_open(&ada));
}

#[tokio::test(start_paused = true)]
async fn a_call_starts_the_clock_again() {
    let world = World::new();
    let ada = of_user("ada");
    for _ in 0..3 {
        drop(world.acquire(&ada).await.unwrap());
        pass(10 * MINUTE).await;
    }
    assert_eq!(world.begun().len(), 1);
    assert!(world.is_open(&ada));
    pass(5 * MINUTE + 2).await;
    assert!(!world.is_open(&ada));
}

#[tokio::test(start_paused = true)]
async fn each_user_has_a_clock() {
    let world = World::new();
    let (ada, bob) = (of_user("ada"), of_user("bob"));
    drop(world.acquire(&ada).await.unwrap());
    pass(10 * MINUTE).await;
    drop(world.acquire(&bob).await.unwrap());
    pass(6 * MINUTE).await;
    assert!(!world.is_open(&ada) && world.is_open(&bob));
    pass(10 * MINUTE).await;
    assert!(!world.is_open(&bob));
    // The timer has ended with the last user, and begins anew.
    drop(world.acquire(&ada).await.unwrap());
    pass(16 * MINUTE).await;
    assert!(!world.is_open(&ada));
}

#[tokio::test(start_paused = true)]
async fn what_all_share_is_never_idle() {
    let world = World::new();
    drop(world.acquire(&of_all()).await.unwrap());
    pass(24 * 60 * MINUTE).await;
    assert!(world.is_open(&of_all()));
}
