//! Refresh tokens go to the authorization server that issued them, whatever the MCP server says.

use librechat_mcp_native::connection::AccessTokens;
use librechat_mcp_native::oauth::{ClientInfo, OAuthOptions, Tokens, Unwitnessed};
use serde_json::{Map, Value, json};

use crate::world::World;

const RESOURCE: &str = "/.well-known/oauth-protected-resource/mcp";
const METADATA: &str = "/.well-known/oauth-authorization-server";

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

/// A login of before, at `world.other`, whose client row says this; `None` for no row.
async fn signed_in(world: &World, row: Option<Value>) {
    let tokens = json!({ "access_token": "at-old", "refresh_token": "rt-0", "expires_in": 3600 });
    let tokens = Tokens::from_value(&tokens).unwrap();
    let client = json!({ "client_id": "c", "client_secret": "secret-client" });
    let client = ClientInfo::new(object(&client)).unwrap();
    let metadata = row.map(|row| object(&row));
    let client = metadata.as_ref().map(|row| (&client, Some(row)));
    world
        .storage()
        .store(&tokens, client, &Unwitnessed)
        .await
        .unwrap();
    if client.is_none() {
        world.forget_sets();
    }
    world.tokens.expire_access();
}

/// The MCP server passes for the authorization server.
fn lure(world: &World) {
    let own = world.server.origin();
    let other = world.other.origin();
    world.server.script.lock().documents.insert(
        METADATA,
        json!({
            "issuer": other,
            "authorization_endpoint": format!("{other}/authorize"),
            "token_endpoint": format!("{own}/token"),
        }),
    );
}

/// How many token requests each of the two got: the MCP server, and the authorization server.
fn token_requests(world: &World) -> (usize, usize) {
    let count = |server: &crate::server::Server| server.script.lock().count("POST /token");
    (count(&world.server), count(&world.other))
}

#[tokio::test]
async fn the_stored_row_says_where() {
    for (changes, config, refreshed) in [
        (json!({}), json!({}), true),
        (json!({ "issuer": null }), json!({}), true),
        (json!({ "token_endpoint": null }), json!({}), true),
        (
            json!({ "issuer": null, "token_endpoint": null }),
            json!({}),
            false,
        ),
        (
            json!({ "server_url": "https://mcp.test/mcp" }),
            json!({}),
            false,
        ),
        (json!({}), json!({ "token_url": "TOKEN" }), true),
        // The client has a secret, and nothing says that it is for the config's endpoint.
        (
            json!({ "issuer": null, "token_endpoint": null }),
            json!({ "token_url": "TOKEN" }),
            false,
        ),
        (
            json!({ "token_endpoint": null }),
            json!({ "token_url": "TOKEN", "client_id": "c", "client_secret": "secret-client" }),
            false,
        ),
        (
            json!({}),
            json!({ "token_url": "TOKEN", "client_id": "c", "client_secret": "secret-client" }),
            true,
        ),
        // The config wants another client, or the same one without a secret.
        (
            json!({}),
            json!({ "token_url": "TOKEN", "client_id": "d", "client_secret": "secret-client" }),
            false,
        ),
        (
            json!({}),
            json!({ "token_url": "TOKEN", "client_id": "c", "client_secret": "another" }),
            false,
        ),
        (
            json!({}),
            json!({ "token_url": "TOKEN", "client_id": "c" }),
            false,
        ),
        (
            json!({}),
            json!({ "token_url": "https://elsewhere.test/token" }),
            false,
        ),
        // A secret of the config goes to endpoints of the config alone.
        (
            json!({}),
            json!({ "client_id": "c", "client_secret": "secret-client" }),
            false,
        ),
    ] {
        let world = World::new().await;
        lure(&world);
        let issuer = world.other.origin();
        let token_endpoint = format!("{issuer}/token");
        let mut row = object(&json!({ "issuer": issuer, "token_endpoint": token_endpoint }));
        row.extend(object(&changes));
        signed_in(&world, Some(Value::Object(row))).await;
        let options = config.to_string().replace("TOKEN", &token_endpoint);
        let options: Value = serde_json::from_str(&options).unwrap();
        let options = OAuthOptions::new(options.as_object());
        let token = world.configured(None, options).current().await.unwrap();
        assert_eq!(token.is_some(), refreshed, "{changes} {config}");
        let requests = token_requests(&world);
        assert_eq!(requests, (0, usize::from(refreshed)), "{changes} {config}");
    }
}

#[tokio::test]
async fn without_a_row_only_a_server_that_is_its_own_authorization_server_gets_it() {
    let world = World::new().await;
    signed_in(&world, None).await;
    let names = |issuer: String| {
        let resource = format!("{}/mcp", world.server.origin());
        json!({ "resource": resource, "authorization_servers": [issuer] })
    };
    let publish = |path: &'static str, document: Value| {
        let mut script = world.server.script.lock();
        script.documents.insert(path, document);
    };
    // It names another one, whose metadata is good.
    publish(RESOURCE, names(world.other.origin()));
    assert_eq!(world.authorizer(None).current().await.unwrap(), None);
    // It names itself, with an endpoint elsewhere; then nobody, and passes for the other one.
    let (own, other) = (world.server.origin(), world.other.origin());
    publish(RESOURCE, names(own.clone()));
    publish(
        METADATA,
        json!({
            "issuer": own,
            "authorization_endpoint": format!("{other}/authorize"),
            "token_endpoint": format!("{own}/token"),
        }),
    );
    assert_eq!(world.authorizer(None).current().await.unwrap(), None);
    lure(&world);
    publish(RESOURCE, json!({ "resource": format!("{own}/mcp") }));
    assert_eq!(world.authorizer(None).current().await.unwrap(), None);
    assert_eq!(token_requests(&world), (0, 0));
    world.server.script.lock().documents.clear();
    let token = world.authorizer(None).current().await.unwrap();
    assert_eq!(token.unwrap().token.expose(), "at-1");
    assert_eq!(token_requests(&world), (1, 0));
}

#[tokio::test]
async fn a_login_leaves_no_refresh_token_of_before() {
    let world = World::new().await;
    let row =
        |origin: String| json!({ "issuer": origin, "token_endpoint": format!("{origin}/token") });
    for (next, client_id) in [
        (Some(row(world.other.origin())), "c"),
        (Some(row(world.other.origin())), "d"),
        (Some(row(world.server.origin())), "c"),
        (None, "c"),
    ] {
        signed_in(&world, Some(row(world.other.origin()))).await;
        let tokens = Tokens::from_value(&json!({ "access_token": "at-new" })).unwrap();
        let client = ClientInfo::new(object(&json!({ "client_id": client_id }))).unwrap();
        let metadata = next.as_ref().map(object);
        let login = Some((&client, metadata.as_ref()));
        let stored = world
            .storage()
            .store(&tokens, login, &Unwitnessed)
            .await
            .unwrap();
        let left = world.storage().refresh_token().await.unwrap();
        assert!(left.is_none(), "{next:?} {client_id}");
        let client = world.storage().client().await.unwrap().unwrap();
        assert_eq!(client.credential_set_id(), stored.credential_set_id());
        let mut known = client.metadata;
        known.remove("credential_set_id");
        assert_eq!(known, metadata.unwrap_or_default());
    }
}
