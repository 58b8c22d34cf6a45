//! The use case with OAuth: live refresh, step-up, reconnection.

use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

use librechat_mcp_native::connection::{CallOptions, Params, TaskCall, list_tools};
use librechat_mcp_native::error::Code;
use librechat_mcp_native::host::User;
use librechat_mcp_native::manager::{Acquire, CallScope, Consent, Manager, ServerCall};
use librechat_mcp_native::oauth::Reconnections;
use librechat_mcp_native::reconnect::Reconnect;
use librechat_mcp_native::reinit::{FailureReason, Reinit, Reinitialized, reinit};
use librechat_mcp_native::settings::Settings;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::flows::complete;
use crate::world::{SERVER, USER, World};

fn user() -> User {
    User {
        id: Some(USER.to_owned()),
        ..User::default()
    }
}

async fn call(world: &World, manager: &Manager) -> Reinitialized {
    let call = Reinit {
        has_config_servers: false,
        is_principals: false,
        request: None,
        host: world.host(None),
        settings: Arc::default(),
        user: Some(user()),
        server_name: Some(SERVER.to_owned()),
        force_new: false,
        user_vars: None,
        connection_timeout: Some(Duration::from_secs(15)),
        return_on_oauth: true,
        server_config: None,
        request_body: None,
        cancel: CancellationToken::new(),
    };
    reinit(manager, &call).await.unwrap()
}

#[tokio::test]
async fn a_token_that_ends_during_a_session_is_refreshed_silently() {
    let world = World::new().await;
    world.store("at-0", Some("rt-0")).await;
    let manager = Manager::new(true, Handle::current());
    assert!(call(&world, &manager).await.success);

    let host = world.host(None);
    let (settings, user) = (Arc::<Settings>::default(), user());
    let scope = CallScope {
        config_is_registered: false,
        is_principals: false,
        host: &host,
        settings: &settings,
        user: Some(&user),
        user_vars: None,
        body: None,
        request: None,
    };
    let lookup = librechat_mcp_native::host::Lookup {
        user_id: None,
        config_servers: false,
    };
    let raw = host.registry.server_config(SERVER, lookup).await.unwrap();
    let config = raw.unwrap().config().unwrap();
    let server = manager.scope(&scope, SERVER, Some(config)).await.unwrap();
    let options = CallOptions::new(
        Instant::now() + Duration::from_secs(15),
        CancellationToken::new(),
    );
    let recipe = manager.recipe(&scope, &server, None).unwrap();
    let request = Acquire::new(server.key, Arc::new(recipe), options.clone());
    let lease = manager.acquire(&request).await.unwrap();
    assert!(lease.is_reused());

    // The server takes another token from now on; requests at the same time need one refresh.
    world.server.script.lock().accepted = "revoked".to_owned();
    let connection = lease.connection();
    let lists = (0..3).map(|_| list_tools(connection, &options));
    for list in futures::future::join_all(lists).await {
        assert_eq!(list.unwrap().tools.count(), 1);
    }
    assert_eq!(world.server.script.lock().count("POST /token"), 1);
    assert_eq!(world.stored().await.0, "at-1");

    // Where refreshing does not help, the request is not sent for ever.
    {
        let mut script = world.server.script.lock();
        script.accepted = "revoked".to_owned();
        script.revoked = true;
    }
    let error = list_tools(connection, &options).await.unwrap_err();
    assert_eq!(error.code, Code::ToolsListFailed);
    assert_eq!(world.server.script.lock().count("POST /token"), 2);
    drop(lease);
    manager.close().await;
}

#[tokio::test]
async fn a_session_whose_token_is_gone_leads_to_a_flow() {
    let world = World::new().await;
    world.store("at-0", None).await;
    let manager = Manager::new(true, Handle::current());
    assert!(!call(&world, &manager).await.oauth_required);
    world.server.script.lock().accepted = "another".to_owned();
    let result = call(&world, &manager).await;
    assert!(result.success && result.oauth_required && result.oauth_url.is_some());
    assert!(result.tools.is_none() && result.tools_error.is_none());
    assert!(!manager.has_user_connection(USER, SERVER));
    manager.close().await;
}

