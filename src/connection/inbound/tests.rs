use std::collections::VecDeque;
use std::convert::Infallible;

use async_trait::async_trait;
use parking_lot::Mutex;
use rmcp::model::{ClientRequest, CustomRequest};
use serde_json::{Value, json};

use super::*;
use crate::connection::handler::ProgressRoutes;
use crate::error::Result;
use crate::host::{Logger, Peer, ServerRequests};

/// Hands over what it was given, and keeps what it is sent. Where it is `stuck` nothing that is sent arrives.
#[derive(Clone, Default)]
struct Scripted {
    incoming: Arc<Mutex<VecDeque<ServerJsonRpcMessage>>>,
    sent: Arc<Mutex<Vec<Value>>>,
    stuck: bool,
}

impl Transport<RoleClient> for Scripted {
    type Error = Infallible;

    fn send(
        &mut self,
        item: ClientJsonRpcMessage,
    ) -> impl Future<Output = std::result::Result<(), Infallible>> + Send + 'static {
        self.sent.lock().push(serde_json::to_value(&item).unwrap());
        let stuck = self.stuck;
        async move {
            if stuck {
                std::future::pending::<()>().await;
            }
            Ok(())
        }
    }

    async fn receive(&mut self) -> Option<ServerJsonRpcMessage> {
        let next = self.incoming.lock().pop_front();
        match next {
            Some(message) => Some(message),
            None => std::future::pending().await,
        }
    }

    async fn close(&mut self) -> std::result::Result<(), Infallible> {
        Ok(())
    }
}

/// Answers everybody but those who wait for ever.
struct Host {
    answers: bool,
}

#[async_trait]
impl ServerRequests for Host {
    fn handles(&self, _: &str) -> bool {
        true
    }

    async fn answer(&self, peer: &Peer, _: &str, _: Value) -> Result<Value> {
        if !self.answers {
            std::future::pending::<()>().await;
        }
        Ok(json!({ "action": "accept", "content": { "user": peer.user_id } }))
    }

    fn notify(&self, _: &Peer, _: &str, _: String) {}
}

fn caller(user_id: Option<&str>, answers: bool) -> Caller {
    Caller {
        peer: Peer {
            server_name: "srv".to_owned(),
            user_id: user_id.map(str::to_owned),
        },
        host: Some(Arc::new(Host { answers })),
    }
}

fn inbound(owner: Caller, transport: &Scripted) -> Inbound<Scripted> {
    let handler = Handler {
        owner,
        attributes: true,
        observer: None,
        progress: ProgressRoutes::default(),
        tools_changes: Arc::default(),
        logger: Logger::silent(),
    };
    Inbound::new(transport.clone(), handler, UnderWay::default())
}

fn question(id: usize, origin: Option<InboundStreamOrigin>) -> ServerJsonRpcMessage {
    let message = json!({
        "jsonrpc": "2.0", "id": id, "method": "elicitation/create",
        "params": { "message": "?", "requestedSchema": { "type": "object", "properties": {} } },
    });
    let mut message: ServerJsonRpcMessage = serde_json::from_value(message).unwrap();
    if let (ServerJsonRpcMessage::Request(request), Some(origin)) = (&mut message, origin) {
        request.request.extensions_mut().insert(origin);
    }
    message
}

fn ping(id: usize) -> ServerJsonRpcMessage {
    serde_json::from_value(json!({ "jsonrpc": "2.0", "id": id, "method": "ping" })).unwrap()
}

/// Lets everything happen that can, with time standing still.
async fn run(inbound: &mut Inbound<Scripted>) {
    let _ = timeout(Duration::from_secs(1), inbound.receive()).await;
}

fn call(inbound: &mut Inbound<Scripted>, id: i64, caller: Option<Caller>) -> CancellationToken {
    let ended = CancellationToken::new();
    let mut request = CustomRequest::new("tools/call", None);
    request.extensions.insert(Arc::new(Origin {
        caller,
        ended: ended.clone(),
    }));
    let request = ClientRequest::CustomRequest(request);
    drop(inbound.send(ClientJsonRpcMessage::request(
        request,
        RequestId::Number(id),
    )));
    ended
}

fn answer_to(transport: &Scripted, id: usize) -> Value {
    let sent = transport.sent.lock();
    let found = sent
        .iter()
        .find(|message| message["id"] == id && message["method"].is_null());
    found.cloned().unwrap_or_default()
}

