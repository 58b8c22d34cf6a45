//! Streamable HTTP (MCP 2025-11-25, chapter "Transports"): sessions, resumption, the optional GET stream.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod given_up;
mod lists;
mod lost;
mod lost_once;
#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use librechat_mcp_native::connection::Connection;
use librechat_mcp_native::error::Code;
use librechat_mcp_native::transport::StreamRefusal;
use serde_json::{Value, json};
use support::http::Received;
use support::scripted::{Action, Scripted, accepted, events, json, json_with, reply};
use support::server::{initialized, ms, result, tools};
use support::wire::{Step, Wire};
use support::{list, open, open_known, recipe, until, within};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);
/// What a server says of a session that it does not know.
const UNKNOWN: &str =
    r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Session not found"}}"#;

/// What a well-behaved server does, sessions named by number.
#[derive(Clone, Default)]
struct Sessions(Arc<AtomicUsize>);

impl Sessions {
    fn answer(&self, request: &Received) -> Action {
        match (request.method.as_str(), request.rpc()) {
            (_, "initialize") => {
                let session = self.0.fetch_add(1, Ordering::SeqCst);
                let header = format!("mcp-session-id: session-{session}\r\n");
                json_with(&header, &initialized(&request.message))
            }
            (_, "tools/list") => json(&tools(request.id())),
            ("POST", _) if request.id().is_null() => accepted(),
            ("POST", _) => json(&result(request.id(), &json!({ "done": true }))),
            _ => reply("405 Method Not Allowed", "text/plain", b""),
        }
    }
}

async fn start(
    special: impl Fn(&Received) -> Option<Action> + Send + Sync + 'static,
) -> (Scripted, Connection) {
    let sessions = Sessions::default();
    let server = Scripted::start(move |request| {
        special(request).unwrap_or_else(|| sessions.answer(request))
    })
    .await;
    let connection = open(&recipe(config(&server))).await.unwrap();
    (server, connection)
}

fn config(server: &Scripted) -> Value {
    json!({ "type": "streamable-http", "url": server.url("/mcp") })
}

async fn call(connection: &Connection, seconds: f64) -> Result<Value, Code> {
    let params = Some(json!({ "name": "echo", "arguments": {} }));
    let outcome = connection
        .request("tools/call", params.as_ref(), &within(seconds))
        .await;
    outcome
        .map(|text| serde_json::from_str(text.get()).unwrap())
        .map_err(|error| error.code)
}

fn session(request: &Received) -> String {
    request.header("mcp-session-id").unwrap().to_owned()
}

fn event(id: &str, message: &[u8]) -> String {
    format!("id: {id}\ndata: {}\n\n", String::from_utf8_lossy(message))
}

#[tokio::test]
async fn a_response_is_resumed_where_it_broke_off() {
    let (server, connection) =
        start(
            |request| match (request.rpc(), request.header("last-event-id")) {
                ("tools/call", _) => Some(events("id: e1\nretry: 1500\ndata:\n\n")),
                (_, Some("e1")) => {
                    // The id of the call: `initialize` had 0.
                    Some(events(&event(
                        "e2",
                        &result(&json!(1), &json!({ "resumed": true })),
                    )))
                }
                _ => None,
            },
        )
        .await;
    let began = Instant::now();
    assert_eq!(
        call(&connection, 15.0).await,
        Ok(json!({ "resumed": true }))
    );
    // A second, were it not for the server's own interval.
    assert!(began.elapsed() >= Duration::from_millis(1500));
    assert_eq!(server.rpc("tools/call").len(), 1);
    let gets = server.of("GET");
    let resumed: Vec<_> = gets
        .iter()
        .filter(|request| request.header("last-event-id").is_some())
        .collect();
    assert_eq!(resumed.len(), 1, "{gets:?}");
    assert_eq!(resumed[0].header("mcp-session-id"), Some("session-0"));
    assert!(resumed[0].header("mcp-protocol-version").is_some());
}

#[tokio::test]
async fn a_response_that_cannot_be_resumed_is_lost_and_never_asked_for_again() {
    for broken in [
        || vec![Step::Send(Wire::Events.answer(&[]))],
        || vec![Step::Reset],
        || vec![Step::Send(b"HTTP/1.1 200".to_vec()), Step::Reset],
        || vec![Step::Send(Wire::Events.answer(&[])), Step::Reset],
    ] {
        let (server, connection) = start(move |request| {
            let mut steps = broken();
            steps.push(Step::Close);
            (request.rpc() == "tools/call").then_some(Action::Reply(steps))
        })
        .await;
        let code = call(&connection, 5.0).await.unwrap_err();
        assert!(
            matches!(code, Code::ConnectionLost | Code::ConnectionFailed),
            "{code:?}"
        );
        sleep(SECOND / 2).await;
        assert_eq!(server.rpc("tools/call").len(), 1, "a tool ran once at most");
        assert!(list(&connection, 5.0).await.is_ok());
    }
}

