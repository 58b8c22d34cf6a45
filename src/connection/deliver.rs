//! Answers to requests of the server on their way to it.

use std::time::Duration;

use rmcp::model::ErrorData;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::time::timeout;

use super::engine::Engine;
use crate::background;
use crate::transport::message::answer;

/// How long a server may take to take one.
const TIMEOUT: Duration = Duration::from_secs(30);

impl Engine {
    /// Answers before long, without anybody's waiting for it.
    pub(super) fn answer_soon(&self, id: &RawValue, reply: Result<Value, ErrorData>) {
        let Ok(text) = answer(id, reply) else { return };
        let Some(is_needed) = self.inbound.answers.push(text) else {
            if let Some(dropped) = self.inbound.answers.dropped.another() {
                self.client.logger.warn(format!(
                    "The server asks faster than it takes the answers; dropped: {dropped}"
                ));
            }
            return;
        };
        let Some(engine) = self.handle().filter(|_| is_needed) else {
            return;
        };
        background::spawn(async move {
            let answers = &engine.inbound.answers;
            while let Some(text) = answers.next() {
                if !engine.deliver(text).await {
                    return answers.give_up();
                }
            }
        });
    }

    /// Sends an answer, and says whether that came to an end. A server that does not take it has lost more than that.
    pub(super) async fn deliver(&self, text: Vec<u8>) -> bool {
        tokio::select! {
            biased;
            () = self.life.cancelled() => false,
            sent = timeout(TIMEOUT, Box::pin(self.tell(text))) => sent.is_ok(),
        }
    }
}
