//! Refreshes while the host's lock is away, and its leases with it.

use std::time::Duration;

use librechat_mcp_native::connection::AccessTokens;
use librechat_mcp_native::error::Code;
use librechat_mcp_native::host::{FlowStore, LeaseOptions};
use librechat_mcp_native::secret::Secret;

use crate::stores::{Leases, MemoryLock};
use crate::world::World;

const FENCE: &str = r#"["","u1","srv"]"#;
const RISK: &str = "two processes may use one refresh token";

/// An expired token, and a lock beside the leases.
async fn world() -> (World, MemoryLock, Leases) {
    let (world, leases) = World::leased().await;
    world.store("at-0", Some("rt-0")).await;
    world.tokens.expire_access();
    (world, MemoryLock::default(), leases)
}

fn posts(world: &World) -> usize {
    world.server.script.lock().count("POST /token")
}

fn told(world: &World, text: &str) -> usize {
    world.lines.text().matches(text).count()
}

/// While the request is under way.
async fn meanwhile(world: &World, happens: impl AsyncFnOnce()) {
    while posts(world) == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    happens().await;
}

fn slow(world: &World) {
    world.server.script.lock().token_delay = Duration::from_millis(300);
}

#[tokio::test]
async fn rows_are_stored_without_the_fence_and_with_it_when_it_is_back() {
    let (world, lock, leases) = world().await;
    let authorizer = world.authorizer(Some(lock.clone()));
    lock.set_away(true);
    leases.set_away(true);
    for round in ["at-1", "at-2"] {
        world.tokens.expire_access();
        let access = authorizer.current().await.unwrap().unwrap();
        assert_eq!(access.token.expose(), round);
        assert_eq!(world.stored().await.0, round);
    }
    let refused = authorizer.replace(&Secret::from("at-2")).await.unwrap();
    assert_eq!(refused.unwrap().token.expose(), "at-3");
    assert!(leases.ids().is_empty());
    assert_eq!(told(&world, RISK), 1);
    assert_eq!(told(&world, "flowManager"), 0);

    lock.set_away(false);
    leases.set_away(false);
    world.tokens.expire_access();
    let access = authorizer.current().await.unwrap().unwrap();
    assert_eq!(access.token.expose(), "at-4");
    assert_eq!(leases.ids(), [FENCE]);
    assert!(!leases.are_held());
    assert_eq!(told(&world, "[MCP] lock answers again"), 1);
    assert_eq!(told(&world, RISK), 1);
}

#[tokio::test]
async fn what_was_asked_for_before_both_went_away_is_stored() {
    let (world, lock, leases) = world().await;
    slow(&world);
    let authorizer = world.authorizer(Some(lock.clone()));
    let going = meanwhile(&world, async || {
        lock.set_away(true);
        leases.set_away(true);
    });
    let (access, ()) = tokio::join!(authorizer.current(), going);
    assert_eq!(access.unwrap().unwrap().token.expose(), "at-1");
    assert_eq!(world.stored().await, ("at-1".to_owned(), "rt-1".to_owned()));
    assert_eq!(told(&world, RISK), 1);
}

#[tokio::test]
async fn who_has_the_lock_sends_nothing_without_the_leases() {
    let (world, lock, leases) = world().await;
    leases.set_away(true);
    let authorizer = world.authorizer(Some(lock));
    let error = authorizer.current().await.unwrap_err();
    assert_eq!(
        (error.code, error.retryable),
        (Code::TokenRefreshUnavailable, true)
    );
    assert_eq!(posts(&world), 0);
    assert_eq!(told(&world, RISK), 0);
    // Also just after that, while they are not asked whether they are back.
    leases.set_away(false);
    let access = authorizer.current().await.unwrap().unwrap();
    assert_eq!(access.token.expose(), "at-1");
    assert_eq!(leases.ids(), [FENCE]);
}

#[tokio::test]
async fn leases_that_answer_are_asked_while_the_lock_is_away() {
    let (world, lock, leases) = world().await;
    slow(&world);
    lock.set_away(true);
    // There is something to tear down.
    let fence = world.flows.acquire_lease(FENCE, LeaseOptions::default());
    fence.await.unwrap().unwrap().release().await.unwrap();
    let authorizer = world.authorizer(Some(lock));
    let torn_down = meanwhile(&world, async || leases.tear_down());
    let (access, ()) = tokio::join!(authorizer.current(), torn_down);
    assert_eq!(access.unwrap(), None);
    assert_eq!(world.stored().await, ("at-0".to_owned(), "rt-0".to_owned()));
}

#[tokio::test]
async fn a_logout_or_a_newer_login_elsewhere_is_not_overwritten() {
    for newer in [None, Some("at-login")] {
        let (world, lock, leases) = world().await;
        slow(&world);
        lock.set_away(true);
        leases.set_away(true);
        let authorizer = world.authorizer(Some(lock));
        let elsewhere = meanwhile(&world, async || {
            world.tokens.rows.lock().clear();
            if let Some(newer) = newer {
                world.store(newer, Some("rt-login")).await;
            }
        });
        let (access, ()) = tokio::join!(authorizer.current(), elsewhere);
        let access = access.ok().flatten();
        let used = access.as_ref().map(|access| access.token.expose().as_str());
        assert_eq!(used, newer);
        match newer {
            Some(newer) => assert_eq!(world.stored().await.0, newer),
            None => assert!(world.tokens.rows.lock().is_empty()),
        }
    }
}
