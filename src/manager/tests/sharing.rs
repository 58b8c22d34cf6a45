//! Sessions that processes share, each process a manager.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::{Instant, sleep};

use super::world::{Target, World, of_all, of_user, pass, settle};
use crate::connection::{CallOptions, MemoryStore, Params};
use crate::manager::Lease;

const MINUTE: u64 = 60;

fn processes<const N: usize>(store: &Arc<MemoryStore>) -> [World; N] {
    std::array::from_fn(|_| World::sharing(store))
}

async fn call(lease: &Lease) {
    let limit = Instant::now() + Duration::from_secs(5);
    let options = CallOptions::new(limit, tokio_util::sync::CancellationToken::new());
    let connection = lease.connection();
    connection
        .request("resources/list", Params::None, &options)
        .await
        .unwrap();
}

/// One call, from the connection to its answer.
async fn use_once(world: &World, target: &Target) {
    call(&world.acquire(target).await.unwrap()).await;
    sleep(Duration::from_millis(50)).await;
}

fn handshakes(worlds: &[World]) -> usize {
    worlds.iter().map(World::handshakes).sum()
}

#[tokio::test(start_paused = true)]
async fn others_go_on_without_a_handshake_and_with_ids_of_their_own() {
    for target in [of_user("ada"), of_all()] {
        let store = Arc::default();
        let worlds = processes::<3>(&store);
        for world in &worlds {
            use_once(world, &target).await;
            use_once(world, &target).await;
        }
        assert_eq!(handshakes(&worlds), 1);
        let ids = worlds
            .each_ref()
            .map(|world| world.server(0).asked("resources/list"));
        assert_eq!(ids[0], [1, 2]);
        assert_eq!(ids[1], [1 << 32, (1 << 32) + 1]);
        assert_eq!(ids[2], [2 << 32, (2 << 32) + 1]);
    }
}

