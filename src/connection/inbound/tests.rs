use async_trait::async_trait;
use serde_json::json;
use tokio::time::Instant;

use parking_lot::Mutex;

use super::*;
use crate::connection::CallOptions;
use crate::connection::asked::ASKED_OF_USER;
use crate::connection::client::Client;
use crate::connection::recording_wire::engine_over;
use crate::connection::requests::Registered;
use crate::error::Result;
use crate::host::{Notice, Peer, ServerRequests};
use crate::log::Logger;
use crate::transport::{Failure, Receiver, Sending, Wire, message};

/// Keeps what it is sent. Where it is `stuck` nothing that is sent arrives.
#[derive(Default)]
struct Scripted {
    sent: Mutex<Vec<Value>>,
    stuck: bool,
}

#[async_trait]
impl Wire for Scripted {
    async fn send(&self, sending: Sending<'_>) -> Result<(), Failure> {
        let message = serde_json::from_slice(&sending.text);
        self.sent.lock().push(message.unwrap());
        if self.stuck {
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    async fn close(&self) {}
}

/// Answers everybody but those who wait for ever, and hears everything at once.
#[derive(Default)]
struct Host {
    answers: bool,
    /// By whom, and in whose context.
    heard: Mutex<Vec<(Option<String>, bool, String)>>,
    /// How many wait for it.
    asked: Arc<()>,
}

#[async_trait]
impl ServerRequests for Host {
    fn handles(&self, _: &str) -> bool {
        true
    }

    async fn answer(&self, peer: &Peer, request: ServerRequest<'_>) -> Result<Value> {
        let _asked = Arc::clone(&self.asked);
        if !self.answers {
            std::future::pending::<()>().await;
        }
        let id: Value = serde_json::from_str(request.id).unwrap();
        Ok(json!({ "action": "accept", "content": { "user": peer.user_id, "id": id } }))
    }

    fn notify(&self, peer: &Peer, notice: Notice) {
        let heard = (peer.user_id.clone(), notice.is_nobodys, notice.params);
        self.heard.lock().push(heard);
    }
}

fn caller_of(user_id: Option<&str>, host: &Arc<Host>) -> Caller {
    Caller {
        peer: Peer {
            server_name: "srv".to_owned(),
            user_id: user_id.map(str::to_owned),
            tool_name: None,
        },
        host: Some(Arc::clone(host) as _),
    }
}

fn caller(user_id: Option<&str>, answers: bool) -> Caller {
    let host = Host {
        answers,
        ..Host::default()
    };
    caller_of(user_id, &Arc::new(host))
}

/// A session and what it has sent. Its wire tells calls apart only where the test says so.
struct Session {
    engine: Arc<Engine>,
    wire: Arc<Scripted>,
}

impl Session {
    fn new(owner: Caller, stuck: bool) -> Self {
        let client = Client {
            owner,
            attributes: true,
            profile: Arc::default(),
            extensions: None,
            elicits: true,
            observer: None,
            logger: Logger::silent(),
        };
        let wire = Arc::new(Scripted {
            stuck,
            ..Scripted::default()
        });
        let engine = engine_over(wire.clone(), client);
        Self { engine, wire }
    }

    /// The server sends a message, on the stream of a request or of none.
    fn receive(&self, message: &Value, during: Option<u64>) {
        let text = message.to_string();
        message::read(&text, |message| {
            self.engine.receive(message.unwrap(), during);
        });
    }

    fn call(&self, id: u64, caller: Option<Caller>) -> Registered {
        let mut options = CallOptions::new(Instant::now(), CancellationToken::new());
        options.caller = caller;
        self.engine.requests.add(id, &options)
    }

    fn answer_to(&self, id: usize) -> Value {
        let sent = self.wire.sent.lock();
        let found = sent
            .iter()
            .find(|message| message["id"] == id && message["method"].is_null());
        found.cloned().unwrap_or_default()
    }
}

/// Lets everything happen that can, with time standing still.
async fn run() {
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
}

fn question(id: usize) -> Value {
    json!({
        "jsonrpc": "2.0", "id": id, "method": "elicitation/create",
        "params": { "message": "?", "requestedSchema": { "type": "object", "properties": {} } },
    })
}

fn ping(id: usize) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "ping" })
}

