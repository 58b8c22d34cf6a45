//! Flows: started, joined, replaced, completed.

use std::sync::Arc;
use std::time::Duration;

use librechat_mcp_native::error::{Code, Result};
use librechat_mcp_native::foreign_text::SentSecrets;
use librechat_mcp_native::host::{Environment, FlowStatus, FlowStore, Logger};
use librechat_mcp_native::network::HttpClient;
use librechat_mcp_native::oauth::{
    Authorizer, Callback, Completion, FlowRequest, FlowStart, Pending, Received, Tokens,
    resolve_state,
};
use librechat_mcp_native::secret::Secret;
use librechat_mcp_native::settings::Settings;
use tokio::time::Instant;
use url::Url;

use crate::world::{FLOW, World};

async fn begin(authorizer: &Authorizer) -> Pending {
    match authorizer.begin(&FlowRequest::default()).await.unwrap() {
        FlowStart::Pending(pending) => *pending,
        FlowStart::Completed => panic!("the flow is not completed"),
    }
}

fn parameter(pending: &Pending, name: &str) -> Option<String> {
    let url = Url::parse(&pending.authorization_url).unwrap();
    let found = url.query_pairs().find(|(key, _)| key == name)?;
    Some(found.1.into_owned())
}

pub async fn complete(world: &World, received: Option<Received>) -> Result<Tokens> {
    let completion = Completion {
        keys: None,
        http: HttpClient::new(),
        flows: Arc::clone(&world.flows) as _,
        oauth_headers: indexmap::IndexMap::new(),
        environment: Environment::default(),
        settings: Settings::default(),
        logger: Logger::silent(),
        credentials_key: Arc::new(None::<Secret>),
        persist: None,
        tls: None,
        secrets: SentSecrets::default(),
    };
    let callback = Callback {
        code: Secret::from("the-code"),
        received,
        attempt: None,
    };
    completion.complete(FLOW, &callback).await
}

async fn status(world: &World) -> Option<FlowStatus> {
    let flow = world.flows.get(FLOW, "mcp_oauth").await.unwrap();
    flow.map(|flow| flow.status)
}

#[tokio::test]
async fn calls_at_the_same_time_share_a_flow() {
    let world = World::new().await;
    let authorizer = world.authorizer(None);
    let (one, other) = tokio::join!(begin(&authorizer), begin(&authorizer));
    assert_eq!(one.authorization_url, other.authorization_url);
    assert!(!one.joined && other.joined);
    assert!(one.expires_at.abs_diff(other.expires_at) < 60_000);
    // So does another process.
    let third = begin(&world.authorizer(None)).await;
    assert_eq!(third.authorization_url, one.authorization_url);
    assert_eq!(world.server.script.lock().count("POST /register"), 1);
    assert_eq!(
        parameter(&one, "resource"),
        Some(format!("{}/mcp", world.server.origin()))
    );
}

#[tokio::test]
async fn an_old_flow_is_replaced_with_its_state() {
    let world = World::new().await;
    let authorizer = world.authorizer(None);
    let old = begin(&authorizer).await;
    let state = |pending: &Pending| Secret::new(parameter(pending, "state").unwrap());
    let resolved = resolve_state(&*world.flows, &state(&old)).await.unwrap();
    assert_eq!(resolved.as_deref(), Some(FLOW));
    *world.flows.age.lock() = 2 * 60 * 1000;
    let new = begin(&authorizer).await;
    assert_ne!(state(&old), state(&new));
    let resolved = resolve_state(&*world.flows, &state(&old)).await.unwrap();
    assert_eq!(resolved, None, "the old URL leads nowhere");
    let resolved = resolve_state(&*world.flows, &state(&new)).await.unwrap();
    assert_eq!(resolved.as_deref(), Some(FLOW));
}

