//! A whole connection, from its handshake to its end, to a server that answers with anything.

#![no_main]

#[path = "engine/plan.rs"]
mod plan;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use librechat_mcp_native::connection::{
    Breakers, Connection, Generation, Known, LastFailure, connect,
};
use librechat_mcp_native::error::Code;
use parking_lot::Mutex;
use plan::{Answer, Input, OWN, own};
use serde_json::{Value, json};
use support::http::{Received, read_request};
use support::scripted::{Action, Scripted, accepted, is_request, json, reply, with_headers};
use support::server::{read_frame, upgraded};
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
