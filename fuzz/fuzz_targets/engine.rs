//! A whole connection, from its handshake to its end, to a server that answers with anything.

#![no_main]

#[path = "../../tests/support/mod.rs"]
mod support;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use librechat_mcp_native::connection::{
    Breakers, Connection, Generation, Known, LastFailure, connect,
};
use librechat_mcp_native::error::Code;
use parking_lot::Mutex;
use serde_json::{Value, json};
use support::http::{Received, read_request};
use support::scripted::{Action, Scripted, accepted, is_request, json, reply, with_headers};
use support::server::{initialized, read_frame, result, tools, upgraded};
use support::wire::{Step, Wire, perform};
use support::{list, recipe, within};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Handle};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Of the paused clock. Whatever a server does, each step of a connection has a bound far below.
const NEVER: Duration = Duration::from_secs(3600);
/// What answers to calls begin with.
const OWN: &str = "an answer to ";

#[derive(Debug, Arbitrary)]
struct Input {
    transport: Transport,
    discovers: bool,
    /// By the order in which requests arrive; further ones are answered as they should be.
    answers: Vec<Answer>,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Transport {
    StreamableHttp,
    Sse,
    WebSocket,
}

impl Transport {
    const fn wire(self) -> Wire {
        match self {
            Self::StreamableHttp => Wire::Json,
            Self::Sse => Wire::Sse,
            Self::WebSocket => Wire::WebSocket,
        }
    }
}

#[derive(Debug, Arbitrary)]
struct Answer {
    head: Head,
    parts: Vec<Part>,
    /// Bytes that are sent at a time.
    piece: u16,
    /// Whether the connection ends after it.
    ends: End,
}

#[derive(Debug, Arbitrary)]
enum Head {
    Events,
    Json,
    /// With the length of the body.
    Any {
        status: u16,
        content_type: Type,
        coding: Coding,
        has_session: bool,
    },
    /// Everything is in the parts.
    None,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Type {
    Json,
    Events,
    Text,
    None,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Coding {
    None,
    Gzip,
    Brotli,
    Zstd,
    Deflate,
    Unknown,
}

#[derive(Debug, Arbitrary)]
enum Part {
    /// What belongs to the request.
    Own,
    OwnAsText,
    Refusal(i32, String),
    Neither,
    Foreign(i8),
    Nobody,
    Notification(u8),
    Request(u8),
    Raw(Vec<u8>),
    Wait(u16),
}

#[derive(Debug, Clone, Copy, Arbitrary, PartialEq)]
enum End {
    Stays,
    Close,
    Reset,
}

/// The answer that a request should have.
fn own(request: &Value) -> Vec<u8> {
    let id = &request["id"];
    match request["method"].as_str() {
        Some("initialize") => initialized(request),
        Some("tools/list") => tools(id),
        Some("tools/call") => {
            let text = request["params"]["arguments"]["text"].as_str();
            let text = format!("{OWN}{}", text.unwrap_or_default());
            result(
                id,
                &json!({ "content": [{ "type": "text", "text": text }] }),
            )
        }
        _ => result(id, &json!({})),
    }
}

impl Part {
    fn message(&self, request: &Value) -> Option<Vec<u8>> {
        const NOTIFICATIONS: [&str; 5] = [
            "notifications/progress",
            "notifications/cancelled",
            "notifications/message",
            "notifications/tools/list_changed",
            "other",
        ];
        const REQUESTS: [&str; 4] = ["ping", "roots/list", "sampling/createMessage", "other"];
        let id = &request["id"];
        let empty = json!({ "content": [] });
        let message = match self {
            Self::Own => return Some(own(request)),
            Self::OwnAsText => {
                let mut answer: Value = serde_json::from_slice(&own(request)).ok()?;
                answer["id"] = Value::String(id.to_string());
                answer
            }
            Self::Refusal(code, message) => {
                json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
            }
            Self::Neither => json!({ "jsonrpc": "2.0", "id": id }),
            Self::Foreign(distance) => {
                let id = id.as_i64()? + i64::from(*distance);
                json!({ "jsonrpc": "2.0", "id": id, "result": empty })
            }
            Self::Nobody => json!({ "jsonrpc": "2.0", "id": null, "result": empty }),
            Self::Notification(kind) => {
                let method = NOTIFICATIONS[usize::from(*kind) % NOTIFICATIONS.len()];
                let params = json!({ "progressToken": id, "progress": 1, "requestId": id });
                json!({ "jsonrpc": "2.0", "method": method, "params": params })
            }
            Self::Request(kind) => {
                let method = REQUESTS[usize::from(*kind) % REQUESTS.len()];
                json!({ "jsonrpc": "2.0", "id": kind, "method": method })
            }
            Self::Raw(_) | Self::Wait(_) => return None,
        };
        Some(message.to_string().into_bytes())
    }
}

impl Answer {
    fn steps(&self, request: &Value, wire: Wire) -> Vec<Step> {
        let is_stream = wire != Wire::Json;
        let in_events = wire == Wire::Sse
            || matches!(self.head, Head::Events)
            || matches!(
                self.head,
                Head::Any {
                    content_type: Type::Events,
                    ..
                }
            );
        let (mut body, mut waits) = (Vec::new(), Vec::new());
        for part in &self.parts {
            match part {
                Part::Raw(bytes) => body.extend_from_slice(bytes),
                Part::Wait(time) => waits.push((body.len(), *time)),
                part => {
                    let message = part.message(request).unwrap_or_default();
                    let wire = match wire {
                        Wire::Json if in_events => Wire::Events,
                        wire => wire,
                    };
                    body.extend(wire.message(&message));
                }
            }
        }
        let mut steps = Vec::new();
        if !is_stream {
            steps.push(Step::Send(self.head.bytes(body.len())));
        }
        let mut sent = 0;
        waits.reverse();
        for piece in body.chunks(usize::from(self.piece).max(1)) {
            steps.push(Step::Send(piece.to_vec()));
            sent += piece.len();
            while let Some((_, time)) = waits.pop_if(|(at, _)| *at <= sent) {
                steps.push(Step::Wait(Duration::from_millis(time.into())));
            }
        }
        match self.ends {
            End::Stays if matches!(self.head, Head::Any { .. }) || is_stream => {}
            End::Stays | End::Close => steps.push(Step::Close),
            End::Reset => steps.push(Step::Reset),
        }
        steps
    }
}

impl Head {
    fn bytes(&self, length: usize) -> Vec<u8> {
        let head = match self {
            Self::None => return Vec::new(),
            Self::Events => "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n".to_owned(),
            Self::Json => "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n".to_owned(),
            Self::Any {
                status,
                content_type,
                coding,
                has_session,
            } => {
                let status = 200 + status % 400;
                let content_type = match content_type {
                    Type::Json => "content-type: application/json\r\n",
                    Type::Events => "content-type: text/event-stream\r\n",
                    Type::Text => "content-type: text/html\r\n",
                    Type::None => "",
                };
                let coding = match coding {
                    Coding::None => "",
                    Coding::Gzip => "content-encoding: gzip\r\n",
                    Coding::Brotli => "content-encoding: br\r\n",
                    Coding::Zstd => "content-encoding: zstd\r\n",
                    Coding::Deflate => "content-encoding: deflate\r\n",
                    Coding::Unknown => "content-encoding: x-other\r\n",
                };
                let session = if *has_session {
                    "mcp-session-id: one\r\n"
                } else {
                    ""
                };
                format!(
                    "HTTP/1.1 {status} x\r\n{content_type}{coding}{session}content-length: {length}\r\n"
                )
            }
        };
        format!("{head}\r\n").into_bytes()
    }
}

/// What is fed to the stream that carries all answers, where there is one.
type Feed = Mutex<Option<UnboundedSender<Vec<Step>>>>;

fn answer(
    request: &Received,
    answers: &Mutex<VecDeque<Answer>>,
    wire: Wire,
    feed: &Feed,
) -> Action {
    if wire == Wire::Sse && request.method == "GET" {
        let (sender, steps) = unbounded_channel();
        let _ = sender.send(vec![Step::Send(
            b"event: endpoint\ndata: /messages\n\n".to_vec(),
        )]);
        *feed.lock() = Some(sender);
        return Action::Stream(steps);
    }
    let planned = answers.lock().pop_front();
    let message = &request.message;
    if wire == Wire::Sse {
        let steps = match planned {
            Some(answer) => answer.steps(message, wire),
            None if is_request(message) => vec![Step::Send(wire.message(&own(message)))],
            None => Vec::new(),
        };
        if let Some(feed) = &*feed.lock() {
            let _ = feed.send(steps);
        }
        return accepted();
    }
    match planned {
        Some(answer) => Action::Reply(answer.steps(message, wire)),
        None if request.method != "POST" => reply("405 No", "text/plain", b""),
        None if !is_request(message) => accepted(),
        None if request.rpc() == "server/discover" => reply("404 No", "text/plain", b""),
        None if request.rpc() == "initialize" => with_headers(
            "200 OK",
            "mcp-session-id: one\r\n",
            "application/json",
            &own(message),
        ),
        None => json(&own(message)),
    }
}

/// A WebSocket, whose messages are answered like requests.
async fn serve_frames(mut stream: TcpStream, answers: &Mutex<VecDeque<Answer>>) {
    let wire = Wire::WebSocket;
    let Some(request) = read_request(&mut stream).await else {
        return;
    };
    if stream.write_all(&upgraded(&request)).await.is_err() {
        return;
    }
    while let Some((opcode, payload)) = read_frame(&mut stream).await {
        if opcode != 1 {
            return;
        }
        let message: Value = serde_json::from_slice(&payload).expect("a message");
        let planned = answers.lock().pop_front();
        let steps = match planned {
            Some(answer) => answer.steps(&message, wire),
            None if is_request(&message) => vec![Step::Send(wire.message(&own(&message)))],
            None => Vec::new(),
        };
        if !perform(&mut stream, steps).await {
            return;
        }
    }
}

/// The port of a server of WebSockets.
async fn frames(answers: Mutex<VecDeque<Answer>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let answers = Arc::new(answers);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answers = Arc::clone(&answers);
            tokio::spawn(async move { serve_frames(stream, &answers).await });
        }
    });
    port
}

