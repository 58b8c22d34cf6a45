//! Streams and sessions that are lost, and how they come back.

use std::sync::atomic::Ordering;

use librechat_mcp_native::error::Code;
use serde_json::json;

use super::support::scripted::{accepted, reply, text_event};
use super::support::wire::Step;
use super::support::{list, logged, open, recipe, until, within};
use super::{SECOND, call, config, connected, start};

/// The session is the stream's, so that another one comes with another stream.
#[tokio::test]
async fn a_session_that_the_server_forgot_is_made_anew() {
    for (status, body) in [
        ("404 Not Found", "Session not found"),
        ("400 Bad Request", "No transport found for sessionId"),
        ("410 Gone", ""),
        ("500 Internal Server Error", "no session"),
    ] {
        let server = start(move |request, _| {
            let is_old = request.target.ends_with("s=0");
            let is_forgotten = matches!(request.rpc(), "tools/list" | "tools/call" | "ping");
            (is_old && is_forgotten).then(|| reply(status, "text/plain", body.as_bytes()))
        })
        .await;
        let connection = connected(&server).await;
        assert!(list(&connection, 20.0).await.is_ok(), "{status}");
        assert_eq!(server.rpc("initialize").len(), 2, "{status}");
        assert_eq!(server.of("GET").len(), 2, "{status}");
        let outcome = call(&connection, &within(20.0)).await;
        assert_eq!(outcome, Ok(json!({ "done": true })), "{status}");
        assert_eq!(server.rpc("initialize").len(), 2, "{status}");
    }
}

#[tokio::test]
async fn a_lost_stream_comes_back_with_a_new_session() {
    let server = start(|request, streams| {
        if request.rpc() == "tools/call" {
            streams.send(text_event("id: 41\ndata:\n\n"));
            streams.send(vec![Step::Close]);
            return Some(accepted());
        }
        None
    })
    .await;
    let (recipe, records) = logged(recipe(config(&server)));
    let connection = open(&recipe).await.unwrap();
    assert_eq!(
        call(&connection, &within(10.0)).await,
        Err(Code::ConnectionLost)
    );
    assert!(list(&connection, 5.0).await.is_ok());
    assert!(!connection.is_closed());
    assert!(records.has("The event stream was lost"));

    let gets = server.of("GET");
    assert_eq!(gets.len(), 2);
    assert_eq!(gets[1].header("last-event-id"), Some("41"));
    assert_eq!(
        server.rpc("initialize").len(),
        2,
        "a new session wants a new handshake"
    );
    assert_eq!(server.rpc("notifications/initialized").len(), 2);
    assert_eq!(server.rpc("tools/call").len(), 1, "it may have run");
    assert_eq!(server.rpc("tools/list")[0].target, "/messages?s=1");
}

#[tokio::test]
async fn a_lost_stream_comes_back_with_the_same_session() {
    let server = start(|request, streams| {
        if request.method == "GET" {
            return Some(streams.open("event: endpoint\ndata: /messages\nretry: 20\n\n"));
        }
        if request.rpc() == "tools/call" {
            streams.send(vec![Step::Reset]);
            return Some(accepted());
        }
        None
    })
    .await;
    let connection = connected(&server).await;
    assert_eq!(
        call(&connection, &within(10.0)).await,
        Err(Code::ConnectionLost)
    );
    assert!(list(&connection, 5.0).await.is_ok());
    assert_eq!(
        (server.of("GET").len(), server.rpc("initialize").len()),
        (2, 1)
    );
}

#[tokio::test]
async fn a_stream_that_does_not_come_back_is_given_up() {
    for (status, gets) in [
        ("503 Service Unavailable", 4),
        ("401 Unauthorized", 2),
        ("429 Too Many Requests", 2),
    ] {
        let server = start(move |request, streams| {
            if request.method == "GET" && streams.opened.load(Ordering::SeqCst) > 0 {
                return Some(reply(status, "text/plain", b""));
            }
            if request.rpc() == "tools/call" {
                streams.send(vec![Step::Close]);
                return Some(accepted());
            }
            None
        })
        .await;
        let connection = connected(&server).await;
        assert_eq!(
            call(&connection, &within(10.0)).await,
            Err(Code::ConnectionLost)
        );
        let waiting = list(&connection, 10.0).await.map(drop);
        assert!(waiting.is_err(), "{status}");
        until(status, || connection.is_closed()).await;
        assert_eq!(server.of("GET").len(), gets, "{status}");
    }
}

#[tokio::test]
async fn a_silent_stream_is_opened_again_unless_a_request_waits() {
    let server = start(|request, _| (request.rpc() == "tools/call").then(accepted)).await;
    let mut recipe = recipe(config(&server));
    recipe.config.sse_read_timeout = Some(SECOND);
    let connection = open(&recipe).await.unwrap();
    assert_eq!(call(&connection, &within(2.5)).await, Err(Code::Timeout));
    assert_eq!(server.of("GET").len(), 1, "an answer may still come");
    until("another stream", || server.of("GET").len() > 1).await;
    assert!(list(&connection, 5.0).await.is_ok());
    assert!(!connection.is_closed());
}
