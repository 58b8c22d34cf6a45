//! Refreshing by the host's leases: one process at a time, and none across a teardown.

use std::time::Duration;

use librechat_mcp_native::connection::AccessTokens;
use librechat_mcp_native::error::Code;
use librechat_mcp_native::host::{FlowStore, LeaseOptions};
use librechat_mcp_native::secret::Secret;

use crate::world::World;

const FENCE: &str = r#"["","u1","srv"]"#;
const FLIGHT: &str = r#"["refresh","","u1","srv"]"#;

#[tokio::test]
async fn many_processes_at_the_same_moment_refresh_once_each_time() {
    let (world, leases) = World::leased().await;
    world.store("at-old", Some("rt-0")).await;
    for round in 1..=5 {
        world.tokens.expire_access();
        let processes: Vec<_> = (0..8).map(|_| world.authorizer(None)).collect();
        let tokens = processes.iter().map(AccessTokens::current);
        for token in futures::future::join_all(tokens).await {
            let access = token.unwrap().unwrap();
            assert_eq!(access.token.expose(), &format!("at-{round}"));
        }
        let script = world.server.script.lock();
        assert_eq!(
            (script.count("POST /token"), script.revoked),
            (round, false)
        );
    }
    assert!(!leases.are_held());
    assert_eq!(leases.ids(), [FENCE, FLIGHT]);
}

#[tokio::test]
async fn who_holds_the_flight_and_never_ends_costs_failures_and_no_grant() {
    let (world, leases) = World::leased().await;
    world.store("at-old", Some("rt-0")).await;
    world.tokens.expire_access();
    let dead = world.flows.acquire_lease(FLIGHT, LeaseOptions::default());
    let dead = dead.await.unwrap().unwrap();
    let authorizer = world.authorizer(None);
    for refused in [None, Some(Secret::from("at-old"))] {
        let error = match &refused {
            None => authorizer.current().await,
            Some(refused) => authorizer.replace(refused).await,
        };
        let error = error.unwrap_err();
        assert_eq!(error.code, Code::TokenRefreshUnavailable);
        assert!(error.retryable, "{error}");
    }
    assert_eq!(world.server.script.lock().count("POST /token"), 0);
    dead.release().await.unwrap();
    let access = authorizer.current().await.unwrap().unwrap();
    assert_eq!(access.token.expose(), "at-1");
    assert!(!leases.are_held());
}

#[tokio::test]
async fn what_a_teardown_overtakes_is_not_stored() {
    let (world, leases) = World::leased().await;
    world.server.script.lock().token_delay = Duration::from_millis(300);
    world.store("at-old", Some("rt-0")).await;
    // There is something to tear down.
    let fence = world.flows.acquire_lease(FENCE, LeaseOptions::default());
    fence.await.unwrap().unwrap().release().await.unwrap();
    world.tokens.expire_access();
    let authorizer = world.authorizer(None);
    let torn_down = async {
        while world.server.script.lock().count("POST /token") == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        leases.tear_down();
    };
    let (token, ()) = tokio::join!(authorizer.current(), torn_down);
    assert_eq!(token.unwrap(), None);
    assert_eq!(
        world.stored().await,
        ("at-old".to_owned(), "rt-0".to_owned())
    );
    assert!(!leases.are_held());
}
