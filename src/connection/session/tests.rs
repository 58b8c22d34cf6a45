use async_trait::async_trait;
use rmcp::model::{ProtocolVersion, ServerCapabilities};
use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::connection::caller::Caller;
use crate::connection::client::Client;
use crate::connection::options::Progress;
use crate::connection::recording_wire::{RecordingWire, session_over};
use crate::host::{Notice, Peer, ServerRequest, ServerRequests};
use crate::log::Logger;
use crate::transport::Receiver;

/// Somebody who takes a minute to answer.
struct Slow;

#[async_trait]
impl ServerRequests for Slow {
    fn handles(&self, _: &str) -> bool {
        true
    }

    async fn answer(&self, _: &Peer, _: ServerRequest<'_>) -> Result<Value> {
        sleep(Duration::from_mins(1)).await;
        Ok(json!({ "action": "decline" }))
    }

    fn notify(&self, _: &Peer, _: Notice) {}
}

#[tokio::test(start_paused = true)]
async fn a_server_that_waits_for_the_host_is_not_silent() {
    let caller = Caller {
        peer: Peer {
            server_name: "srv".to_owned(),
            user_id: Some("ann".to_owned()),
            tool_name: None,
        },
        host: Some(Arc::new(Slow)),
    };
    let client = Client {
        owner: caller.clone(),
        attributes: true,
        profile: Arc::default(),
        extensions: None,
        elicits: true,
        observer: None,
        logger: Logger::silent(),
    };
    let wire = Arc::<RecordingWire>::default();
    let (version, capabilities) = (ProtocolVersion::V_2025_11_25, ServerCapabilities::default());
    let engine = session_over(Arc::clone(&wire) as _, client, version, capabilities);

    let cancel = CancellationToken::new();
    let options = CallOptions {
        progress: Some(Progress {
            timeout: Duration::from_secs(10),
            sink: None,
        }),
        caller: Some(caller),
        ..CallOptions::new(Instant::now() + Duration::from_hours(1), cancel)
    };
    let session = Session::from(Arc::clone(&engine));
    let call = tokio::spawn(async move {
        session
            .request_once("tools/call", Params::None, &options)
            .await
    });
    sleep(Duration::from_secs(1)).await;
    let during = wire.0.lock()[0]["id"].as_u64();
    let question = json!({
        "jsonrpc": "2.0", "id": 7, "method": "elicitation/create", "params": { "message": "?" },
    });
    message::read(&question.to_string(), |message| {
        engine.receive(message.unwrap(), during);
    });
    sleep(Duration::from_secs(61)).await;
    let answer = wire.0.lock().last().cloned().unwrap();
    assert_eq!(answer["result"]["action"], "decline");
    // From the answer on it is.
    sleep(Duration::from_secs(8)).await;
    assert!(!call.is_finished());
    sleep(Duration::from_secs(8)).await;
    let error = call.await.unwrap().unwrap_err();
    assert_eq!(error.code, Code::Timeout);
}
