//! The three rows of an authorization: all of one credential set, written all or none.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use librechat_mcp_native::connection::AccessTokens;
use librechat_mcp_native::error::Code;
use librechat_mcp_native::host::{CREDENTIAL_SET_ID, CredentialSet, TokenRow};
use librechat_mcp_native::oauth::{ClientInfo, Tokens, Unwitnessed};
use serde_json::{Map, Value, json};

use crate::stores::Fault;
use crate::world::World;

const BINDING: &str = "Re-authentication required for \"srv\": stored OAuth binding metadata is missing or no longer valid";

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

/// The credential set of each row, by its kind.
fn sets(world: &World) -> HashMap<String, Option<String>> {
    let rows = world.tokens.rows.lock();
    let set = |row: &TokenRow| row.credential_set_id().map(str::to_owned);
    rows.iter()
        .map(|(kind, row)| (kind.clone(), set(row)))
        .collect()
}

/// That of all rows.
fn only_set(world: &World) -> String {
    let sets = sets(world);
    assert_eq!(sets.len(), 3, "{sets:?}");
    let mut ids: Vec<_> = sets.into_values().map(Option::unwrap).collect();
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
    ids.remove(0)
}

fn edit(world: &World, kind: &str, edit: impl FnOnce(&mut Map<String, Value>)) {
    let mut rows = world.tokens.rows.lock();
    edit(rows.get_mut(kind).unwrap().metadata.get_or_insert_default());
}

fn set_of(world: &World, kind: &str, id: Option<&str>) {
    edit(world, kind, |metadata| match id {
        Some(id) => drop(metadata.insert(CREDENTIAL_SET_ID.to_owned(), json!(id))),
        None => drop(metadata.remove(CREDENTIAL_SET_ID)),
    });
}

async fn signed_in() -> World {
    let world = World::new().await;
    world.store("at-0", Some("rt-0")).await;
    world
}

fn tokens(value: &Value) -> Tokens {
    Tokens::from_value(value).unwrap()
}

async fn current(world: &World) -> Option<String> {
    let access = world.authorizer(None).current().await.unwrap();
    access.map(|access| access.token.expose().clone())
}

#[tokio::test]
async fn a_login_is_one_set_with_what_the_client_is_for() {
    let world = signed_in().await;
    let set = only_set(&world);
    let rows = world.tokens.rows.lock();
    let metadata = |kind: &str| rows[kind].metadata.clone().unwrap();
    let only = object(&json!({ CREDENTIAL_SET_ID: set }));
    assert_eq!(metadata("mcp_oauth"), only);
    assert_eq!(metadata("mcp_oauth_refresh"), only);
    let client = metadata("mcp_oauth_client");
    assert_eq!(client[CREDENTIAL_SET_ID], json!(set));
    assert_eq!(client["client_source"], "dynamic");
    assert_eq!(client["issuer"], json!(world.server.origin()));
}

#[tokio::test]
async fn a_refresh_is_a_new_set_and_keeps_what_the_client_is_for() {
    for rotates in [true, false] {
        let world = signed_in().await;
        let before = only_set(&world);
        edit(&world, "mcp_oauth_client", |it| {
            it.insert("vendor".to_owned(), json!({ "kept": true }));
        });
        if !rotates {
            // A provider must not say which set it is.
            let body =
                json!({ "access_token": "at-1", "expires_in": 60, CREDENTIAL_SET_ID: before });
            world.server.script.lock().token_answer = Some((200, body.to_string()));
        }
        world.tokens.expire_access();
        assert_eq!(current(&world).await.unwrap(), "at-1");
        let after = only_set(&world);
        assert_ne!(before, after);
        let refresh = if rotates { "rt-1" } else { "rt-0" };
        assert_eq!(
            world.stored().await,
            ("at-1".to_owned(), refresh.to_owned())
        );
        let rows = world.tokens.rows.lock();
        let client = rows["mcp_oauth_client"].metadata.as_ref().unwrap();
        assert_eq!(client["vendor"], json!({ "kept": true }));
        assert_eq!(client["client_source"], "dynamic");
        let asked = world.server.script.lock().requests.join(" ");
        assert!(!asked.contains(&before), "the provider is not told of sets");
    }
}

#[tokio::test]
async fn rows_of_june_are_taken_as_they_are_and_get_a_set_at_the_next_write() {
    let world = signed_in().await;
    world.forget_sets();
    assert_eq!(current(&world).await.unwrap(), "at-0");
    world.tokens.expire_access();
    assert_eq!(current(&world).await.unwrap(), "at-1");
    only_set(&world);
}

