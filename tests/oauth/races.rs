//! Orders of steps that the model of `tests/model` has found.

use std::sync::Arc;

use librechat_mcp_native::error::Code;
use librechat_mcp_native::oauth::{Tokens, Unwitnessed};
use serde_json::json;

use crate::stores::{Meanwhile, Rows};
use crate::world::World;

/// What another process does once, just before the row of this kind is touched.
fn meanwhile(world: &World, kind: &'static str, does: impl FnOnce(&mut Rows) + Send + 'static) {
    *world.tokens.meanwhile.lock() = Some(Meanwhile {
        kind,
        does: Box::new(does),
    });
}

#[tokio::test]
async fn an_undo_does_not_revive_an_access_token_that_has_expired_away() {
    let world = World::new().await;
    world.store("at-0", Some("rt-0")).await;
    let old = world.tokens.rows.lock().clone();
    world.store("at-other", Some("rt-other")).await;
    let other = std::mem::replace(&mut *world.tokens.rows.lock(), old);
    world.tokens.expire_access();
    let storage = world.storage();
    let grant = storage.grant().await.unwrap().unwrap();
    let late = json!({ "access_token": "at-late", "refresh_token": "rt-late" });
    let late = Tokens::from_value(&late).unwrap();
    let tokens = Arc::clone(&world.tokens);
    let stored = storage.store_refreshed(&late, &grant, &Unwitnessed);
    // The row is read, expires away, and somebody logs in before the next one is written.
    meanwhile(&world, "mcp_oauth", move |_| {
        *tokens.meanwhile.lock() = Some(Meanwhile {
            kind: "mcp_oauth",
            does: Box::new(move |rows| {
                rows.insert(
                    "mcp_oauth_refresh".to_owned(),
                    other["mcp_oauth_refresh"].clone(),
                );
                rows.remove("mcp_oauth");
            }),
        });
    });
    assert_eq!(
        stored.await.unwrap_err().code,
        Code::ReauthenticationRequired
    );
    assert_eq!(
        world.tokens.kinds(),
        ["mcp_oauth_client", "mcp_oauth_refresh"]
    );
}

#[tokio::test]
async fn a_login_replaces_the_access_token_that_came_while_it_looked() {
    let world = World::new().await;
    world.store("at-0", Some("rt-0")).await;
    let other = world.tokens.rows.lock().clone();
    world.tokens.rows.lock().clear();
    world.tokens.updates.lock().clear();
    meanwhile(&world, "mcp_oauth_refresh", move |rows| *rows = other);
    world.store("at-1", Some("rt-1")).await;
    let updates = world.tokens.updates.lock();
    let kinds: Vec<_> = updates.iter().map(|query| query.kind.as_str()).collect();
    assert_eq!(
        kinds,
        ["mcp_oauth", "mcp_oauth_refresh", "mcp_oauth_client"]
    );
}