#[tokio::test(start_paused = true)]
async fn who_connects_at_once_makes_one_session() {
    let store = Arc::default();
    let worlds = processes::<5>(&store);
    let ada = of_user("ada");
    let leases = join_all(worlds.iter().map(|world| world.acquire(&ada))).await;
    for lease in &leases {
        call(lease.as_ref().unwrap()).await;
    }
    assert_eq!(handshakes(&worlds), 1);
    settle().await;
    assert_eq!(store.values("session-turn"), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_session_is_made_anew_once() {
    let store = Arc::default();
    let worlds = processes::<3>(&store);
    let ada = of_user("ada");
    for world in &worlds {
        use_once(world, &ada).await;
    }
    for world in &worlds {
        world.server(0).forget();
    }
    join_all(worlds.iter().map(|world| use_once(world, &ada))).await;
    assert_eq!(handshakes(&worlds), 2);
    assert_eq!(worlds[0].begun().len(), 1, "in the same connection");
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_is_not_given_back_is_waited_for_half_the_time() {
    let store = Arc::<MemoryStore>::default();
    let [first, second] = processes::<2>(&store);
    let ada = of_user("ada");
    use_once(&first, &ada).await;
    let [key] = &store.keys()[..] else {
        panic!("one record");
    };
    store.clear();
    store.take_turn_of(key);
    let began = Instant::now();
    use_once(&second, &ada).await;
    assert_eq!(second.handshakes(), 1);
    let waited = began.elapsed().as_secs();
    assert!((14..=16).contains(&waited), "{waited} s");
    assert_eq!(store.values("session").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_is_waited_for_once() {
    let store = Arc::<MemoryStore>::default();
    let worlds = processes::<2>(&store);
    store.hangs.store(true, Ordering::Relaxed);
    let ada = of_user("ada");
    for world in &worlds {
        let began = Instant::now();
        drop(world.acquire(&ada).await.unwrap());
        assert_eq!(began.elapsed().as_secs(), 2);
        let began = Instant::now();
        drop(world.call(&ada).force_new().acquire().await.unwrap());
        assert_eq!(began.elapsed().as_secs(), 0);
    }
    assert_eq!(handshakes(&worlds), 4);
    // When it answers again, the session is found.
    store.hangs.store(false, Ordering::Relaxed);
    pass(MINUTE).await;
    use_once(&worlds[0], &ada).await;
    assert_eq!(store.values("session").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn conflicts_are_met_by_reading_again() {
    for (conflicts, expected) in [(3, 1), (30, 2)] {
        let store = Arc::<MemoryStore>::default();
        let worlds = processes::<2>(&store);
        let ada = of_user("ada");
        use_once(&worlds[0], &ada).await;
        store.conflicts.store(conflicts, Ordering::Relaxed);
        use_once(&worlds[1], &ada).await;
        assert_eq!(handshakes(&worlds), expected, "{conflicts} conflicts");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_store_has_lost_is_written_at_the_next_use() {
    let store = Arc::<MemoryStore>::default();
    let worlds = processes::<2>(&store);
    let ada = of_user("ada");
    use_once(&worlds[0], &ada).await;
    store.clear();
    use_once(&worlds[0], &ada).await;
    assert!(store.values("session").is_empty(), "it was noted lately");
    pass(31).await;
    use_once(&worlds[0], &ada).await;
    use_once(&worlds[1], &ada).await;
    assert_eq!(handshakes(&worlds), 1);
}

#[tokio::test(start_paused = true)]
async fn who_finds_another_session_takes_that() {
    let store = Arc::default();
    let worlds = processes::<2>(&store);
    let ada = of_user("ada");
    for world in &worlds {
        use_once(world, &ada).await;
    }
    drop(worlds[0].call(&ada).force_new().acquire().await.unwrap());
    pass(31).await;
    use_once(&worlds[1], &ada).await;
    assert!(!worlds[1].is_open(&ada) && worlds[1].server(0).is_closed());
    use_once(&worlds[1], &ada).await;
    assert!(worlds[1].is_open(&ada));
    pass(31).await;
    for world in &worlds {
        use_once(world, &ada).await;
        assert!(world.is_open(&ada));
    }
    assert_eq!(handshakes(&worlds), 2);
}

#[tokio::test(start_paused = true)]
async fn the_last_user_ends_it() {
    let store = Arc::default();
    let worlds = processes::<2>(&store);
    let ada = of_user("ada");
    use_once(&worlds[0], &ada).await;
    pass(10 * MINUTE).await;
    use_once(&worlds[1], &ada).await;
    pass(6 * MINUTE).await;
    assert!(!worlds[0].is_open(&ada) && worlds[1].is_open(&ada));
    assert_eq!(store.values("session").len(), 1);
    // The record would last a minute longer.
    pass(9 * MINUTE + 10).await;
    assert!(!worlds[1].is_open(&ada));
    assert!(store.values("session").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_takes_long_keeps_it() {
    let store = Arc::default();
    let worlds = processes::<2>(&store);
    let ada = of_user("ada");
    let lease = worlds[0].acquire(&ada).await.unwrap();
    pass(50 * MINUTE).await;
    use_once(&worlds[1], &ada).await;
    assert_eq!(handshakes(&worlds), 1);
    drop(lease);
}

#[tokio::test(start_paused = true)]
async fn closing_ends_it_and_handing_over_does_not() {
    for hands_over in [false, true] {
        let store = Arc::default();
        let worlds = processes::<2>(&store);
        let ada = of_user("ada");
        use_once(&worlds[0], &ada).await;
        if hands_over {
            worlds[0].manager.hand_over();
        }
        worlds[0].manager.close().await;
        assert_eq!(store.values("session").len(), usize::from(hands_over));
        use_once(&worlds[1], &ada).await;
        assert_eq!(handshakes(&worlds), if hands_over { 1 } else { 2 });
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_disconnected_or_lost_is_found_by_nobody() {
    for is_lost in [false, true] {
        let store = Arc::default();
        let worlds = processes::<2>(&store);
        let ada = of_user("ada");
        use_once(&worlds[0], &ada).await;
        if is_lost {
            worlds[0].server(0).go_away();
            sleep(Duration::from_millis(100)).await;
        } else {
            worlds[0].manager.disconnect(&ada.key).await;
        }
        assert_eq!(store.values("session").len(), 1, "that it has ended");
        use_once(&worlds[1], &ada).await;
        assert_eq!(handshakes(&worlds), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_disconnect_reaches_what_others_have_made_since() {
    let store = Arc::<MemoryStore>::default();
    let [first, second, third] = processes::<3>(&store);
    let ada = of_user("ada");
    use_once(&first, &ada).await;
    store.clear();
    use_once(&second, &ada).await;
    first.manager.disconnect(&ada.key).await;
    use_once(&third, &ada).await;
    assert_eq!(third.handshakes(), 1);
    pass(31).await;
    use_once(&second, &ada).await;
    assert!(!second.is_open(&ada));
}

#[tokio::test(start_paused = true)]
async fn what_a_process_ends_that_knows_no_session_is_ended_for_all() {
    let store = Arc::<MemoryStore>::default();
    let [first, second, third] = processes::<3>(&store);
    let targets = [of_user("ada"), of_user("bob"), of_all()];
    for world in [&first, &second] {
        for target in &targets {
            use_once(world, target).await;
        }
    }
    let [ada, others @ ..] = &targets;
    third.begin_epoch(ada).await;
    // Nobody goes on with it who connects, and whoever uses it notices.
    use_once(&third, ada).await;
    assert_eq!(third.handshakes(), 1);
    pass(31).await;
    for world in [&first, &second] {
        use_once(world, ada).await;
        assert!(!world.is_open(ada) && world.server(0).is_closed());
        use_once(world, ada).await;
        assert!(world.is_open(ada));
        for other in others {
            use_once(world, other).await;
            assert!(world.is_open(other));
        }
    }
    assert_eq!(handshakes(&[first, second, third]), 4);
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_session_is_made_anew_in_the_epoch_of_then() {
    let store = Arc::<MemoryStore>::default();
    let worlds = processes::<2>(&store);
    let ada = of_user("ada");
    for world in &worlds {
        use_once(world, &ada).await;
    }
    worlds[0].begin_epoch(&ada).await;
    for world in &worlds {
        world.server(0).forget();
        use_once(world, &ada).await;
    }
    pass(31).await;
    for world in &worlds {
        use_once(world, &ada).await;
        assert!(world.is_open(&ada));
    }
    assert_eq!(handshakes(&worlds), 2);
}

#[tokio::test(start_paused = true)]
async fn a_session_outlives_the_mark_of_its_epoch() {
    let store = Arc::<MemoryStore>::default();
    let worlds = processes::<2>(&store);
    let ada = of_user("ada");
    worlds[0].begin_epoch(&ada).await;
    for minutes in [10, 10, 10, 10] {
        use_once(&worlds[0], &ada).await;
        assert_eq!(store.values("session").len(), 1);
        pass(minutes * MINUTE).await;
    }
    assert!(store.values("session-epoch").is_empty());
    use_once(&worlds[1], &ada).await;
    assert_eq!(handshakes(&worlds), 1);
    worlds[1].begin_epoch(&ada).await;
    use_once(&worlds[0], &ada).await;
    assert!(!worlds[0].is_open(&ada));
}

#[tokio::test(start_paused = true)]
async fn a_mark_is_written_whatever_the_store_has_failed_with() {
    let store = Arc::<MemoryStore>::default();
    let [world] = processes::<1>(&store);
    let ada = of_user("ada");
    let marks = || store.values("session-epoch").len();
    store.hangs.store(true, Ordering::Relaxed);
    use_once(&world, &ada).await;
    let began = Instant::now();
    world.begin_epoch(&ada).await;
    assert_eq!(began.elapsed().as_secs(), 2);
    assert_eq!(marks(), 0);
    store.hangs.store(false, Ordering::Relaxed);
    pass(6).await;
    assert_eq!(marks(), 1, "tried again");

    let bob = of_user("bob");
    store.hangs.store(true, Ordering::Relaxed);
    pass(MINUTE).await;
    use_once(&world, &bob).await;
    store.hangs.store(false, Ordering::Relaxed);
    world.begin_epoch(&bob).await;
    assert_eq!(marks(), 2, "at once");
}