/// A LibreChat of June that writes over rows with sets: it replaces the client's metadata, keeps that of tokens, and makes
/// a row for an access token whose row has expired away.
#[tokio::test]
async fn what_june_writes_over_ours_goes_on() {
    for (access, client) in [(Some("ours"), None), (None, Some("ours")), (None, None)] {
        let world = signed_in().await;
        set_of(&world, "mcp_oauth_refresh", client.or(access));
        set_of(&world, "mcp_oauth", access);
        set_of(&world, "mcp_oauth_client", client);
        if client.is_none() {
            edit(&world, "mcp_oauth_client", |it| {
                it.remove("server_url");
                it.remove("client_source");
            });
        }
        assert_eq!(
            current(&world).await.as_deref(),
            Some("at-0"),
            "{access:?} {client:?}"
        );
        world.tokens.expire_access();
        assert_eq!(
            current(&world).await.as_deref(),
            Some("at-1"),
            "{access:?} {client:?}"
        );
        only_set(&world);
    }
}

#[tokio::test]
async fn rows_of_two_authorizations_are_never_used_together() {
    // The access token, the refresh token, and the client, each with its set; the last two with what a newer host stores.
    for (access, refresh, client) in [
        (Some("a"), Some("a"), Some("b")),
        (Some("b"), Some("a"), Some("a")),
        (Some("a"), Some("a"), None),
    ] {
        for expired in [false, true] {
            let world = signed_in().await;
            set_of(&world, "mcp_oauth", access);
            set_of(&world, "mcp_oauth_refresh", refresh);
            set_of(&world, "mcp_oauth_client", client);
            if expired {
                world.tokens.expire_access();
            }
            if expired && refresh == client {
                // What comes back is not stored over a row of another set.
                assert_eq!(current(&world).await, None);
                continue;
            }
            assert_eq!(
                current(&world).await,
                None,
                "{access:?} {refresh:?} {client:?}"
            );
            assert_eq!(world.server.script.lock().count("POST /token"), 0);
            assert!(
                world.lines.text().contains(BINDING),
                "{}",
                world.lines.text()
            );
        }
    }
    // The client's row is gone, by the host or by its time.
    let world = signed_in().await;
    world.storage().delete_client(None).await.unwrap();
    world.tokens.expire_access();
    assert_eq!(current(&world).await, None);
    assert_eq!(world.server.script.lock().count("POST /token"), 0);
}

#[tokio::test]
async fn what_somebody_else_stores_meanwhile_stays() {
    let world = signed_in().await;
    let storage = world.storage();
    let grant = storage.grant().await.unwrap().unwrap();
    world.store("at-other", Some("rt-other")).await;
    let set = only_set(&world);
    let late = tokens(&json!({ "access_token": "at-late", "refresh_token": "rt-late" }));
    let error = storage
        .store_refreshed(&late, &grant, &Unwitnessed)
        .await
        .unwrap_err();
    assert_eq!(
        (error.code, error.message.as_str()),
        (Code::ReauthenticationRequired, BINDING)
    );
    assert_eq!(
        world.stored().await,
        ("at-other".to_owned(), "rt-other".to_owned())
    );
    storage.forget_client(grant.credential_set_id()).await;
    assert_eq!(
        only_set(&world),
        set,
        "a client that was tried before is another one"
    );
}

fn asked_for(world: &World) -> Vec<(String, bool)> {
    let updates = world.tokens.updates.lock();
    let row = |query: &librechat_mcp_native::host::TokenQuery| {
        assert!(query.token.is_some());
        (query.kind.clone(), query.credential_set.is_some())
    };
    updates.iter().map(row).collect()
}

#[tokio::test]
async fn updates_name_the_row_that_was_read_and_the_access_token_comes_first() {
    let world = signed_in().await;
    world.tokens.expire_access();
    current(&world).await.unwrap();
    let rows = ["mcp_oauth", "mcp_oauth_refresh", "mcp_oauth_client"];
    let expected = rows.map(|row| (row.to_owned(), true));
    assert_eq!(asked_for(&world), expected);
    // Where its row has expired away, the refresh token's is the one to be fought for.
    world.tokens.updates.lock().clear();
    world.tokens.rows.lock().remove("mcp_oauth");
    current(&world).await.unwrap();
    assert_eq!(asked_for(&world), expected[1..]);
    only_set(&world);
}