#[tokio::test]
async fn resumption_that_fails_ends() {
    let (server, connection) =
        start(
            |request| match (request.rpc(), request.header("last-event-id")) {
                ("tools/call", _) => Some(events("id: e1\nretry: 10\ndata:\n\n")),
                (_, Some(_)) => Some(reply("400 Bad Request", "text/plain", b"")),
                _ => None,
            },
        )
        .await;
    assert_eq!(call(&connection, 15.0).await, Err(Code::ConnectionLost));
    assert_eq!(server.rpc("tools/call").len(), 1);
    let resumed = server.of("GET").into_iter();
    let resumed = resumed.filter(|request| request.header("last-event-id").is_some());
    assert!(resumed.count() <= 4);
}

#[tokio::test]
async fn servers_without_a_get_stream() {
    for status in [
        "405 Method Not Allowed",
        "404 Not Found",
        "409 Conflict",
        "400 Bad Request",
        "500 Internal Server Error",
        "200 OK",
    ] {
        let (server, connection) = start(move |request| {
            (request.method == "GET").then(|| reply(status, "text/html", b"<html>"))
        })
        .await;
        for _ in 0..2 {
            assert!(list(&connection, 5.0).await.is_ok(), "{status}");
        }
        until("the GET", || !server.of("GET").is_empty()).await;
        sleep(SECOND / 5).await;
        assert!(!connection.is_closed(), "{status}");
        assert_eq!(server.of("GET").len(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_server_without_a_get_stream_is_not_asked_by_every_session() {
    for (status, asked) in [("405 Method Not Allowed", 1), ("409 Conflict", 2)] {
        let (server, _first) = start(move |request| {
            (request.method == "GET").then(|| reply(status, "text/plain", b""))
        })
        .await;
        until("the first GET", || !server.of("GET").is_empty()).await;
        let (recipe, refusal) = (recipe(config(&server)), StreamRefusal::default());
        for _ in 0..2 {
            let connection = open_known(&recipe, refusal.clone()).await.unwrap();
            assert!(list(&connection, 5.0).await.is_ok());
            until("the next GET", || server.of("GET").len() > 1).await;
            sleep(SECOND / 5).await;
        }
        assert_eq!(server.of("GET").len(), 1 + asked, "{status}");
    }
}

#[tokio::test]
async fn a_get_stream_that_ends_is_opened_again() {
    let opened = Arc::new(AtomicUsize::default());
    let (server, connection) = start(move |request| {
        (request.method == "GET").then(|| match opened.fetch_add(1, Ordering::SeqCst) {
            0 => events(
                &event("g7", br#"{"jsonrpc":"2.0","method":"notifications/x"}"#)
                    .replace("data", "retry: 20\ndata"),
            ),
            _ => Action::Reply(vec![ms(60_000)]),
        })
    })
    .await;
    until("another GET", || server.of("GET").len() > 1).await;
    let gets = server.of("GET");
    assert_eq!(gets[1].header("last-event-id"), Some("g7"));
    assert!(list(&connection, 5.0).await.is_ok());
}

/// A server that has not noticed yet that the stream is gone refuses another (409).
#[tokio::test]
async fn a_silent_get_stream_is_not_opened_again_in_the_same_moment() {
    let opened: Arc<parking_lot::Mutex<Vec<Instant>>> = Arc::default();
    let noted = Arc::clone(&opened);
    let sessions = Sessions::default();
    let server = Scripted::start(move |request| {
        if request.method != "GET" {
            return sessions.answer(request);
        }
        noted.lock().push(Instant::now());
        Action::Reply(vec![Step::Send(Wire::Events.answer(&[])), ms(60_000)])
    })
    .await;
    let mut config = config(&server);
    config["sseReadTimeout"] = json!(200);
    let _connection = open(&recipe(config)).await.unwrap();
    until("another GET", || opened.lock().len() > 1).await;
    let opened = opened.lock();
    assert!(opened[1] - opened[0] >= SECOND);
}

#[tokio::test]
async fn closing_ends_the_session() {
    let answer = |status| Step::Send(support::wire::response(status, "text/plain", b""));
    for steps in [
        vec![answer("200 OK")],
        vec![answer("405 Method Not Allowed")],
        vec![Step::Reset],
        vec![ms(60_000)],
    ] {
        let (server, connection) = start(move |request| {
            (request.method == "DELETE").then(|| Action::Reply(steps.clone()))
        })
        .await;
        assert!(list(&connection, 5.0).await.is_ok());
        let closed = timeout(SECOND * 20, connection.close()).await;
        assert!(closed.is_ok(), "well before the server answers");
        let deletes = server.of("DELETE");
        assert_eq!(deletes.len(), 1);
        assert_eq!(session(&deletes[0]), "session-0");
        assert!(connection.is_closed());
    }
}

#[tokio::test]
async fn no_session_no_delete() {
    let server = Scripted::start(|request| match request.rpc() {
        "initialize" => json(&initialized(&request.message)),
        "tools/list" => json(&tools(request.id())),
        _ => accepted(),
    })
    .await;
    let connection = open(&recipe(config(&server))).await.unwrap();
    assert!(list(&connection, 5.0).await.is_ok());
    connection.close().await;
    assert!(server.of("DELETE").is_empty() && server.of("GET").is_empty());
}

#[tokio::test]
async fn versions_and_sessions_in_headers() {
    let (server, connection) = start(|_| None).await;
    assert!(list(&connection, 5.0).await.is_ok());
    let first = &server.rpc("initialize")[0];
    assert_eq!(first.header("mcp-session-id"), None);
    assert_eq!(first.header("mcp-protocol-version"), None);
    let listed = &server.rpc("tools/list")[0];
    assert_eq!(session(listed), "session-0");
    let version = first.message["params"]["protocolVersion"].as_str();
    assert_eq!(listed.header("mcp-protocol-version"), version);
}

#[tokio::test]
async fn an_idle_session_goes_on_where_it_was() {
    let (server, connection) = start(|_| None).await;
    assert!(list(&connection, 5.0).await.is_ok());
    let calls = (0..20).map(|_| call(&connection, 5.0));
    for answer in futures::future::join_all(calls).await {
        assert_eq!(answer, Ok(json!({ "done": true })));
    }
    let posts = server.of("POST");
    assert_eq!(server.rpc("initialize").len(), 1);
    assert_eq!(server.rpc("notifications/initialized").len(), 1);
    let requests: Vec<_> = posts.iter().filter(|post| post.id().is_i64()).collect();
    let ids: std::collections::HashSet<_> =
        requests.iter().map(|post| post.id().as_i64()).collect();
    assert_eq!(ids.len(), requests.len(), "no id is used twice");
    let version = posts[0].message["params"]["protocolVersion"].as_str();
    for request in &requests[1..] {
        assert_eq!(session(request), "session-0");
        assert_eq!(request.header("mcp-protocol-version"), version);
    }
    connection.close().await;
    assert_eq!(call(&connection, 5.0).await, Err(Code::ConnectionLost));
}

/// A server with a GET stream: it sends each event, and many comments after them, when it is told to.
async fn start_streaming(events: &[&[u8]]) -> (Scripted, Connection, Arc<Notify>) {
    let told = Arc::new(Notify::new());
    let mut steps = vec![Step::Send(Wire::Events.answer(&[]))];
    let events = events.iter().map(|event| Wire::Events.message(event));
    for bytes in events.chain((0..1000).map(|_| b":\n\n".to_vec())) {
        steps.push(Step::Until(Arc::clone(&told)));
        steps.push(Step::Send(bytes));
    }
    let (server, connection) =
        start(move |request| (request.method == "GET").then(|| Action::Reply(steps.clone()))).await;
    until("the GET", || !server.of("GET").is_empty()).await;
    (server, connection, told)
}

#[tokio::test]
async fn a_get_stream_stays_open_between_requests() {
    let changed: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
    let (server, connection, told) = start_streaming(&[changed, changed]).await;
    for changes in 1..=2 {
        told.notify_one();
        until("the news", || connection.tools_changes() == changes).await;
        assert!(list(&connection, 5.0).await.is_ok());
    }
    assert_eq!(server.of("GET").len(), 1, "one stream all the time");
    assert_eq!(server.rpc("initialize").len(), 1);
    let open = server.open();
    connection.close().await;
    assert_eq!(server.of("DELETE").len(), 1);
    let ends = || {
        told.notify_one();
        server.open() < open
    };
    until("the end of the stream", ends).await;
}

#[tokio::test]
async fn a_server_is_answered_between_requests() {
    let ping: &[u8] = br#"{"jsonrpc":"2.0","id":"p1","method":"ping"}"#;
    let (server, connection, told) = start_streaming(&[ping]).await;
    told.notify_one();
    let answers = || server.of("POST").iter().any(|post| *post.id() == "p1");
    until("the answer", answers).await;
    assert_eq!(server.rpc("initialize").len(), 1);
    assert!(list(&connection, 5.0).await.is_ok());
    assert_eq!(server.of("GET").len(), 1);
}
