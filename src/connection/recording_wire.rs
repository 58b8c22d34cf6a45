//! A wire that goes nowhere, for tests of what is sent.

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::Value;

use crate::transport::{Failure, Sending, Wire};

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
