use parking_lot::Mutex;
use serde_json::from_value;

use super::*;
use crate::connection::caller::Caller;
use crate::connection::client::Client;
use crate::connection::events::Observer;
use crate::connection::generation::DISCOVERED;
use crate::connection::recording_wire::{RecordingWire, session_over};
use crate::host::Peer;
use crate::transport::Receiver;

/// Hears everything.
#[derive(Default)]
struct Heard {
    events: Mutex<Vec<Event>>,
    updated: Mutex<Vec<String>>,
}

impl Observer for Heard {
    fn notice(&self, event: Event) {
        self.events.lock().push(event);
    }

    fn hears(&self, _: Event) -> bool {
        true
    }

    fn resource_updated(&self, uri: &str) {
        self.updated.lock().push(uri.to_owned());
    }
}

struct World {
    engine: Arc<Engine>,
    wire: Arc<RecordingWire>,
    heard: Arc<Heard>,
}

impl World {
    /// A session with a server of 2026-07-28 over a stream of bytes.
    fn new(capabilities: Value) -> Self {
        let (wire, heard) = (Arc::<RecordingWire>::default(), Arc::<Heard>::default());
        let client = Client {
            owner: Caller {
                peer: Peer {
                    server_name: "srv".to_owned(),
                    user_id: Some("ann".to_owned()),
                    tool_name: None,
                },
                host: None,
            },
            attributes: false,
            profile: Arc::default(),
            extensions: None,
            elicits: false,
            observer: Some(Arc::clone(&heard) as _),
            logger: Logger::silent(),
        };
        let capabilities = from_value(capabilities).unwrap();
        let engine = session_over(Arc::clone(&wire) as _, client, DISCOVERED, capabilities);
        Self {
            engine,
            wire,
            heard,
        }
    }

    fn receive(&self, message: &Value) {
        message::read(&message.to_string(), |message| {
            self.engine.receive(message.unwrap(), None);
        });
    }

