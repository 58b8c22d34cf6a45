//! Refreshes while the store of the host's lock is away.

use std::time::Duration;

use librechat_mcp_native::connection::{AccessTokens, now_ms};
use librechat_mcp_native::error::{Code, Result};
use librechat_mcp_native::host::Lock;
use librechat_mcp_native::oauth::Authorizer;
use librechat_mcp_native::secret::Secret;

use crate::stores::MemoryLock;
use crate::world::World;

async fn expired() -> World {
    let world = World::new().await;
    world.store("at-0", Some("rt-0")).await;
    world.tokens.expire_access();
    world
}

/// The token in milliseconds that it is good for.
fn expires_in(world: &World, ms: i64) {
    let mut rows = world.tokens.rows.lock();
    rows.get_mut("mcp_oauth").unwrap().expires_at = Some(now_ms() + ms);
}

fn posts(world: &World) -> usize {
    world.server.script.lock().count("POST /token")
}

async fn token(authorizer: &Authorizer) -> Result<Option<String>> {
    let access = authorizer.current().await?;
    Ok(access.map(|access| access.token.expose().clone()))
}

async fn until(holds: impl Fn() -> bool) {
    while !holds() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn an_expired_token_is_refreshed_and_the_log_names_the_risk_once() {
    let world = expired().await;
    let lock = MemoryLock::away();
    let authorizer = world.authorizer(Some(lock.clone()));
    assert_eq!(token(&authorizer).await.unwrap().unwrap(), "at-1");
    // A process that was held up may not have heard the first answer.
    assert_eq!(lock.asked(), 2);
    world.tokens.expire_access();
    assert_eq!(token(&authorizer).await.unwrap().unwrap(), "at-2");
    assert_eq!(lock.asked(), 3);
    lock.set_away(false);
    world.tokens.expire_access();
    assert_eq!(token(&authorizer).await.unwrap().unwrap(), "at-3");
    let lines = world.lines.text();
    let told = |text: &str| lines.matches(text).count();
    assert_eq!(told("two processes may use one refresh token"), 1);
    assert_eq!(told("[MCP] lock answers again"), 1);
    assert!(!world.server.script.lock().revoked);
}

#[tokio::test]
async fn a_token_that_is_only_due_is_used_and_not_refreshed() {
    let world = expired().await;
    expires_in(&world, 20_000);
    let authorizer = world.authorizer(Some(MemoryLock::away()));
    assert_eq!(token(&authorizer).await.unwrap().unwrap(), "at-0");
    assert_eq!(posts(&world), 0);
    assert!(!world.lines.text().contains("two processes"));
}

#[tokio::test]
async fn a_token_that_the_server_refused_is_refreshed() {
    let world = expired().await;
    expires_in(&world, 3_600_000);
    let authorizer = world.authorizer(Some(MemoryLock::away()));
    let replaced = authorizer.replace(&Secret::from("at-0")).await.unwrap();
    assert_eq!(replaced.unwrap().token.expose(), "at-1");
}

#[tokio::test]
async fn what_could_not_be_stored_is_not_asked_for() {
    let world = expired().await;
    *world.tokens.failing_writes.lock() = 1;
    let authorizer = world.authorizer(Some(MemoryLock::away()));
    let error = token(&authorizer).await.unwrap_err();
    assert_eq!(
        (error.code, error.retryable),
        (Code::TokenStorageUnavailable, true)
    );
    assert_eq!(posts(&world), 0);
    assert_eq!(token(&authorizer).await.unwrap().unwrap(), "at-1");
}

#[tokio::test]
async fn who_is_refused_uses_what_another_process_was_given() {
    let world = expired().await;
    let refused = r#"{"error":"invalid_grant"}"#.to_owned();
    world.server.script.lock().token_answer = Some((400, refused));
    let authorizer = world.authorizer(Some(MemoryLock::away()));
    let storing = async {
        until(|| posts(&world) == 1).await;
        world.store("at-other", Some("rt-other")).await;
    };
    let (used, ()) = tokio::join!(token(&authorizer), storing);
    assert_eq!(used.unwrap().unwrap(), "at-other");
    assert_eq!(posts(&world), 1);
}

#[tokio::test]
async fn who_is_refused_alone_has_to_sign_in() {
    let world = expired().await;
    world.server.script.lock().revoked = true;
    let authorizer = world.authorizer(Some(MemoryLock::away()));
    assert_eq!(token(&authorizer).await.unwrap(), None);
    assert_eq!(posts(&world), 1);
}

#[tokio::test]
async fn whoever_had_the_lock_when_its_store_went_away_is_waited_for() {
    let world = expired().await;
    let lock = MemoryLock::default();
    let held = lock.acquire("of another", Duration::ZERO).await.unwrap();
    let authorizer = world.authorizer(Some(lock.clone()));
    let storing = async {
        until(|| lock.asked() == 3).await;
        lock.set_away(true);
        let asked = lock.asked();
        until(|| lock.asked() > asked + 2).await;
        world.store("at-other", Some("rt-other")).await;
    };
    let (used, ()) = tokio::join!(token(&authorizer), storing);
    assert_eq!(used.unwrap().unwrap(), "at-other");
    assert_eq!(posts(&world), 0);
    drop(held);
}