const fn on_call(id: i64) -> InboundStreamOrigin {
    InboundStreamOrigin::OutboundRequest(RequestId::Number(id))
}

#[tokio::test(start_paused = true)]
async fn questions_go_to_the_user_of_their_call() {
    let transport = Scripted::default();
    let mut inbound = inbound(caller(None, true), &transport);
    let _calls = [
        call(&mut inbound, 1001, Some(caller(Some("ann"), true))),
        call(&mut inbound, 1002, Some(caller(Some("bob"), true))),
        call(&mut inbound, 1003, None),
    ];
    let over = call(&mut inbound, 1004, Some(caller(Some("eve"), true)));
    over.cancel();
    let origins = [
        Some(on_call(1002)),
        Some(on_call(1001)),
        Some(on_call(1003)),
        Some(on_call(1004)),
        Some(on_call(1005)),
        Some(InboundStreamOrigin::Unassociated),
        None,
    ];
    let questions = origins.into_iter().enumerate();
    let questions = questions.map(|(id, origin)| question(id, origin));
    transport.incoming.lock().extend(questions);
    run(&mut inbound).await;
    for (id, user) in [(0, "bob"), (1, "ann")] {
        assert_eq!(answer_to(&transport, id)["result"]["content"]["user"], user);
    }
    for id in 2..7 {
        assert_eq!(answer_to(&transport, id)["error"]["code"], -32600, "{id}");
    }
    assert!(inbound.under_way.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_user_answers_on_the_own_connection() {
    let transport = Scripted::default();
    let mut inbound = inbound(caller(Some("ann"), true), &transport);
    transport.incoming.lock().push_back(question(1, None));
    run(&mut inbound).await;
    assert_eq!(answer_to(&transport, 1)["result"]["content"]["user"], "ann");
}

#[tokio::test(start_paused = true)]
async fn from_2026_07_28_on_questions_need_a_call() {
    let transport = Scripted::default();
    let mut inbound = inbound(caller(Some("ann"), true), &transport);
    inbound.is_strict = true;
    let unassociated = Some(InboundStreamOrigin::Unassociated);
    transport
        .incoming
        .lock()
        .push_back(question(1, unassociated));
    run(&mut inbound).await;
    assert_eq!(answer_to(&transport, 1)["error"]["code"], -32602);
}

#[tokio::test(start_paused = true)]
async fn no_more_than_32_are_asked_at_a_time() {
    let transport = Scripted::default();
    let mut inbound = inbound(caller(Some("ann"), false), &transport);
    let questions = (0..ANSWERED + 8).map(|id| question(id, None));
    transport.incoming.lock().extend(questions);
    run(&mut inbound).await;
    assert_eq!(inbound.answering.len(), ANSWERED);
    for id in ANSWERED..ANSWERED + 8 {
        assert_eq!(answer_to(&transport, id)["error"]["code"], -32000);
    }
    let cancelled = json!({
        "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 3 },
    });
    let mut incoming = VecDeque::from([serde_json::from_value(cancelled).unwrap(), ping(99)]);
    transport.incoming.lock().append(&mut incoming);
    run(&mut inbound).await;
    assert!(answer_to(&transport, 3)["error"].is_object());
    assert!(answer_to(&transport, 99)["result"].is_object());
    assert_eq!(inbound.answering.len(), ANSWERED - 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_no_answers_is_not_answered_for_ever() {
    let transport = Scripted {
        stuck: true,
        ..Scripted::default()
    };
    let mut inbound = inbound(caller(None, true), &transport);
    transport.incoming.lock().extend((0..10_000).map(ping));
    run(&mut inbound).await;
    assert_eq!(transport.sent.lock().len(), UNDER_WAY);
    assert_eq!(inbound.dropped, 10_000 - UNDER_WAY as u64);
    assert!(!inbound.under_way.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_id_that_is_under_way_is_not_asked_again() {
    let transport = Scripted::default();
    let mut inbound = inbound(caller(Some("ann"), false), &transport);
    let questions = (0..10).map(|_| question(1, None));
    transport.incoming.lock().extend(questions);
    run(&mut inbound).await;
    assert_eq!(inbound.answering.len(), 1);
    let refused = transport.sent.lock().len();
    assert_eq!(refused, 9);
}