async fn call(connection: &Connection, text: &str) {
    let params = json!({ "name": "echo", "arguments": { "text": text } });
    let options = within(5.0);
    let outcome = connection.request("tools/call", Some(&params), &options);
    match outcome.await {
        Ok(result) => {
            let result: Value = serde_json::from_str(result.get()).unwrap_or_default();
            let found = result["content"][0]["text"].as_str();
            if let Some(of) = found.and_then(|found| found.strip_prefix(OWN)) {
                assert_eq!(of, text, "an answer belongs to its call");
            }
        }
        Err(error) => assert_ne!(error.code, Code::Internal, "{error}"),
    }
}

async fn use_it(input: Input) {
    let wire = input.transport.wire();
    let (answers, feed) = (Mutex::new(input.answers.into()), Arc::new(Feed::default()));
    let config = if wire == Wire::WebSocket {
        let port = frames(answers).await;
        json!({ "url": format!("ws://127.0.0.1:{port}/") })
    } else {
        let feeding = Arc::clone(&feed);
        let server =
            Scripted::start(move |request| answer(request, &answers, wire, &feeding)).await;
        match wire {
            Wire::Sse => json!({ "type": "sse", "url": server.url("/sse") }),
            _ => json!({ "type": "streamable-http", "url": server.url("/mcp") }),
        }
    };
    let recipe = recipe(config);
    let breaker = Breakers::default().of(&(), &recipe.settings.breaker);
    let known = Known {
        generation: (!input.discovers).then_some(Generation::Initialize),
        ..Known::default()
    };
    let (recipe, failure) = (recipe.into(), LastFailure::default());
    let cancel = CancellationToken::new();
    let connected = connect(&recipe, &known, &breaker, &failure, &cancel).await;
    if let Ok(connection) = connected {
        let _ = list(&connection, 5.0).await;
        tokio::join!(call(&connection, "one"), call(&connection, "two"));
        let _ = connection.is_connected(&within(5.0)).await;
        call(&connection, "three").await;
        connection.close().await;
    }
    recipe.http.close().await;
    feed.lock().take();
    // Those of the server: one that listens, and those that wait for the end of their sockets.
    let own = 1;
    while Handle::current().metrics().num_alive_tasks() > own {
        sleep(Duration::from_secs(1)).await;
    }
}

fuzz_target!(|input: Input| {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let used = timeout(NEVER, use_it(input)).await;
        assert!(used.is_ok(), "nothing hangs, and nothing stays under way");
    });
});
