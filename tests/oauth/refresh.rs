//! Refreshing: once per user and server, here and in other processes, and never lost.

use std::sync::atomic::Ordering;
use std::time::Duration;

use librechat_mcp_native::connection::{Access, AccessTokens, Login};
use librechat_mcp_native::error::Code;
use librechat_mcp_native::host::FlowStore;
use librechat_mcp_native::oauth::Tokens;
use librechat_mcp_native::secret::Secret;

use crate::stores::MemoryLock;
use crate::world::{FLOW, World};

#[tokio::test]
async fn a_valid_token_needs_nothing() {
    let world = World::new().await;
    world.store("at-0", Some("rt-0")).await;
    let access = world.authorizer(None).current().await.unwrap().unwrap();
    assert_eq!(access.token.expose(), "at-0");
    assert!(world.server.script.lock().requests.is_empty());
    assert!(
        world
            .flows
            .get(FLOW, "mcp_get_tokens")
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn many_callers_are_one_request() {
    let world = World::new().await;
    world.store("at-old", Some("rt-0")).await;
    world.tokens.expire_access();
    let authorizer = world.authorizer(None);
    let calls = (0..10).map(|_| authorizer.current());
    for token in futures::future::join_all(calls).await {
        assert_eq!(token.unwrap().unwrap().token.expose(), "at-1");
    }
    assert_eq!(world.server.script.lock().count("POST /token"), 1);
    assert_eq!(world.stored().await, ("at-1".to_owned(), "rt-1".to_owned()));
    // Whoever waited for it as LibreChat does gets what is stored.
    let told = world.flows.get(FLOW, "mcp_get_tokens").await.unwrap();
    let told = Tokens::from_value(&told.unwrap().result.unwrap()).unwrap();
    let stored = world.storage().access().await.unwrap().unwrap();
    assert_eq!(told.access_token(), stored.token);
    assert_eq!(
        told.credential_set_id(),
        stored.credential_set_id.as_deref()
    );
    assert!(told.credential_set_id().is_some() && told.refresh_token().is_none());
}

#[tokio::test]
async fn a_caller_that_leaves_loses_no_rotated_token() {
    let world = World::new().await;
    world.server.script.lock().token_delay = Duration::from_millis(300);
    world.store("at-old", Some("rt-0")).await;
    world.tokens.expire_access();
    let authorizer = world.authorizer(Some(MemoryLock::default()));
    let has_asked = async {
        while world.server.script.lock().count("POST /token") == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        token = authorizer.current() => panic!("nobody has left: {token:?}"),
        () = has_asked => {}
    }
    // The next caller joins what is under way.
    let access = authorizer.current().await.unwrap().unwrap();
    assert_eq!(access.token.expose(), "at-1");
    assert_eq!(world.stored().await, ("at-1".to_owned(), "rt-1".to_owned()));
    let script = world.server.script.lock();
    assert_eq!((script.count("POST /token"), script.revoked), (1, false));
}

#[tokio::test]
async fn two_processes_do_not_use_a_refresh_token_twice() {
    for lock in [None, Some(MemoryLock::default())] {
        let world = World::new().await;
        world.server.script.lock().token_delay = Duration::from_millis(200);
        world.store("at-old", Some("rt-0")).await;
        world.tokens.expire_access();
        let (one, other) = (world.authorizer(lock.clone()), world.authorizer(lock));
        let later = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            other.current().await
        };
        let (first, second) = tokio::join!(one.current(), later);
        assert_eq!(first.unwrap().unwrap().token.expose(), "at-1");
        assert_eq!(second.unwrap().unwrap().token.expose(), "at-1");
        let script = world.server.script.lock();
        assert_eq!((script.count("POST /token"), script.revoked), (1, false));
    }
}

#[tokio::test]
async fn who_was_held_up_takes_what_another_has_refreshed_meanwhile() {
    let world = World::new().await;
    world.store("at-old", Some("rt-0")).await;
    world.tokens.expire_access();
    let held_up = world.authorizer(Some(MemoryLock::holding_up(world.authorizer(None))));
    let access = held_up.current().await.unwrap().unwrap();
    assert_eq!(access.token.expose(), "at-1");
    let refused = world.authorizer(Some(MemoryLock::holding_up(world.authorizer(None))));
    world.tokens.expire_access();
    let access = refused.replace(&access.token).await.unwrap().unwrap();
    assert_eq!(access.token.expose(), "at-2");
    let script = world.server.script.lock();
    assert_eq!((script.count("POST /token"), script.revoked), (2, false));
}

#[tokio::test]
async fn a_store_that_was_not_heard_is_asked_once_more() {
    let world = World::new().await;
    world.store("at-0", Some("rt-0")).await;
    for unheard in [1, 2] {
        world.tokens.unheard_reads.store(unheard, Ordering::Relaxed);
        let outcome = world.authorizer(None).current().await;
        if unheard == 1 {
            assert_eq!(outcome.unwrap().unwrap().token.expose(), "at-0");
        } else {
            let error = outcome.unwrap_err();
            let expected = (Code::TokenStorageUnavailable, true);
            assert_eq!((error.code, error.retryable), expected);
        }
    }
    assert!(world.server.script.lock().requests.is_empty());
}

#[tokio::test]
async fn a_refresh_stays_with_its_login_and_another_login_does_not() {
    let world = World::new().await;
    let sets = |access: Access| match access.login {
        Login::Sets(sets) => sets,
        other => panic!("{other:?}"),
    };
    world.store("at-old", Some("rt-0")).await;
    world.tokens.expire_access();
    let authorizer = world.authorizer(None);
    // Both wait for one refresh, and are told whose it is.
    let (one, two) = tokio::join!(authorizer.current(), authorizer.current());
    let (one, two) = (one.unwrap().unwrap(), two.unwrap().unwrap());
    assert_eq!(one, two);
    let first = sets(one);
    assert_eq!(first.len(), 2, "the set of before, and the new one");
    world.tokens.expire_access();
    let second = sets(authorizer.current().await.unwrap().unwrap());
    assert_eq!(second[..2], first);
    assert_eq!(second.len(), 3);
    // Another process knows only what is stored.
    let elsewhere = sets(world.authorizer(None).current().await.unwrap().unwrap());
    assert_eq!(elsewhere, second[2..]);
    world.store("of another account", Some("rt-0")).await;
    let other = sets(authorizer.current().await.unwrap().unwrap());
    assert!(other.len() == 1 && !second.contains(&other[0]));
}

#[tokio::test]
async fn a_refused_token_is_refreshed_or_replaced_by_a_newer_one() {
    let world = World::new().await;
    world.store("at-stale", Some("rt-0")).await;
    let authorizer = world.authorizer(None);
    let refused = Secret::from("at-stale");
    let access = authorizer.replace(&refused).await.unwrap().unwrap();
    assert_eq!(access.token.expose(), "at-1");
    // Somebody whose token is still the old one gets the stored one, without another request.
    let again = world.authorizer(None).replace(&refused).await.unwrap();
    assert_eq!(again.unwrap().token.expose(), "at-1");
    assert_eq!(world.server.script.lock().count("POST /token"), 1);
}

#[tokio::test]
async fn refreshed_shortly_before_expiry() {
    let world = World::new().await;
    world.store("at-0", Some("rt-0")).await;
    world.tokens.expire_access_in(10_000);
    let authorizer = world.authorizer(None);
    assert_eq!(
        authorizer.current().await.unwrap().unwrap().token.expose(),
        "at-1"
    );
    assert!(!authorizer.is_due());

    // Where that does not work, the old one is used to its end.
    world.tokens.expire_access_in(10_000);
    world.server.script.lock().token_answer = Some((503, "{}".to_owned()));
    let access = world.authorizer(None).current().await.unwrap().unwrap();
    assert_eq!(access.token.expose(), "at-1");
}

#[tokio::test]
async fn storing_is_tried_again() {
    let world = World::new().await;
    world.store("at-old", Some("rt-0")).await;
    world.tokens.expire_access();
    *world.tokens.failing_writes.lock() = 2;
    let access = world.authorizer(None).current().await.unwrap().unwrap();
    assert_eq!(access.token.expose(), "at-1");
    assert_eq!(world.stored().await.1, "rt-1");
}

#[tokio::test]
async fn token_endpoints_are_not_quoted_and_not_followed() {
    let world = World::new().await;
    world.store("at-secret", Some("rt-0")).await;
    world.tokens.expire_access();
    for (status, body) in [
        (500, "stack trace with rt-0 in it"),
        (307, ""),
        (200, "no json rt-0"),
        (
            400,
            r#"{"error":"invalid_grant","error_description":"gone","refresh_token":"rt-0"}"#,
        ),
    ] {
        world.server.script.lock().token_answer = Some((status, body.to_owned()));
        assert!(
            world.authorizer(None).current().await.unwrap().is_none(),
            "{status}"
        );
    }
    let log = world.lines.text();
    assert!(log.contains("Token refresh failed: 400 Bad Request - invalid_grant: gone"));
    assert!(!log.contains("rt-0") && !log.contains("at-secret"), "{log}");
    assert_eq!(
        world.tokens.kinds(),
        ["mcp_oauth", "mcp_oauth_client", "mcp_oauth_refresh"]
    );
}

#[tokio::test]
async fn a_forgotten_client_is_cleared_with_its_refresh_token() {
    for (answer, kept) in [
        (r#"{"error":"invalid_client"}"#, false),
        (
            r#"{"error":"x","error_description":"Client not found"}"#,
            false,
        ),
        (r#"{"error":"unauthorized_client"}"#, true),
    ] {
        let world = World::new().await;
        world.store("at-old", Some("rt-0")).await;
        world.tokens.expire_access();
        world.server.script.lock().token_answer = Some((401, answer.to_owned()));
        assert!(world.authorizer(None).current().await.unwrap().is_none());
        let refresh = world
            .tokens
            .kinds()
            .contains(&"mcp_oauth_refresh".to_owned());
        assert_eq!(refresh, kept, "{answer}");
    }
}
