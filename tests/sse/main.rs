//! HTTP with server-sent events (MCP 2024-11-05, chapter "Transports").
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod lost;
#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use librechat_mcp_native::connection::{
    Breakers, CallOptions, Connection, Known, LastFailure, connect,
};
use librechat_mcp_native::error::{Code, Error};
use librechat_mcp_native::host::{Environment, NetworkRules};
use librechat_mcp_native::network::Policy;
use parking_lot::Mutex;
use serde_json::{Value, json};
use support::http::Received;
use support::scripted::{
    Action, Scripted, accepted, event, is_request, reply, text_event, with_headers,
};
use support::server::{initialized, ms, result, tools};
use support::wire::Step;
use support::{list, open, recipe, until, with_bearer, within};
use tokio::sync::mpsc;
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);

/// The streams that a server has opened, and what it does with messages.
#[derive(Clone, Default)]
struct Streams {
    opened: Arc<AtomicUsize>,
    current: Arc<Mutex<Option<mpsc::UnboundedSender<Vec<Step>>>>>,
}

impl Streams {
    /// A stream that begins with this text.
    fn open(&self, text: &str) -> Action {
        let (sender, steps) = mpsc::unbounded_channel();
        sender.send(text_event(text)).unwrap();
        self.opened.fetch_add(1, Ordering::SeqCst);
        *self.current.lock() = Some(sender);
        Action::Stream(steps)
    }

    fn send(&self, steps: Vec<Step>) {
        let _ = self.current.lock().as_ref().unwrap().send(steps);
    }

    /// What a well-behaved server does.
    fn answer(&self, request: &Received) -> Action {
        if request.method == "GET" {
            let session = self.opened.load(Ordering::SeqCst);
            return self.open(&format!(
                "event: endpoint\ndata: /messages?s={session}\nretry: 20\n\n"
            ));
        }
        match request.rpc() {
            "initialize" => self.send(event(&initialized(&request.message))),
            "tools/list" => self.send(event(&tools(request.id()))),
            _ if is_request(&request.message) => {
                self.send(event(&result(request.id(), &json!({ "done": true }))));
            }
            _ => {}
        }
        accepted()
    }
}

async fn start(
    special: impl Fn(&Received, &Streams) -> Option<Action> + Send + Sync + 'static,
) -> Scripted {
    let streams = Streams::default();
    Scripted::start(move |request| {
        special(request, &streams).unwrap_or_else(|| streams.answer(request))
    })
    .await
}

fn config(server: &Scripted) -> Value {
    json!({ "type": "sse", "url": server.url("/v1/sse?key=1"), "headers": { "x-own": "configured" } })
}

async fn connected(server: &Scripted) -> Connection {
    open(&recipe(config(server))).await.unwrap()
}

async fn refused(server: &Scripted) -> Error {
    let recipe = recipe(config(server));
    open(&recipe).await.err().expect("no connection")
}

async fn call(connection: &Connection, options: &CallOptions) -> Result<Value, Code> {
    let outcome = connection.request("tools/call", None, options).await;
    outcome
        .map(|text| serde_json::from_str(text.get()).unwrap())
        .map_err(|error| error.code)
}

#[tokio::test]
async fn endpoints_relative_and_absolute() {
    for (form, target) in [
        ("/messages?s=1", "/messages?s=1"),
        ("messages", "/v1/messages"),
        ("http://HOST/m", "/m"),
    ] {
        let server = start(move |request, streams| {
            let host = request.header("host")?;
            let endpoint = form.replace("HOST", host);
            (request.method == "GET")
                .then(|| streams.open(&format!(": hello\n\nevent: endpoint\ndata: {endpoint}\n\n")))
        })
        .await;
        let connection = connected(&server).await;
        assert!(list(&connection, 5.0).await.is_ok());
        for post in server.of("POST") {
            assert_eq!(post.target, target);
        }
    }
}

#[tokio::test]
async fn an_endpoint_of_another_origin_is_refused() {
    let other = start(|_, _| None).await;
    let foreign = other.url("/messages");
    let server = start(move |request, streams| {
        (request.method == "GET")
            .then(|| streams.open(&format!("event: endpoint\ndata: {foreign}\n\n")))
    })
    .await;
    let error = refused(&server).await;
    assert_eq!(error.code, Code::InvalidResponse);
    assert!(error.message.contains("another origin"), "{error}");
    assert!(!error.message.contains("key=1"), "{error}");
    assert!(other.received().is_empty() && server.of("POST").is_empty());
}

#[tokio::test]
async fn headers_belong_to_a_request() {
    let server = start(|_, _| None).await;
    let recipe = with_bearer(recipe(config(&server)), "token");
    let connection = open(&recipe).await.unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("x-own", HeaderValue::from_static("of this call"));
    let options = CallOptions {
        headers: Some(Arc::new(headers)),
        ..within(5.0)
    };
    assert!(call(&connection, &options).await.is_ok());
    assert!(list(&connection, 5.0).await.is_ok());

    for request in server.received() {
        let own = match request.rpc() {
            "tools/call" => "of this call",
            _ => "configured",
        };
        assert_eq!(request.header("x-own"), Some(own));
        assert_eq!(request.header("authorization"), Some("Bearer token"));
    }
    let get = &server.of("GET")[0];
    assert_eq!(get.header("accept"), Some("text/event-stream"));
    let version = |rpc| {
        server.rpc(rpc)[0]
            .header("mcp-protocol-version")
            .map(str::to_owned)
    };
    assert_eq!(version("initialize"), None);
    let agreed = server.rpc("initialize")[0].message["params"]["protocolVersion"].clone();
    for rpc in ["notifications/initialized", "tools/call", "tools/list"] {
        assert_eq!(
            version(rpc).map(Value::from).as_ref(),
            Some(&agreed),
            "{rpc}"
        );
    }
}