#[tokio::test]
async fn waiting_ends_with_stored_tokens() {
    let world = World::new().await;
    let authorizer = world.authorizer(None);
    let pending = begin(&authorizer).await;
    let deadline = Instant::now() + Duration::from_secs(15);
    let callback = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let received = Received {
            state: parameter(&pending, "state").map(Secret::new),
            iss: Some(world.server.origin()),
        };
        complete(&world, Some(received)).await.unwrap()
    };
    let (waited, tokens) = tokio::join!(authorizer.wait(&pending, deadline), callback);
    waited.unwrap();
    assert_eq!(tokens.access_token().expose(), "at-1");
    assert_eq!(world.stored().await, ("at-1".to_owned(), "rt-1".to_owned()));
    let client = world.storage().client().await.unwrap().unwrap();
    assert_eq!(client.client.id(), "registered");
    assert_eq!(
        client.metadata["token_endpoint"],
        format!("{}/token", world.server.origin())
    );
    assert!(!client.client.0.contains_key("registration_access_token"));
    {
        let script = world.server.script.lock();
        assert_eq!(script.form(0, "code"), Some("the-code"));
        assert!(
            script
                .form(0, "code_verifier")
                .is_some_and(|it| it.len() == 43)
        );
        let resource = format!("{}/mcp", world.server.origin());
        assert_eq!(script.form(0, "resource"), Some(resource.as_str()));
    }
    // Completing again gives the same tokens and asks nobody.
    let again = complete(&world, None).await.unwrap();
    assert_eq!(again.access_token(), tokens.access_token());
    assert_eq!(world.server.script.lock().count("POST /token"), 1);
}

#[tokio::test]
async fn the_wait_is_bounded_and_leaves_the_flow() {
    let world = World::new().await;
    let authorizer = world.authorizer(None);
    let pending = begin(&authorizer).await;
    let deadline = Instant::now() + Duration::from_millis(300);
    let error = authorizer.wait(&pending, deadline).await.unwrap_err();
    assert_eq!(error.code, Code::OAuthTimeout);
    assert_eq!(status(&world).await, Some(FlowStatus::Pending));
}

#[tokio::test]
async fn foreign_answers_are_refused() {
    let world = World::new().await;
    let pending = begin(&world.authorizer(None)).await;
    let received = |state: &str, iss: Option<&str>| {
        Some(Received {
            state: Some(Secret::from(state)),
            iss: iss.map(str::to_owned),
        })
    };
    let state = parameter(&pending, "state").unwrap();
    let origin = world.server.origin();
    let error = complete(&world, received("forged", Some(&origin))).await;
    assert_eq!(error.unwrap_err().code, Code::OAuthFlowFailed);
    assert_eq!(
        status(&world).await,
        Some(FlowStatus::Pending),
        "a forged callback does not end the user's flow"
    );
    for iss in [Some("https://evil.test"), None] {
        let error = complete(&world, received(&state, iss)).await.unwrap_err();
        assert_eq!(error.code, Code::OAuthFlowFailed, "{iss:?}");
        assert_eq!(status(&world).await, Some(FlowStatus::Failed));
    }
    assert_eq!(world.server.script.lock().count("POST /token"), 0);
    let log = world.lines.text();
    for name in ["state", "code_challenge"] {
        assert!(!log.contains(&parameter(&pending, name).unwrap()));
    }
}

#[tokio::test]
async fn a_failed_flow_keeps_nothing_that_was_sent() {
    let world = World::new().await;
    begin(&world.authorizer(None)).await;
    let description = "the-code, dGhlLWNvZGU= and %74he-code are not known\u{1b}[2J";
    let told = serde_json::json!({ "error": "invalid_grant", "error_description": description });
    world.server.script.lock().token_answer = Some((400, told.to_string()));
    let error = complete(&world, None).await.unwrap_err();
    let expected = "Token exchange failed: 400 Bad Request - invalid_grant: ***, ***= and *** are not known\\u{1b}[2J";
    assert_eq!(error.message, expected);
    let flow = world.flows.get(FLOW, "mcp_oauth").await.unwrap().unwrap();
    assert_eq!(flow.error.as_deref(), Some(expected));
}

#[tokio::test]
async fn a_client_that_the_server_forgot_is_registered_anew() {
    let world = World::new().await;
    let authorizer = world.authorizer(None);
    let pending = begin(&authorizer).await;
    let deadline = Instant::now() + Duration::from_secs(15);
    let (waited, _) = tokio::join!(authorizer.wait(&pending, deadline), async {
        complete(&world, None).await.unwrap()
    });
    waited.unwrap();

    // The registration is used again, until an exchange says that it is unknown.
    let pending = begin(&authorizer).await;
    assert_eq!(world.server.script.lock().count("POST /register"), 1);
    world.server.script.lock().token_answer =
        Some((401, r#"{"error":"invalid_client"}"#.to_owned()));
    assert!(complete(&world, None).await.is_err());
    assert_eq!(status(&world).await, Some(FlowStatus::Failed));
    let next = begin(&authorizer).await;
    assert_ne!(next.authorization_url, pending.authorization_url);
    assert_eq!(world.server.script.lock().count("POST /register"), 2);
}