    fn notify(&self, method: &str, id: &Value, members: Value) {
        let mut params = members;
        params["_meta"] = json!({ "io.modelcontextprotocol/subscriptionId": id });
        let method = format!("notifications/{method}");
        self.receive(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    /// The server agrees to what it was asked last.
    fn acknowledge(&self) -> Value {
        let asked = self.asked().pop().unwrap();
        let id = asked["id"].clone();
        let members = json!({ "notifications": asked["params"]["notifications"] });
        self.notify("subscriptions/acknowledged", &id, members);
        id
    }

    fn end(&self, id: &Value) {
        self.receive(
            &json!({ "jsonrpc": "2.0", "id": id, "result": { "resultType": "complete" } }),
        );
    }

    fn sent(&self, method: &str) -> Vec<Value> {
        let mut sent = self.wire.0.lock().clone();
        sent.retain(|message| message["method"] == method);
        sent
    }

    /// Every `subscriptions/listen`.
    fn asked(&self) -> Vec<Value> {
        self.sent(LISTEN)
    }
}

/// Everything happens that can without any time.
async fn run() {
    sleep(Duration::from_millis(1)).await;
}

fn able() -> Value {
    json!({ "tools": { "listChanged": true }, "prompts": {}, "resources": { "subscribe": true } })
}

#[tokio::test(start_paused = true)]
async fn changes_are_heard_from_the_acknowledgement_on() {
    let world = World::new(able());
    run().await;
    let asked = world.asked();
    assert_eq!(asked.len(), 1);
    let wanted = json!({ "toolsListChanged": true });
    assert_eq!(asked[0]["params"]["notifications"], wanted);
    assert!(!asked[0]["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"].is_null());

    let id = asked[0]["id"].clone();
    world.notify("tools/list_changed", &id, json!({}));
    assert_eq!(*world.heard.events.lock(), []);
    world.acknowledge();
    world.notify("tools/list_changed", &json!("another"), json!({}));
    world.notify("prompts/list_changed", &id, json!({}));
    world.notify("resources/updated", &id, json!({ "uri": "file:///a" }));
    // Without the name of a subscription, on this stream and on that of a call.
    let unnamed = json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" });
    for during in [None, id.as_u64(), Some(99)] {
        message::read(&unnamed.to_string(), |message| {
            world.engine.receive(message.unwrap(), during);
        });
    }
    assert_eq!(*world.heard.events.lock(), []);
    world.notify("tools/list_changed", &id, json!({}));
    world.notify("tools/list_changed", &json!(id.to_string()), json!({}));
    assert_eq!(*world.heard.events.lock(), [Event::ToolsChanged; 2]);
    assert_eq!(*world.heard.updated.lock(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_announces_nothing_is_not_asked() {
    let world = World::new(json!({ "tools": {}, "resources": { "subscribe": true } }));
    run().await;
    assert_eq!(world.asked(), Vec::<Value>::new());
    assert!(world.engine.subscriptions.get().is_none());
}

#[tokio::test(start_paused = true)]
async fn another_filter_ends_one_stream_and_opens_the_next() {
    let world = World::new(able());
    run().await;
    let first = world.acknowledge();
    let subscriptions = Arc::clone(world.engine.subscriptions.get().unwrap());
    assert!(subscriptions.add("file:///a").unwrap());
    assert!(!subscriptions.add("file:///a").unwrap());
    world.engine.listen_to_changes();
    run().await;
    let cancelled = world.sent("notifications/cancelled");
    assert_eq!(cancelled.len(), 1);
    assert_eq!(cancelled[0]["params"]["requestId"], first);
    let asked = world.asked();
    let uris = json!(["file:///a"]);
    assert_eq!(
        asked[1]["params"]["notifications"]["resourceSubscriptions"],
        uris
    );

    // The stream before is not heard any more.
    world.notify("tools/list_changed", &first, json!({}));
    assert_eq!(*world.heard.events.lock(), []);
    let second = world.acknowledge();
    assert!(subscriptions.settles("file:///a").await.is_ok());
    for uri in ["file:///a", "file:///a/part", "file:///ab", "file:///"] {
        world.notify("resources/updated", &second, json!({ "uri": uri }));
    }
    assert_eq!(*world.heard.updated.lock(), ["file:///a", "file:///a/part"]);

    // Nothing else is wanted than before.
    world.engine.listen_to_changes();
    run().await;
    assert_eq!(world.asked().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_is_opened_again_with_growing_pauses() {
    let world = World::new(able());
    run().await;
    for seconds in [1, 2, 4, 8, 16] {
        let before = world.asked().len();
        let id = world.acknowledge();
        world.end(&id);
        run().await;
        sleep(Duration::from_millis(seconds * 1000 - 10)).await;
        assert_eq!(world.asked().len(), before, "{seconds} s");
        sleep(Duration::from_secs(seconds)).await;
        assert_eq!(world.asked().len(), before + 1, "{seconds} s");
    }
    // A stream that lasts is worth opening.
    let id = world.acknowledge();
    sleep(Duration::from_mins(1)).await;
    let before = world.asked().len();
    world.end(&id);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(world.asked().len(), before + 1);
    // Over a stream of bytes a server may also say it so.
    let id = world.acknowledge();
    let cancelled = json!({ "requestId": id, "reason": "shutdown" });
    world.receive(
        &json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancelled }),
    );
    sleep(Duration::from_secs(5)).await;
    assert_eq!(world.asked().len(), before + 2);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_has_nothing_to_tell_is_not_asked_again() {
    let error = json!({ "code": METHOD_NOT_FOUND, "message": "Method not found" });
    let world = World::new(able());
    run().await;
    let id = world.asked()[0]["id"].clone();
    world.receive(&json!({ "jsonrpc": "2.0", "id": id, "error": error }));
    sleep(Duration::from_hours(1)).await;
    assert_eq!(world.asked().len(), 1);

    // It agrees to nothing, and ends the stream.
    let world = World::new(able());
    run().await;
    let id = world.asked()[0]["id"].clone();
    world.notify(
        "subscriptions/acknowledged",
        &id,
        json!({ "notifications": {} }),
    );
    world.end(&id);
    sleep(Duration::from_hours(1)).await;
    assert_eq!(world.asked().len(), 1);
    // Somebody who wants something else may ask.
    world
        .engine
        .subscriptions
        .get()
        .unwrap()
        .add("file:///a")
        .unwrap();
    world.engine.listen_to_changes();
    run().await;
    assert_eq!(world.asked().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_acknowledge_is_given_up() {
    let world = World::new(able());
    run().await;
    let subscriptions = Arc::clone(world.engine.subscriptions.get().unwrap());
    subscriptions.add("file:///a").unwrap();
    world.engine.listen_to_changes();
    run().await;
    let error = subscriptions.settles("file:///a").await.unwrap_err();
    assert_eq!(error.code, unanswered().code);
    assert_eq!(world.sent("notifications/cancelled").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_stream_ends_with_the_session() {
    let world = World::new(able());
    run().await;
    world.acknowledge();
    let subscriptions = Arc::downgrade(world.engine.subscriptions.get().unwrap());
    drop(world);
    run().await;
    assert!(subscriptions.upgrade().is_none());
}

#[test]
fn subscriptions_have_a_bound() {
    let subscriptions = Subscriptions::default();
    for number in 0..1024 {
        subscriptions.add(&number.to_string()).unwrap();
    }
    assert!(subscriptions.add("one more").is_err());
    assert!(!subscriptions.add("7").unwrap());
    assert!(Subscriptions::default().add(&"x".repeat(9000)).is_err());
}
