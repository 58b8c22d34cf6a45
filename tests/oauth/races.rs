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
