//! Sessions that a server has forgotten, in the many ways in which servers say so, and refusals that are none.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use librechat_mcp_native::error::Code;
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::support::http::Received;
use super::support::scripted::{Action, accepted, reply};
use super::support::server::{ms, result};
use super::support::wire::{Step, Wire, response};
use super::support::{list, until};
use super::{SECOND, UNKNOWN, call, session, start};

/// What a server answers to everything that names a session that it has forgotten. `true`: in words that show that a tool
/// call has not been made.
const FORGOTTEN: &[(&str, &str, &str, bool)] = &[
    ("404 Not Found", "text/plain", "", true),
    (
        "404 Not Found",
        "application/json",
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Session not found"}}"#,
        true,
    ),
    ("410 Gone", "text/html", "<title>gone</title>", true),
    ("400 Bad Request", "text/plain", "", false),
    (
        "400 Bad Request",
        "text/plain",
        "Bad Request: No valid session ID provided",
        true,
    ),
    (
        "400 Bad Request",
        "application/json",
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: Server not initialized"}}"#,
        true,
    ),
    ("405 Method Not Allowed", "text/plain", "", false),
    (
        "409 Conflict",
        "text/plain",
        "please initialise first",
        true,
    ),
    (
        "422 Unprocessable Content",
        "text/plain",
        "unknown id",
        false,
    ),
    ("440 Login Time-out", "text/plain", "", false),
    (
        "500 Internal Server Error",
        "text/plain",
        "session lost",
        false,
    ),
    (
        "503 Service Unavailable",
        "text/plain",
        "no such session",
        false,
    ),
    (
        "200 OK",
        "application/json",
        r#"{"jsonrpc":"2.0","id":ID,"error":{"code":-32001,"message":"?"}}"#,
        false,
    ),
    (
        "200 OK",
        "application/json",
        r#"{"jsonrpc":"2.0","id":ID,"error":{"code":-32600,"message":"Invalid Request"}}"#,
        false,
    ),
    (
        "200 OK",
        "application/json",
        r#"{"jsonrpc":"2.0","id":ID,"error":{"code":-32000,"message":"Unknown client"}}"#,
        false,
    ),
    (
        "200 OK",
        "application/json",
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32002,"message":"Server NOT INITIALIZED"}}"#,
        true,
    ),
    (
        "200 OK",
        "application/json",
        r#"{"jsonrpc":"2.0","id":ID,"error":{"code":-32602,"message":"Received request before initialization was complete"}}"#,
        true,
    ),
    (
        "200 OK",
        "application/json",
        r#"{"jsonrpc":"2.0","id":ID,"error":{"code":-32601,"message":"Session expired"}}"#,
        true,
    ),
    (
        "200 OK",
        "application/json",
        r#"{"error":"Session not found"}"#,
        true,
    ),
];

fn forgets(
    request: &Received,
    (status, kind, body, _): (&str, &str, &str, bool),
) -> Option<Action> {
    let is_old = request.header("mcp-session-id") == Some("session-0");
    (is_old && request.method == "POST").then(|| {
        let body = body.replace("ID", &request.id().to_string());
        reply(status, kind, body.as_bytes())
    })
}

#[tokio::test]
async fn a_forgotten_session_is_made_anew_whatever_the_server_calls_it() {
    for case in FORGOTTEN {
        let forgotten = Arc::new(AtomicBool::new(false));
        let is_forgotten = Arc::clone(&forgotten);
        let forget = move |request: &Received| {
            let forgotten = is_forgotten.load(Ordering::SeqCst);
            forgotten.then(|| forgets(request, *case)).flatten()
        };
        for first in ["tools/list", "tools/call"] {
            forgotten.store(false, Ordering::SeqCst);
            let (server, connection) = start(forget.clone()).await;
            forgotten.store(true, Ordering::SeqCst);
            let done = if first == "tools/list" {
                list(&connection, 20.0).await.map(drop)
            } else {
                call(&connection, 20.0).await.map(drop)
            };
            assert_eq!(
                done.is_ok(),
                first == "tools/list" || case.3,
                "{first}: {case:?}: {done:?}"
            );
            assert_eq!(server.rpc("initialize").len(), 2, "{first}: {case:?}");
            assert!(call(&connection, 20.0).await.is_ok(), "{first}: {case:?}");
            assert_eq!(server.rpc("initialize").len(), 2, "{first}: {case:?}");
            let calls = server.rpc("tools/call");
            let made: Vec<_> = calls
                .iter()
                .filter(|it| session(it) == "session-1")
                .collect();
            let expected = 1 + usize::from(first == "tools/call" && case.3);
            assert_eq!(made.len(), expected, "{first}: {case:?}");
        }
    }
}

