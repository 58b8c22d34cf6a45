//! WebSocket (RFC 6455) with the subprotocol `mcp`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use std::time::Duration;

use librechat_mcp_native::connection::Recipe;
use librechat_mcp_native::error::Code;
use librechat_mcp_native::host::{Environment, NetworkRules};
use librechat_mcp_native::network::Policy;
use serde_json::{Value, json};
use support::http::{Received, read_request};
use support::scripted::{Action, Scripted, with_headers};
use support::server::{Server, tools};
use support::wire::{Step, Wire, frame, response};
use support::{list, open, recipe, with_bearer, within};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

const SECOND: Duration = Duration::from_secs(1);
/// Less than three attempts take.
const ATTEMPT: Duration = Duration::from_secs(4);

fn config(port: u16) -> Value {
    json!({ "url": format!("ws://127.0.0.1:{port}/ws"), "headers": { "x-own": "configured" } })
}

async fn good() -> Server {
    Server::start(Wire::WebSocket, |wire, id| {
        vec![Step::Send(wire.answer(&[&tools(id)]))]
    })
    .await
}

/// Answers the upgrade of a request with this head.
async fn upgraded(head: fn(&str) -> String) -> Result<(), Code> {
    let server = Scripted::start(move |request| {
        let key = request.header("sec-websocket-key").unwrap();
        let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
        Action::Reply(vec![Step::Send(head(&accept).into_bytes()), Step::Close])
    })
    .await;
    let mut recipe = recipe(config(server.port));
    recipe.config.init_timeout = Some(ATTEMPT);
    once(&recipe).await
}

/// One attempt, without the waits between several.
async fn once(recipe: &Recipe) -> Result<(), Code> {
    tokio::select! {
        outcome = open(recipe) => outcome.map(drop).map_err(|error| error.code),
        () = tokio::time::sleep(ATTEMPT) => Err(Code::Timeout),
    }
}

/// Ends well before the server does anything again.
async fn bounded(work: impl Future<Output = ()>) {
    tokio::time::timeout(20 * SECOND, work).await.unwrap();
}

#[tokio::test]
async fn the_handshake_carries_headers_and_the_access_token() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let request = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let request = read_request(&mut stream).await.unwrap();
        let refused = response("403 Forbidden", "text/plain", b"");
        stream.write_all(&refused).await.unwrap();
        request
    });
    let recipe = with_bearer(recipe(config(port)), "token");
    assert_eq!(once(&recipe).await, Err(Code::AuthorizationRequired));
    let request: Received = request.await.unwrap();
    assert_eq!(
        (request.method.as_str(), request.target.as_str()),
        ("GET", "/ws")
    );
    for (name, value) in [
        ("authorization", "Bearer token"),
        ("x-own", "configured"),
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "mcp"),
    ] {
        assert_eq!(request.header(name), Some(value), "{name}");
    }
    assert_eq!(request.header("sec-websocket-key").map(str::len), Some(24));
}

#[tokio::test]
async fn handshakes_that_are_none() {
    let lost = Err(Code::Timeout);
    let invalid = Err(Code::InvalidResponse);
    for (expected, head) in [
        // The connection ends right after a good handshake, which is then tried again.
        (
            lost,
            (|accept| switch(accept, "sec-websocket-protocol: mcp\r\n")) as fn(&str) -> String,
        ),
        (lost, |accept| switch(accept, "")),
        (invalid, |accept| {
            switch(accept, "sec-websocket-protocol: chat\r\n")
        }),
        (invalid, |_| switch("AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "")),
        (invalid, |_| {
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n"
                .to_owned()
        }),
        (invalid, |_| {
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned()
        }),
        (Err(Code::RateLimited), |_| {
            "HTTP/1.1 429 Slow Down\r\ncontent-length: 0\r\n\r\n".to_owned()
        }),
        (Err(Code::HttpStatus), |_| {
            "HTTP/1.1 426 Upgrade Required\r\ncontent-length: 0\r\n\r\n".to_owned()
        }),
    ] {
        assert_eq!(upgraded(head).await, expected, "{}", head("key"));
    }
}

fn switch(accept: &str, more: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-accept: {accept}\r\n{more}\r\n"
    )
}

#[tokio::test]
async fn a_challenge_is_told() {
    let server = Scripted::start(|_| {
        let challenge = "www-authenticate: Bearer realm=\"x\"\r\n";
        with_headers("401 Unauthorized", challenge, "text/plain", b"")
    })
    .await;
    let error = open(&recipe(config(server.port))).await.err().unwrap();
    assert_eq!(error.challenge.as_deref(), Some("Bearer realm=\"x\""));
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn addresses_are_judged_as_everywhere() {
    let server = good().await;
    let mut recipe = recipe(server.config());
    let rules = NetworkRules {
        ssrf_protection: true,
        ..NetworkRules::default()
    };
    recipe.policy = Policy::new(&rules, &Environment::default(), None).unwrap();
    assert_eq!(once(&recipe).await, Err(Code::AddressNotAllowed));
    assert!(server.received().is_empty());
}

#[tokio::test]
async fn what_came_before_a_broken_frame_counts() {
    let server = Server::start(Wire::WebSocket, |wire, id| {
        let of_no_known_kind = frame(0x83, b"");
        vec![Step::Send(
            [wire.answer(&[&tools(id)]), of_no_known_kind].concat(),
        )]
    })
    .await;
    let connection = open(&recipe(server.config())).await.unwrap();
    assert!(list(&connection, 20.0).await.is_ok());
}

#[tokio::test]
async fn messages_of_every_length() {
    let server = good().await;
    let connection = open(&recipe(server.config())).await.unwrap();
    for length in [1, 100, 1000, 70_000, 1_000_000] {
        let params = json!({ "text": "x".repeat(length) });
        connection
            .request("test/echo", Some(&params), &within(20.0))
            .await
            .unwrap();
        let received = server.received();
        let last = received.last().unwrap();
        assert_eq!(
            last.message["params"]["text"].as_str().map(str::len),
            Some(length)
        );
    }
}

#[tokio::test]
async fn a_close_that_nobody_answers_is_bounded() {
    let server = Server::start(Wire::WebSocket, |_, _| vec![Step::Wait(60 * SECOND)]).await;
    let connection = open(&recipe(server.config())).await.unwrap();
    // From here on the server does not read.
    assert_eq!(list(&connection, 0.2).await.err(), Some(Code::Timeout));
    bounded(connection.close()).await;
}

#[tokio::test]
async fn a_server_that_does_not_read_holds_up_nobody_for_long() {
    let server = Server::start(Wire::WebSocket, |_, _| {
        // Pings that want an answer, from a server that takes none.
        let pings = frame(0x89, &[0; 100]).repeat(100_000);
        vec![Step::Send(pings), Step::Wait(60 * SECOND)]
    })
    .await;
    let connection = open(&recipe(server.config())).await.unwrap();
    assert_eq!(list(&connection, 1.0).await.err(), Some(Code::Timeout));
    let params = json!({ "text": "x".repeat(20_000_000) });
    let options = within(0.5);
    let sent = connection.request("test/echo", Some(&params), &options);
    let code = sent.await.err().map(|error| error.code);
    assert_eq!(code, Some(Code::Timeout));
    bounded(connection.close()).await;
}