#[tokio::test]
async fn a_host_that_does_not_know_sets_is_asked_by_token_alone() {
    for has_sets in [true, false] {
        let world = signed_in().await;
        if !has_sets {
            world.forget_sets();
        }
        world.tokens.knows_no_sets.store(true, Ordering::Relaxed);
        world.tokens.expire_access();
        assert_eq!(current(&world).await.unwrap(), "at-1");
        only_set(&world);
        // One update in vain.
        assert_eq!(asked_for(&world).len(), 4);
        let updates = world.tokens.updates.lock();
        let none = Some(CredentialSet::None);
        assert_eq!(updates[0].credential_set == none, !has_sets);
        assert!(
            updates[1..]
                .iter()
                .all(|query| query.credential_set.is_none())
        );
    }
}

#[tokio::test]
async fn what_cannot_be_written_whole_is_undone() {
    for write in 0..3 {
        for login in [false, true] {
            let world = signed_in().await;
            let before = world.tokens.rows.lock().clone();
            let fault = |after| {
                Some(Fault {
                    after,
                    times: 3,
                    unanswered: false,
                })
            };
            let stored = if login {
                *world.tokens.fault.lock() = fault(write);
                let next = json!({ "access_token": "at-new", "refresh_token": "rt-new" });
                let client = ClientInfo::new(object(&json!({ "client_id": "d" }))).unwrap();
                world
                    .storage()
                    .store(&tokens(&next), Some((&client, None)), &Unwitnessed)
                    .await
            } else {
                let storage = world.storage();
                let grant = storage.grant().await.unwrap().unwrap();
                *world.tokens.fault.lock() = fault(write);
                storage
                    .store_refreshed(
                        &tokens(&json!({ "access_token": "at-new" })),
                        &grant,
                        &Unwitnessed,
                    )
                    .await
            };
            assert_eq!(stored.unwrap_err().message, "the database is away");
            let after = world.tokens.rows.lock().clone();
            for (kind, row) in &before {
                let mut now = after[kind].clone();
                now.created_at = row.created_at;
                assert_eq!(&now, row, "{write} {login} {kind}");
            }
        }
    }
    // Rows that were made go again.
    for write in 0..3 {
        let world = World::new().await;
        *world.tokens.fault.lock() = Some(Fault {
            after: write,
            times: 3,
            unanswered: false,
        });
        let client = ClientInfo::new(object(&json!({ "client_id": "c" }))).unwrap();
        let first = tokens(&json!({ "access_token": "a", "refresh_token": "r" }));
        world
            .storage()
            .store(&first, Some((&client, None)), &Unwitnessed)
            .await
            .unwrap_err();
        assert!(world.tokens.rows.lock().is_empty(), "{write}");
    }
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_known_by_what_is_there() {
    for write in 0..3 {
        for created in [false, true] {
            let world = World::new().await;
            if !created {
                world.store("at-0", Some("rt-0")).await;
            }
            *world.tokens.fault.lock() = Some(Fault {
                after: write,
                times: 1,
                unanswered: true,
            });
            world.store("at-1", Some("rt-1")).await;
            only_set(&world);
            assert_eq!(world.stored().await, ("at-1".to_owned(), "rt-1".to_owned()));
        }
    }
}

/// The process ends before a write. Whatever it has left, nobody uses tokens of two authorizations together, and the user
/// can log in again.
#[tokio::test]
async fn a_writer_that_dies_leaves_nothing_in_the_way() {
    for write in 1..3 {
        let world = signed_in().await;
        let storage = world.storage();
        let grant = storage.grant().await.unwrap().unwrap();
        *world.tokens.fault.lock() = Some(Fault {
            after: write,
            times: usize::MAX,
            unanswered: false,
        });
        let late =
            tokens(&json!({ "access_token": "at-1", "refresh_token": "rt-1", "expires_in": 600 }));
        storage
            .store_refreshed(&late, &grant, &Unwitnessed)
            .await
            .unwrap_err();
        *world.tokens.fault.lock() = None;
        assert_eq!(current(&world).await, None, "{write}");
        assert_eq!(world.server.script.lock().count("POST /token"), 0);
        world.store("at-2", Some("rt-2")).await;
        only_set(&world);
        assert_eq!(current(&world).await.unwrap(), "at-2");
    }
}