#[tokio::test]
async fn a_tool_call_waits_for_the_user() {
    let world = World::new().await;
    let manager = Manager::new(true, Handle::current());
    let (host, settings, user) = (world.host(None), Arc::<Settings>::default(), user());
    let call_tool = async || {
        let call = ServerCall {
            requires_user_vars: false,
            scope: CallScope {
                host: &host,
                settings: &settings,
                user: Some(&user),
                user_vars: None,
                body: None,
                request: None,
                config_is_registered: true,
                is_principals: false,
            },
            server_name: SERVER,
            config: Ok(None),
            method: "tools/call",
            params: Params::Tool {
                name: "echo",
                arguments: None,
            },
            consent: Some(Consent::waiting(&host)),
            connect_timeout: None,
            timeout: None,
            max_total_timeout: None,
            since: None,
            progress: None,
            carried_by: None,
            cancel: CancellationToken::new(),
        };
        let mut task = TaskCall::default();
        manager.call_tool(call, &mut task, "openai").await
    };
    // Completes the user's flow once there is one that brings this token.
    let authorize = async |token: &str| {
        for _ in 0..1000 {
            let tokens = complete(&world, None).await;
            if tokens.is_ok_and(|tokens| tokens.access_token().expose() == token) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("no flow to complete");
    };
    let (called, ()) = tokio::join!(call_tool(), authorize("at-1"));
    assert!(called.is_ok());
    assert_eq!(world.stored().await.0, "at-1");

    // Neither the token nor its refresh token is good any more, in the middle of a session.
    {
        let mut script = world.server.script.lock();
        script.accepted = "revoked".to_owned();
        script.refresh_token = "revoked".to_owned();
    }
    let (called, ()) = tokio::join!(call_tool(), authorize("at-2"));
    assert!(called.is_ok());
    assert_eq!(world.stored().await.0, "at-2");
    manager.close().await;
}

#[tokio::test]
async fn missing_scopes_are_asked_for_once() {
    let world = World::new().await;
    world.store("at-0", None).await;
    world.server.script.lock().forbidden =
        Some(r#"Bearer error="insufficient_scope", scope="write""#.to_owned());
    let manager = Manager::new(true, Handle::current());
    let first = call(&world, &manager).await;
    assert!(first.success && first.oauth_required);
    let url = Url::parse(&first.oauth_url.unwrap()).unwrap();
    let scope = url.query_pairs().find(|(name, _)| name == "scope").unwrap();
    assert_eq!(scope.1, "read write");
    assert!(first.oauth_expires_at.is_some());

    // The user grants them, and the server says the same again.
    let flows = world.host(None).flows.unwrap();
    let tokens = serde_json::json!({ "access_token": "at-0" });
    flows
        .complete(crate::world::FLOW, "mcp_oauth", &tokens)
        .await
        .unwrap();
    let second = call(&world, &manager).await;
    assert!(!second.success && second.oauth_url.is_none());
    assert_eq!(second.failure_reason, Some(FailureReason::OAuthRequired));
    assert_eq!(second.error.unwrap().code, Code::InsufficientScope);
    manager.close().await;
}

#[tokio::test]
async fn servers_are_reconnected_from_stored_tokens() {
    let world = World::new().await;
    let manager = Manager::new(true, Handle::current());
    let tracker = Arc::new(Reconnections::default());
    let reconnect = Reconnect {
        manager: manager.clone(),
        host: world.host(None),
        user_id: USER.to_owned(),
        tracker: Arc::clone(&tracker),
    };
    let settled = async || {
        for _ in 0..1000 {
            if !tracker.is_reconnecting(USER, SERVER) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the reconnection goes on for ever");
    };

    reconnect.all().await.unwrap();
    assert!(!tracker.is_reconnecting(USER, SERVER), "no tokens, no try");

    world.store("at-old", Some("rt-0")).await;
    world.tokens.expire_access();
    reconnect.all().await.unwrap();
    assert!(tracker.is_reconnecting(USER, SERVER));
    settled().await;
    assert!(manager.has_user_connection(USER, SERVER));
    assert_eq!(tracker.stats().users_with_failed_servers, 0);
    assert_eq!(world.server.script.lock().count("POST /token"), 1);

    let other = Manager::new(true, Handle::current());
    let failing = Reconnect {
        manager: other.clone(),
        ..reconnect.clone()
    };
    {
        let mut script = world.server.script.lock();
        script.accepted = "revoked".to_owned();
        script.revoked = true;
    }
    failing.all().await.unwrap();
    settled().await;
    assert_eq!(tracker.stats().users_with_failed_servers, 1);
    assert_eq!(
        world.server.script.lock().count("POST /register"),
        0,
        "nobody is asked"
    );
    other.close().await;
    manager.close().await;
}