/// A ping is answered before any handshake.
#[tokio::test]
async fn a_session_is_lost_though_the_server_answers_pings() {
    for case in FORGOTTEN {
        let (server, connection) = start(move |request| {
            let is_free = matches!(request.rpc(), "ping" | "notifications/initialized");
            (!is_free).then(|| forgets(request, *case)).flatten()
        })
        .await;
        let called = call(&connection, 20.0).await;
        assert_eq!(called.is_ok(), case.3, "{case:?}: {called:?}");
        assert!(list(&connection, 20.0).await.is_ok(), "{case:?}");
        assert_eq!(server.rpc("initialize").len(), 2, "{case:?}");
    }
}

#[tokio::test]
async fn whoever_waits_for_a_handshake_has_no_more_time_than_for_its_request() {
    let handshakes = AtomicUsize::new(0);
    let (server, connection) = start(move |request| match request.rpc() {
        "initialize" if handshakes.fetch_add(1, Ordering::SeqCst) > 0 => {
            Some(Action::Reply(vec![ms(60_000)]))
        }
        _ => {
            forgets(request, FORGOTTEN[0]).filter(|_| request.rpc() != "notifications/initialized")
        }
    })
    .await;
    let calls = (0..5).map(|_| call(&connection, 1.0));
    let outcomes = timeout(20 * SECOND, futures::future::join_all(calls)).await;
    assert_eq!(outcomes.unwrap(), [const { Err(Code::Timeout) }; 5]);
    assert_eq!(server.rpc("initialize").len(), 2);
}

/// Tools write what they like, and quote what they were asked.
#[tokio::test]
async fn what_a_tool_refuses_in_words_about_sessions_is_no_lost_session() {
    for (status, body) in [
        (
            "400 Bad Request",
            "the argument \"session_name\" is too short",
        ),
        (
            "409 Conflict",
            "A session for this customer was already created",
        ),
        ("422 Unprocessable Content", "not initialized"),
        (
            "500 Internal Server Error",
            "the database could not be initialized",
        ),
        (
            "200 OK",
            r#"{"jsonrpc":"2.0","id":ID,"error":{"code":-32001,"message":"Session not found"}}"#,
        ),
        (
            "200 OK",
            r#"{"jsonrpc":"2.0","id":ID,"error":{"code":-32602,"message":"initialize first"}}"#,
        ),
    ] {
        let (server, connection) = start(move |request| {
            (request.rpc() == "tools/call").then(|| {
                let body = body.replace("ID", &request.id().to_string());
                reply(status, "application/json", body.as_bytes())
            })
        })
        .await;
        assert!(call(&connection, 20.0).await.is_err(), "{body}");
        assert_eq!(server.rpc("tools/call").len(), 1, "{body}");
        assert_eq!(server.rpc("initialize").len(), 1, "{body}");
    }
}

/// However many find out at the same time.
#[tokio::test]
async fn there_is_one_handshake_for_all_calls_of_a_lost_session() {
    let (server, connection) = start(|request| {
        forgets(request, FORGOTTEN[0]).filter(|_| request.rpc() != "notifications/initialized")
    })
    .await;
    let calls = (0..50).map(|_| call(&connection, 30.0));
    for outcome in futures::future::join_all(calls).await {
        assert_eq!(outcome, Ok(json!({ "done": true })));
    }
    assert_eq!(server.rpc("initialize").len(), 2);
    let made = server
        .rpc("tools/call")
        .iter()
        .filter(|it| session(it) == "session-1")
        .count();
    assert_eq!(made, 50);
}

/// The session is ended at the server then, which refuses it in other words.
#[tokio::test]
async fn a_call_is_made_again_though_another_has_replaced_the_session() {
    let (ended, both) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (is_over, calls) = (AtomicBool::new(false), AtomicUsize::new(0));
    let refusal = |after: Option<&Arc<Notify>>| {
        let refusal = response("200 OK", "application/json", UNKNOWN.as_bytes());
        let wait = after.map(|after| Step::Until(Arc::clone(after)));
        let steps = wait.into_iter().chain([Step::Send(refusal)]);
        Action::Reply(steps.collect())
    };
    let (server, connection) = start(move |request| {
        if request.header("mcp-session-id") != Some("session-0") {
            return None;
        }
        match (request.method.as_str(), request.rpc()) {
            ("DELETE", _) => {
                is_over.store(true, Ordering::SeqCst);
                ended.notify_one();
                None
            }
            (_, "tools/list") if is_over.load(Ordering::SeqCst) => {
                Some(reply("404 Not Found", "text/plain", b""))
            }
            (_, "tools/list") => Some(refusal(None)),
            (_, "tools/call") if calls.fetch_add(1, Ordering::SeqCst) == 0 => {
                Some(refusal(Some(&both)))
            }
            (_, "tools/call") => {
                both.notify_one();
                Some(refusal(Some(&ended)))
            }
            _ => None,
        }
    })
    .await;
    let calls = (0..2).map(|_| call(&connection, 20.0));
    for outcome in futures::future::join_all(calls).await {
        assert_eq!(outcome, Ok(json!({ "done": true })));
    }
    assert_eq!(server.rpc("initialize").len(), 2);
    assert_eq!(server.rpc("tools/call").len(), 4);
}

