//! A wire that goes nowhere, for tests of what is sent, and engines over wires of tests.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use rmcp::model::{ProtocolVersion, ServerCapabilities};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::client::Client;
use super::engine::{Agreed, Engine};
use super::handshake::Described;
use super::known::LastDescribed;
use crate::transport::{Failure, HttpSession, Lane, Sending, Wire};

/// Keeps what it is sent.
#[derive(Default)]
pub(super) struct RecordingWire(pub Mutex<Vec<Value>>);

#[async_trait]
impl Wire for RecordingWire {
    async fn send(&self, sending: Sending<'_>) -> Result<(), Failure> {
        let message = serde_json::from_slice(&sending.text);
        self.0.lock().push(message.unwrap());
        Ok(())
    }

    async fn close(&self) {}
}

/// An engine that has yet to agree on anything with a server.
pub(super) fn engine_over(wire: Arc<dyn Wire>, client: Client) -> Arc<Engine> {
    let (life, limit) = (CancellationToken::new(), Duration::from_secs(1));
    let engine = Engine::new(client, life, limit, None, LastDescribed::default());
    engine.use_lane(Lane::Duplex(wire));
    engine
}

/// One with a session.
pub(super) fn session_over(
    wire: Arc<dyn Wire>,
    client: Client,
    version: ProtocolVersion,
    capabilities: ServerCapabilities,
) -> Arc<Engine> {
    let engine = engine_over(wire, client);
    let described = Arc::new(Described {
        version,
        capabilities,
        instructions: None,
        raw_capabilities: None,
        server_info: None,
    });
    engine.take_up(Agreed::new(described, HttpSession::default(), &engine.life));
    engine
}