#[tokio::test(start_paused = true)]
async fn questions_go_to_the_user_of_their_call() {
    let session = Session::new(caller(None, true), false);
    let _calls = [
        session.call(1001, Some(caller(Some("ann"), true))),
        session.call(1002, Some(caller(Some("bob"), true))),
        session.call(1003, None),
    ];
    drop(session.call(1004, Some(caller(Some("eve"), true))));
    let streams = [
        Some(1002),
        Some(1001),
        Some(1003),
        Some(1004),
        Some(1005),
        None,
    ];
    for (id, during) in streams.into_iter().enumerate() {
        session.receive(&question(id), during);
    }
    run().await;
    for (id, user) in [(0, "bob"), (1, "ann")] {
        assert_eq!(session.answer_to(id)["result"]["content"]["user"], user);
    }
    for id in 2..6 {
        assert_eq!(session.answer_to(id)["error"]["code"], -32600, "{id}");
    }
    assert!(session.engine.inbound.all().lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_call_ends_its_questions() {
    let session = Session::new(caller(None, true), false);
    let call = session.call(1001, Some(caller(Some("ann"), false)));
    session.receive(&question(1), Some(1001));
    run().await;
    assert!(session.answer_to(1).is_null());
    drop(call);
    run().await;
    assert_eq!(session.answer_to(1)["error"]["code"], -32600);
}

#[tokio::test(start_paused = true)]
async fn a_user_answers_on_the_own_connection() {
    let session = Session::new(caller(Some("ann"), true), false);
    session.receive(&question(1), None);
    run().await;
    assert_eq!(session.answer_to(1)["result"]["content"]["user"], "ann");
}

#[tokio::test(start_paused = true)]
async fn no_more_than_32_are_asked_of_a_user_at_a_time() {
    let session = Session::new(caller(None, true), false);
    let host = Arc::new(Host::default());
    let _calls = [
        session.call(1001, Some(caller_of(Some("ann"), &host))),
        session.call(1002, Some(caller(Some("bob"), true))),
    ];
    let most = ASKED_OF_USER.requests;
    for id in 0..most + 8 {
        session.receive(&question(id), Some(1001));
    }
    session.receive(&question(98), Some(1002));
    run().await;
    // One is the test's own.
    assert_eq!(Arc::strong_count(&host.asked), most + 1);
    for id in most..most + 8 {
        assert_eq!(session.answer_to(id)["error"]["code"], -32000);
    }
    assert_eq!(session.answer_to(98)["result"]["content"]["user"], "bob");
}

#[tokio::test(start_paused = true)]
async fn what_the_host_is_asked_is_bounded_in_bytes() {
    let session = Session::new(caller(Some("ann"), false), false);
    let mut long = question(0);
    long["params"]["message"] = json!("x".repeat(ASKED_OF_USER.bytes));
    session.receive(&long, None);
    session.receive(&question(1), None);
    run().await;
    assert!(session.answer_to(0).is_null());
    assert_eq!(session.answer_to(1)["error"]["code"], -32000);
}

#[tokio::test(start_paused = true)]
async fn what_a_server_withdraws_is_not_answered() {
    let session = Session::new(caller(None, true), false);
    let hosts = [Arc::new(Host::default()), Arc::new(Host::default())];
    let _calls = [
        session.call(1001, Some(caller_of(Some("ann"), &hosts[0]))),
        session.call(1002, Some(caller_of(Some("bob"), &hosts[1]))),
    ];
    let waiting = || {
        hosts
            .each_ref()
            .map(|host| Arc::strong_count(&host.asked) - 1)
    };
    let withdraw = |id: usize, during| {
        let params = json!({ "requestId": id });
        let message = json!({
            "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params,
        });
        session.receive(&message, during);
    };
    for (id, during) in [(1, 1001), (1, 1002), (2, 1002)] {
        session.receive(&question(id), Some(during));
    }
    run().await;
    assert_eq!(waiting(), [1, 2]);
    // Whose it is shows neither the stream nor the id.
    withdraw(1, None);
    run().await;
    assert_eq!(waiting(), [1, 2]);
    withdraw(1, Some(1002));
    withdraw(2, None);
    run().await;
    assert_eq!(waiting(), [1, 0]);
    assert!(session.wire.sent.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_wire_ends_what_came_over_it() {
    for end in [|engine: &Engine| engine.lost(&[]), Engine::over] {
        let host = Arc::new(Host::default());
        let session = Session::new(caller_of(Some("ann"), &host), false);
        session.receive(&question(1), None);
        run().await;
        assert_eq!(Arc::strong_count(&host.asked), 2);
        end(&session.engine);
        run().await;
        assert_eq!(Arc::strong_count(&host.asked), 1);
        assert!(session.wire.sent.lock().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn every_ping_of_a_burst_is_answered() {
    let session = Session::new(caller(None, true), false);
    for id in 0..5000 {
        session.receive(&ping(id), None);
    }
    run().await;
    let sent = session.wire.sent.lock();
    let answered: std::collections::HashSet<_> =
        sent.iter().map(|answer| answer["id"].as_u64()).collect();
    assert_eq!(answered.len(), 5000);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_no_answers_is_not_answered_for_ever() {
    let session = Session::new(caller(None, true), true);
    for id in 0..100_000 {
        session.receive(&ping(id), None);
        if id % 1000 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let sent = session.wire.sent.lock().len();
    assert!((1..100).contains(&sent), "{sent}");
    assert!(session.engine.inbound.answers.bytes() <= 1024 * 1024);
    let stuck = Arc::downgrade(&session.engine);
    drop(session);
    tokio::time::sleep(std::time::Duration::from_hours(1)).await;
    assert!(stuck.upgrade().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_question_that_a_stream_repeats_is_asked_once() {
    let session = Session::new(caller(None, true), false);
    let calls = [1001, 1002].map(|id| session.call(id, Some(caller(Some("ann"), false))));
    for during in [1001, 1001, 1002] {
        session.receive(&question(1), Some(during));
    }
    run().await;
    assert_eq!(session.engine.inbound.all().lock().len(), 2);
    assert!(session.wire.sent.lock().is_empty());
    drop(calls);
    run().await;
    assert_eq!(session.wire.sent.lock().len(), 2);
}

fn log(text: &str) -> Value {
    json!({ "jsonrpc": "2.0", "method": LOG_MESSAGE, "params": text })
}

#[tokio::test(start_paused = true)]
async fn log_messages_are_heard_by_whoever_called() {
    let host = Arc::new(Host::default());
    let of = |user| caller_of(user, &host);
    let heard = || std::mem::take(&mut *host.heard.lock());
    let text = |text: &str| json!(text).to_string();
    let (ann, bob) = (Some("ann".to_owned()), Some("bob".to_owned()));

    let shared = Session::new(of(None), false);
    let _calls = [
        shared.call(1, Some(of(ann.as_deref()))),
        shared.call(2, Some(of(None))),
        shared.call(3, None),
    ];
    let streams = [Some(1), Some(2), Some(3), Some(4), None];
    for (during, name) in streams.into_iter().zip(["a", "b", "c", "d", "e"]) {
        shared.receive(&log(name), during);
    }
    let expected = [
        (ann.clone(), false, text("a")),
        (None, false, text("b")),
        (None, true, text("c")),
        (None, true, text("d")),
        (None, true, text("e")),
    ];
    assert_eq!(heard(), expected);

    let own = Session::new(of(bob.as_deref()), false);
    own.receive(&log("f"), None);
    assert_eq!(heard(), [(bob, false, text("f"))]);
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_and_answered_in_between() {
    let session = Session::new(caller(None, true), false);
    for (id, method) in [(1, "roots/list"), (2, "unknown/method"), (3, "ping")] {
        session.receive(
            &json!({ "jsonrpc": "2.0", "id": id, "method": method }),
            None,
        );
    }
    session.receive(
        &json!({ "jsonrpc": "2.0", "id": "text", "method": "ping" }),
        None,
    );
    run().await;
    // The host answers `roots/list`, and nobody owns the connection.
    assert_eq!(session.answer_to(1)["error"]["code"], -32600);
    assert_eq!(session.answer_to(2)["error"]["code"], -32601);
    assert_eq!(session.answer_to(3)["result"], json!({}));
    let sent = session.wire.sent.lock();
    assert!(sent.iter().any(|message| message["id"] == "text"));
}
