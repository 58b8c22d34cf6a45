//! Requests to authorization servers: over connections that are lost, and what they carry.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use indexmap::IndexMap;
use librechat_mcp_native::error::Code;
use librechat_mcp_native::host::{Environment, NetworkRules};
use librechat_mcp_native::network::HttpClient;
use librechat_mcp_native::oauth::{Endpoints, Form, Party};
use librechat_mcp_native::secret::Secret;
use serde_json::{Value, json};
use support::http::Received;
use support::scripted::{Action, Scripted};
use support::wire::{Step, response};
use url::Url;

fn endpoints(server: &Scripted) -> Endpoints {
    endpoints_of(&[server], &IndexMap::new())
}

fn endpoints_of(servers: &[&Scripted], headers: &IndexMap<String, String>) -> Endpoints {
    let address = |server: &&Scripted| format!("127.0.0.1:{}", server.port);
    let rules = NetworkRules {
        allowed_addresses: servers.iter().map(address).collect(),
        ..NetworkRules::default()
    };
    let (http, environment) = (HttpClient::new(), Environment::default());
    Endpoints::new(http, &rules, &environment, None, headers).unwrap()
}

/// A server that takes these steps, request by request, and the last for all that follow.
async fn server(answers: Vec<Vec<Step>>) -> Scripted {
    let next = AtomicUsize::new(0);
    Scripted::start(move |_| {
        let index = next.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
        Action::Reply(answers[index].clone())
    })
    .await
}

fn answer(status: &str) -> Vec<Step> {
    vec![Step::Send(response(status, "application/json", b"{}"))]
}

fn closed() -> Vec<Step> {
    vec![Step::Close]
}