#[tokio::test]
async fn answers_that_are_no_stream() {
    for (status, kind, code) in [
        (
            "401 Unauthorized",
            "text/plain",
            Code::AuthorizationRequired,
        ),
        ("403 Forbidden", "text/plain", Code::AuthorizationRequired),
        ("429 Too Many Requests", "text/plain", Code::RateLimited),
        ("404 Not Found", "text/plain", Code::HttpStatus),
        ("405 Method Not Allowed", "text/plain", Code::HttpStatus),
        ("204 No Content", "text/event-stream", Code::InvalidResponse),
        ("200 OK", "text/html", Code::InvalidResponse),
        ("200 OK", "application/json", Code::InvalidResponse),
    ] {
        let server = start(move |_, _| {
            let headers = "www-authenticate: Bearer scope=\"a\"\r\n";
            Some(with_headers(status, headers, kind, b"<html>"))
        })
        .await;
        let error = refused(&server).await;
        assert_eq!(error.code, code, "{status} {kind}");
        assert_eq!(server.received().len(), 1, "{status}");
        if code == Code::AuthorizationRequired {
            assert_eq!(error.challenge.as_deref(), Some("Bearer scope=\"a\""));
        }
    }
}

#[tokio::test]
async fn a_stream_without_an_endpoint_is_given_up_in_time() {
    let server = start(|_, streams| Some(streams.open(": nothing yet\n\n"))).await;
    let mut recipe = recipe(config(&server));
    recipe.config.init_timeout = Some(SECOND / 5);
    let cancel = tokio_util::sync::CancellationToken::new();
    let breakers = Breakers::default();
    let breaker = breakers.of(&(), &recipe.settings.breaker);
    let stop = cancel.clone();
    tokio::spawn(async move {
        sleep(SECOND).await;
        stop.cancel();
    });
    let (known, failure) = (Known::default(), LastFailure::default());
    let outcome = connect(&recipe.into(), &known, &breaker, &failure, &cancel).await;
    assert_eq!(outcome.err().map(|error| error.code), Some(Code::Timeout));
    until("nothing is left open", || server.open() == 0).await;
}

#[tokio::test]
async fn a_post_that_fails_is_an_error_of_its_request() {
    for (status, code) in [
        ("401 Unauthorized", Code::AuthorizationRequired),
        ("429 Too Many Requests", Code::RateLimited),
        ("503 Service Unavailable", Code::HttpStatus),
        ("500 Internal Server Error", Code::HttpStatus),
        ("302 Found", Code::HttpStatus),
    ] {
        let server = start(move |request, _| {
            (request.rpc() == "tools/call").then(|| reply(status, "text/plain", b"no"))
        })
        .await;
        let connection = connected(&server).await;
        assert_eq!(call(&connection, &within(5.0)).await, Err(code), "{status}");
        assert!(list(&connection, 5.0).await.is_ok(), "{status}");
    }
}

#[tokio::test]
async fn a_post_that_hangs_ends_with_its_request() {
    let server = start(|request, _| {
        (request.rpc() == "tools/call").then(|| Action::Reply(vec![ms(60_000)]))
    })
    .await;
    let connection = connected(&server).await;
    assert_eq!(call(&connection, &within(0.3)).await, Err(Code::Timeout));
    let cancelled = || server.rpc("notifications/cancelled").len();
    until("the notification", || cancelled() > 0).await;
    assert!(list(&connection, 5.0).await.is_ok());
    assert_eq!(cancelled(), 1);
}

#[tokio::test]
async fn a_redirect_inherits_no_exemption() {
    let other = start(|_, _| None).await;
    let target = other.url("/sse");
    let server = start(move |_, _| {
        let location = format!("location: {target}\r\n");
        Some(with_headers(
            "307 Temporary Redirect",
            &location,
            "text/plain",
            b"",
        ))
    })
    .await;
    let mut recipe = recipe(config(&server));
    let rules = NetworkRules {
        ssrf_protection: true,
        allowed_addresses: vec![
            format!("127.0.0.1:{}", server.port),
            format!("127.0.0.1:{}", other.port),
        ],
        ..NetworkRules::default()
    };
    recipe.policy = Policy::new(&rules, &Environment::default(), None).unwrap();
    let error = open(&recipe).await.err().unwrap();
    assert_eq!(error.code, Code::AddressNotAllowed);
    assert!(other.received().is_empty());
}

#[tokio::test]
async fn a_moved_endpoint_is_followed_within_its_origin() {
    let server = start(|request, streams| {
        if request.rpc() == "tools/call" {
            streams.send(text_event("event: endpoint\ndata: /moved\n\n"));
            streams.send(text_event("event: endpoint\ndata: http://127.0.0.1:1/\n\n"));
        }
        None
    })
    .await;
    let connection = connected(&server).await;
    assert!(call(&connection, &within(5.0)).await.is_ok());
    assert!(list(&connection, 5.0).await.is_ok());
    assert_eq!(server.rpc("tools/list")[0].target, "/moved");
}

#[tokio::test]
async fn closing_leaves_nothing_open() {
    let server = start(|_, _| None).await;
    let connection = connected(&server).await;
    connection.close().await;
    drop(connection);
    let idle = server.of("POST").len().min(1);
    until("the end of the stream", || server.open() <= idle).await;
}
