//! Bounds in bytes and time, and taking over the connection.

use std::time::Duration;

use futures::StreamExt;
use librechat_mcp_native::error::Code;
use librechat_mcp_native::host::Environment;
use librechat_mcp_native::network::HttpClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::server::{Reply, Server, ok};
use crate::{get, open};

fn chunked(chunks: &[&str]) -> String {
    use std::fmt::Write;
    let mut reply = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned();
    for chunk in chunks {
        write!(reply, "{:x}\r\n{chunk}\r\n", chunk.len()).unwrap();
    }
    reply
}

#[tokio::test]
async fn bodies_are_bounded_in_bytes() {
    let server = Server::start(|request| {
        if request.line.contains("/chunked") {
            // Never ends: the limit does.
            Reply::Hang(chunked(&["123456", "123456"]))
        } else {
            ok("1234567890")
        }
    })
    .await;
    let client = HttpClient::new();
    let policy = open(&Environment::default());
    for (path, limit, expected) in [
        ("/sized", 0, Ok(10)),
        ("/sized", 10, Ok(10)),
        ("/sized", 9, Err(Code::ResponseTooLarge)),
        ("/chunked", 11, Err(Code::ResponseTooLarge)),
    ] {
        let response = client.send(&policy, get(&server.url(path))).await.unwrap();
        let read = response.bytes(limit).await;
        let read = read.map(|body| body.len()).map_err(|error| error.code);
        assert_eq!(read, expected, "{path} {limit}");
    }
}

#[tokio::test]
async fn answers_are_bounded_in_time() {
    let server = Server::start(|request| {
        if request.line.contains("/headers") {
            Reply::Hang(String::new())
        } else {
            Reply::Hang(chunked(&["a"]))
        }
    })
    .await;
    let client = HttpClient::new();
    let policy = open(&Environment::default());
    let timed = |path| {
        let mut request = get(&server.url(path));
        request.timeout = Some(Duration::from_secs(3));
        request
    };
    let error = client
        .send(&policy, timed("/headers?key=hunter2"))
        .await
        .unwrap_err();
    assert_eq!(error.code, Code::Timeout);
    assert!(!error.message.contains("hunter2"));

    let response = client.send(&policy, timed("/body")).await.unwrap();
    let read = tokio::time::timeout(Duration::from_secs(15), response.bytes(0)).await;
    assert_eq!(read.unwrap().unwrap_err().code, Code::Timeout);

    // A stream may be idle for as long as its reader likes.
    let response = client.send(&policy, timed("/body")).await.unwrap();
    let mut stream = response.stream();
    assert_eq!(stream.next().await.unwrap().unwrap(), "a");
    let more = tokio::time::timeout(Duration::from_secs(5), stream.next()).await;
    assert!(more.is_err());
}

#[tokio::test]
async fn a_body_that_breaks_off_is_a_lost_connection() {
    let server = Server::start(|_| Reply::Close(chunked(&["a"]))).await;
    let client = HttpClient::new();
    let policy = open(&Environment::default());
    let request = || get(&server.url("/?key=hunter2"));
    let response = client.send(&policy, request()).await.unwrap();
    let error = response.bytes(0).await.unwrap_err();
    assert_eq!(error.code, Code::ConnectionLost);
    assert!(error.retryable);
    assert!(!format!("{error:?}").contains("hunter2"));

    let response = client.send(&policy, request()).await.unwrap();
    let mut stream = response.stream();
    assert!(stream.next().await.unwrap().is_ok());
    let error = stream.next().await.unwrap().unwrap_err();
    assert_eq!(error.code, Code::ConnectionLost);
}

#[tokio::test]
async fn upgrades() {
    let server = Server::start(|request| {
        if request.line.starts_with("GET /mcp") {
            Reply::Echo(
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
                    .to_owned(),
            )
        } else {
            ok("no websocket here")
        }
    })
    .await;
    let client = HttpClient::new();
    let policy = open(&Environment::default());
    let request = |path| {
        let mut request = get(&format!("ws://{}{path}", server.address));
        request.http1_only = true;
        for (name, value) in [("connection", "upgrade"), ("upgrade", "websocket")] {
            request.headers.insert(name, value.parse().unwrap());
        }
        request
    };
    let response = client.send(&policy, request("/mcp")).await.unwrap();
    let mut connection = response.upgrade().await.unwrap();
    connection.write_all(b"hello").await.unwrap();
    let mut echo = [0; 5];
    connection.read_exact(&mut echo).await.unwrap();
    assert_eq!(&echo, b"hello");

    let response = client.send(&policy, request("/other")).await.unwrap();
    let error = response.upgrade().await.err().unwrap();
    assert_eq!(
        (error.code, error.status),
        (Code::InvalidResponse, Some(200))
    );
}
