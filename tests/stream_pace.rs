//! How soon an event stream is opened again: the server's `retry` is heard, but not below a second.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use std::time::{Duration, Instant};

use librechat_mcp_native::connection::Connection;
use serde_json::json;
use support::http::Received;
use support::scripted::{Action, Scripted, accepted, events, json_with, reply};
use support::server::initialized;
use support::{open, recipe, until};

/// Streams that end at once and want to be opened again at once.
const HASTY: &str = "retry: 0\nid: 1\ndata:\n\n";

/// More than this many streams in so many seconds would be a storm.
fn most(since: Instant) -> usize {
    usize::try_from(since.elapsed().as_secs()).unwrap() + 2
}

async fn start(answer: fn(&Received) -> Action, kind: &str) -> (Scripted, Connection) {
    let server = Scripted::start(answer).await;
    let config = json!({ "type": kind, "url": server.url("/mcp") });
    let connection = open(&recipe(config)).await.unwrap();
    (server, connection)
}

#[tokio::test]
async fn get_stream_of_streamable_http() {
    let began = Instant::now();
    let (server, _connection) = start(
        |request| match (request.method.as_str(), request.rpc()) {
            ("GET", _) => events(HASTY),
            (_, "initialize") => {
                json_with("mcp-session-id: one\r\n", &initialized(&request.message))
            }
            ("POST", _) => accepted(),
            _ => reply("200 OK", "text/plain", b""),
        },
        "streamable-http",
    )
    .await;
    until("three streams", || server.of("GET").len() >= 3).await;
    assert!(server.of("GET").len() <= most(began));
}

#[tokio::test]
async fn stream_of_a_call() {
    let began = Instant::now();
    let (server, connection) = start(
        |request| match (request.method.as_str(), request.rpc()) {
            ("GET", _) if request.header("last-event-id").is_some() => events(HASTY),
            (_, "initialize") => {
                json_with("mcp-session-id: one\r\n", &initialized(&request.message))
            }
            (_, "tools/call") => events(HASTY),
            ("POST", _) => accepted(),
            _ => reply("405 Method Not Allowed", "text/plain", b""),
        },
        "streamable-http",
    )
    .await;
    let options = support::within(10.0);
    let call = connection.request("tools/call", None, &options);
    let resumed = |server: &Scripted| {
        let gets = server.of("GET");
        gets.iter()
            .filter(|get| get.header("last-event-id").is_some())
            .count()
    };
    tokio::select! {
        _ = call => {}
        () = until("three streams", || resumed(&server) >= 3) => {}
    }
    assert!(resumed(&server) <= most(began));
    assert!(began.elapsed() >= Duration::from_secs(2));
}