#[tokio::test]
async fn a_form_is_sent_once_more_where_nothing_was_answered() {
    let form = {
        let mut form = Form::default();
        form.set("grant_type", "refresh_token");
        form.set("refresh_token", "rt");
        form
    };
    let broken_off = vec![
        Step::Send(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{".into()),
        Step::Close,
    ];
    let (ok, failed) = (answer("200 OK"), answer("500 Internal Server Error"));
    let reset = vec![Step::Reset];
    let loss = Err(Code::ConnectionLost);
    let cases = [
        ("answered", vec![ok.clone()], Ok(200), 1),
        ("closed", vec![closed(), ok.clone()], Ok(200), 2),
        ("reset", vec![reset, ok.clone()], Ok(200), 2),
        (
            "closed again",
            vec![closed(), closed(), ok.clone()],
            loss,
            2,
        ),
        ("broken off", vec![broken_off, ok.clone()], loss, 1),
        ("refused", vec![failed, ok], Ok(500), 1),
    ];
    for (name, answers, expected, sent) in cases {
        let server = server(answers).await;
        let url = Url::parse(&server.url("/token")).unwrap();
        let outcome = endpoints(&server).post_form(&url, &form, None).await;
        let outcome = outcome.map(|answer| answer.status.as_u16());
        assert_eq!(outcome.map_err(|error| error.code), expected, "{name}");
        let received = server.received();
        assert_eq!(received.len(), sent, "{name}");
        for request in received {
            let length = form.encode().len().to_string();
            assert_eq!(request.header("content-length"), Some(&*length), "{name}");
        }
    }
}

#[tokio::test]
async fn a_kept_connection_that_the_server_closes_is_such_a_case() {
    let server = server(vec![answer("200 OK"), closed(), answer("200 OK")]).await;
    let url = Url::parse(&server.url("/token")).unwrap();
    let endpoints = endpoints(&server);
    for sent in [1, 3] {
        let outcome = endpoints.post_form(&url, &Form::default(), None).await;
        assert!(outcome.is_ok_and(|answer| answer.status == 200));
        assert_eq!(server.received().len(), sent);
    }
}

#[tokio::test]
async fn a_registration_is_sent_once() {
    let server = server(vec![closed(), answer("201 Created")]).await;
    let url = Url::parse(&server.url("/register")).unwrap();
    let outcome = endpoints(&server).post_json(&url, &json!({})).await;
    assert_eq!(
        outcome.err().map(|error| error.code),
        Some(Code::ConnectionLost)
    );
    assert_eq!(server.received().len(), 1);
}

/// Whatever was sent to an endpoint, in the body or in a header, and comes back in a member of its error.
#[tokio::test]
async fn an_error_repeats_nothing_of_its_request() {
    const SENT: [&str; 6] = [
        "the-code-of-this-flow",
        "the-verifier-of-this-flow",
        "a-client/secret+of~this",
        "header.assertion.signature",
        "a-header-of-the-config",
        "the-basic/secret+of~this",
    ];
    let [code, verifier, secret, assertion, header, password] = SENT;
    let basic = STANDARD.encode(format!(
        "client:{}",
        url::form_urlencoded::byte_serialize(password.as_bytes()).collect::<String>()
    ));
    let mut form = Form::default();
    for (name, value) in [
        ("grant_type", "authorization_code"),
        ("client_id", "a-public-client"),
        ("code", code),
        ("code_verifier", verifier),
        ("client_secret", secret),
        ("client_assertion", assertion),
    ] {
        form.set(name, value);
    }
    let headers = IndexMap::from([("x-of-config".to_owned(), header.to_owned())]);
    for sent in SENT.into_iter().chain([basic.as_str()]) {
        let each_byte = |write: fn(u8) -> String| sent.bytes().map(write).collect::<String>();
        let echoes = [
            sent.to_owned(),
            sent[..12].to_owned(),
            STANDARD.encode(format!("a-public-client:{sent}")),
            each_byte(|byte| format!("%{byte:02X}")),
            each_byte(|byte| format!("{byte:02x}")),
        ];
        for echo in echoes {
            for body in [
                json!({ "error": echo, "error_description": "(a-public-client)" }),
                json!({ "error": "invalid_grant", "error_description": format!("{echo} (a-public-client)") }),
            ] {
                for status in ["400 Bad Request", "200 OK", "500 Oops"] {
                    let body = body.to_string();
                    let answer = vec![Step::Send(response(
                        status,
                        "application/json",
                        body.as_bytes(),
                    ))];
                    let server = server(vec![answer]).await;
                    let endpoints = endpoints_of(&[&server], &headers);
                    let url = Url::parse(&server.url("/token")).unwrap();
                    let authorization = Secret::from(format!("Basic {basic}").as_str());
                    let answer = endpoints
                        .post_form(&url, &form, Some(&authorization))
                        .await
                        .unwrap();
                    let error = answer
                        .success(Code::OAuthExchangeFailed, "Token exchange")
                        .unwrap_err();
                    assert!(
                        error.message.contains("***")
                            && error.message.contains("(a-public-client)"),
                        "{echo}: {error}"
                    );
                    assert!(!error.message.contains(&echo), "{echo} in {error}");
                }
            }
        }
    }
}

#[tokio::test]
async fn an_error_is_short_and_of_one_line() {
    let told: Value = json!({
        "error": "invalid_grant\u{1b}[2J\r\nFAKE\u{202e}",
        "error_description": "D".repeat(900_000),
    });
    let body = told.to_string();
    let answer = vec![Step::Send(response(
        "400 Bad Request",
        "application/json",
        body.as_bytes(),
    ))];
    let server = server(vec![answer]).await;
    let url = Url::parse(&server.url("/token")).unwrap();
    let answer = endpoints(&server)
        .post_form(&url, &Form::default(), None)
        .await
        .unwrap();
    let error = answer
        .success(Code::OAuthRefreshFailed, "Token refresh")
        .unwrap_err();
    let expected =
        r"Token refresh failed: 400 Bad Request - invalid_grant\u{1b}[2J\r\nFAKE\u{202e}: DDD";
    assert!(error.message.starts_with(expected), "{error}");
    assert!(error.message.len() < 3000);
}

/// `oauth_headers` that each server got, in the order of its requests.
fn keys(server: &Scripted) -> Vec<Option<String>> {
    let requests = server.received();
    let key = |request: &Received| request.header("x-key").map(str::to_owned);
    requests.iter().map(key).collect()
}

fn with_key(servers: &[&Scripted]) -> Endpoints {
    let headers = IndexMap::from([("X-Key".to_owned(), "secret-of-the-gateway".to_owned())]);
    endpoints_of(servers, &headers)
}

/// One request of each kind: a document and a probe of an MCP server, a document, a registration and a form of an
/// authorization server.
async fn ask_all(endpoints: &Endpoints, server: &Scripted) {
    let url = Url::parse(&server.url("/")).unwrap();
    let limit = Duration::from_secs(10);
    endpoints.get(&url, Party::McpServer).await.unwrap();
    endpoints.probe(Method::POST, &url, limit).await.unwrap();
    endpoints
        .get(&url, Party::AuthorizationServer)
        .await
        .unwrap();
    endpoints.post_json(&url, &json!({})).await.unwrap();
    let form = Form::default();
    endpoints.post_form(&url, &form, None).await.unwrap();
}

#[tokio::test]
async fn configured_headers_are_for_the_authorization_server() {
    let (server, other) = (
        server(vec![answer("200 OK")]).await,
        server(vec![answer("200 OK")]).await,
    );
    let key = || Some("secret-of-the-gateway".to_owned());
    let bound = with_key(&[&server, &other]);
    ask_all(&bound, &server).await;
    assert_eq!(keys(&server), [None, None, key(), key(), key()]);

    let upper = server.url("/token").replace("http:", "HTTP:");
    let configured = bound.clone().configured_at(&[&upper]);
    ask_all(&configured, &server).await;
    assert_eq!(keys(&server)[5..], [None, None, key(), key(), key()]);
    ask_all(&configured, &other).await;
    assert_eq!(keys(&other), [None, None, None, None, None]);

    let nowhere = bound.configured_at(&["no url"]);
    ask_all(&nowhere, &server).await;
    assert_eq!(keys(&server)[10..], [None, None, None, None, None]);
}

#[tokio::test]
async fn configured_headers_and_forms_do_not_follow_redirects_elsewhere() {
    let other = server(vec![answer("200 OK")]).await;
    let to_other = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
        other.url("/")
    );
    let server = server(vec![vec![Step::Send(to_other.into_bytes())]]).await;
    let endpoints = with_key(&[&server, &other]);
    let url = Url::parse(&server.url("/")).unwrap();
    // Addresses that are allowed for the configured server are not for redirects.
    let document = endpoints.get(&url, Party::AuthorizationServer).await;
    assert!(document.is_err());
    let form = endpoints.post_form(&url, &Form::default(), None).await;
    let registration = endpoints.post_json(&url, &json!({})).await;
    for answer in [form, registration] {
        assert!(answer.is_ok_and(|answer| answer.status == 307));
    }
    assert!(other.received().is_empty());
}
