//! Tool calls that a server may have worked on before it refused them: they are never made twice.

use std::sync::atomic::{AtomicUsize, Ordering};

use librechat_mcp_native::error::Code;

use super::support::scripted::reply;
use super::{UNKNOWN, call, list, start};

/// A gateway may put its page in place of the answer as well as in place of the request, and a database may fail after it
/// has been changed.
#[tokio::test]
async fn what_speaks_of_no_session_is_no_refusal_of_it() {
    for (status, kind, body) in [
        ("200 OK", "text/html", "<title>Welcome</title>"),
        ("200 OK", "application/json", "{\"jsonrpc\":\"2.0\","),
        ("200 OK", "application/json", "{\"message\":\"try later\"}"),
        ("200 OK", "application/json", ""),
        ("408 Request Timeout", "text/plain", ""),
        ("400 Bad Request", "application/json", r#"{"error":"boom"}"#),
        (
            "200 OK",
            "application/json",
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Database unavailable"}}"#,
        ),
    ] {
        let (server, connection) = start(move |request| {
            let is_old = request.header("mcp-session-id") == Some("session-0");
            let is_asked = matches!(request.rpc(), "tools/call" | "tools/list");
            (is_old && is_asked).then(|| reply(status, kind, body.as_bytes()))
        })
        .await;
        assert!(call(&connection, 20.0).await.is_err(), "{body}");
        assert_eq!(server.rpc("tools/call").len(), 1, "{body}");
        assert!(list(&connection, 20.0).await.is_ok(), "{body}");
    }
}

#[tokio::test]
async fn a_call_that_is_refused_in_other_words_than_the_session_is_made_once() {
    let (server, connection) = start(|request| {
        let is_old = request.header("mcp-session-id") == Some("session-0");
        let body = match request.rpc() {
            "tools/call" if is_old => "Invalid arguments",
            "tools/list" if is_old => "No valid session ID provided",
            _ => return None,
        };
        Some(reply("400 Bad Request", "text/plain", body.as_bytes()))
    })
    .await;
    assert_eq!(call(&connection, 20.0).await, Err(Code::HttpStatus));
    assert_eq!(server.rpc("tools/call").len(), 1);
    assert!(call(&connection, 20.0).await.is_ok());
}

/// What a server says of a session is no answer of a tool.
#[tokio::test]
async fn a_session_that_is_lost_once_more_is_told_as_that() {
    let calls = AtomicUsize::new(0);
    let (server, connection) = start(move |request| {
        let is_lost = match request.header("mcp-session-id") {
            Some("session-0") => true,
            Some("session-1") => calls.load(Ordering::SeqCst) > 1,
            _ => false,
        };
        if request.rpc() == "tools/call" {
            let count = calls.fetch_add(1, Ordering::SeqCst);
            return (count < 2).then(|| reply("200 OK", "application/json", UNKNOWN.as_bytes()));
        }
        let is_asked = is_lost && request.rpc() == "tools/list";
        is_asked.then(|| reply("200 OK", "application/json", UNKNOWN.as_bytes()))
    })
    .await;
    assert_eq!(call(&connection, 20.0).await, Err(Code::ConnectionLost));
    assert_eq!(server.rpc("initialize").len(), 2);
    assert!(call(&connection, 20.0).await.is_ok());
}

/// 404 is the answer to an unknown session, and what servers say of other things.
#[tokio::test]
async fn what_is_not_found_is_asked_for_once_while_the_session_lives() {
    for status in ["404 Not Found", "410 Gone"] {
        let (server, connection) = start(move |request| {
            let is_call = request.rpc() == "tools/call";
            is_call.then(|| reply(status, "text/plain", b"No such document"))
        })
        .await;
        assert!(call(&connection, 20.0).await.is_err());
        assert_eq!(server.rpc("tools/call").len(), 1);
        assert_eq!(server.rpc("initialize").len(), 1);
    }
}