#[tokio::test]
async fn a_server_that_refuses_the_new_handshake_is_asked_once() {
    let handshakes = AtomicUsize::new(0);
    let (server, connection) = start(move |request| match request.rpc() {
        "server/discover" | "notifications/initialized" => None,
        "initialize" if handshakes.fetch_add(1, Ordering::SeqCst) == 0 => None,
        _ => Some(reply("404 Not Found", "text/plain", b"")),
    })
    .await;
    let calls = (0..20).map(|_| call(&connection, 30.0));
    for outcome in futures::future::join_all(calls).await {
        assert!(outcome.is_err(), "{outcome:?}");
    }
    assert_eq!(server.rpc("initialize").len(), 2);
    assert!(connection.is_closed());
}

#[tokio::test]
async fn a_lost_session_is_made_anew_once() {
    let (server, connection) = start(|request| {
        let old = request.header("mcp-session-id") == Some("session-0");
        let refused = old && matches!(request.rpc(), "tools/list" | "tools/call");
        refused.then(|| reply("404 Not Found", "text/plain", b""))
    })
    .await;
    assert!(list(&connection, 5.0).await.is_ok());
    assert_eq!(call(&connection, 5.0).await, Ok(json!({ "done": true })));
    assert_eq!(server.rpc("initialize").len(), 2);
    assert_eq!(server.rpc("notifications/initialized").len(), 2);
    let sessions: Vec<_> = server.rpc("tools/list").iter().map(session).collect();
    assert_eq!(sessions, ["session-0", "session-1"]);
    assert_eq!(server.rpc("tools/call").len(), 1);
    let again = &server.rpc("initialize")[1];
    assert_eq!(again.header("mcp-session-id"), None);
}

#[tokio::test]
async fn a_session_that_is_lost_again_is_an_error() {
    let (server, connection) = start(|request| {
        (request.rpc() == "tools/call").then(|| reply("404 Not Found", "text/plain", b""))
    })
    .await;
    assert_eq!(call(&connection, 5.0).await, Err(Code::ConnectionLost));
    assert_eq!(server.rpc("initialize").len(), 2);
    assert_eq!(server.rpc("tools/call").len(), 2);
    assert!(list(&connection, 5.0).await.is_ok());
}

/// Another server behind the same address may not know what the one that answers does.
#[tokio::test]
async fn a_call_that_is_being_answered_outlives_its_session() {
    let answered = Arc::new(Notify::new());
    let told = Arc::clone(&answered);
    let (server, connection) = start(move |request| match request.rpc() {
        "tools/call" => Some(Action::Reply(vec![
            Step::Send(Wire::Events.answer(&[])),
            Step::Until(Arc::clone(&told)),
            Step::Send(Wire::Events.message(&result(request.id(), &json!({ "done": true })))),
        ])),
        "tools/list" if session(request) == "session-0" => {
            Some(reply("404 Not Found", "text/plain", b""))
        }
        _ => None,
    })
    .await;
    let (called, listed) = tokio::join!(call(&connection, 30.0), async {
        until("the call", || !server.rpc("tools/call").is_empty()).await;
        let listed = list(&connection, 5.0).await;
        sleep(2 * SECOND).await;
        answered.notify_one();
        listed
    });
    assert!(listed.is_ok(), "{listed:?}");
    assert_eq!(called, Ok(json!({ "done": true })));
    assert_eq!(server.rpc("tools/call").len(), 1, "it may have run");
}

/// The GET stream of the session is gone, too.
#[tokio::test]
async fn a_call_that_was_only_accepted_is_lost_with_its_session() {
    let (server, connection) = start(|request| match request.rpc() {
        "tools/call" => Some(accepted()),
        "tools/list" if session(request) == "session-0" => {
            Some(reply("404 Not Found", "text/plain", b""))
        }
        _ => (request.method == "GET").then(|| Action::Reply(vec![ms(60_000)])),
    })
    .await;
    let (called, listed) = tokio::join!(call(&connection, 30.0), async {
        until("the call", || !server.rpc("tools/call").is_empty()).await;
        list(&connection, 5.0).await
    });
    assert!(listed.is_ok(), "{listed:?}");
    assert_eq!(called, Err(Code::ConnectionLost));
    assert_eq!(server.rpc("tools/call").len(), 1, "it may have run");
}
