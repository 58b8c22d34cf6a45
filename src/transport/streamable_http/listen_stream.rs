//! The stream that answers `subscriptions/listen` (MCP 2026-07-28, chapter "Subscriptions"): it has no end of its own, and
//! carries what the server announces.

use std::sync::Weak;

use tokio::task::coop::consume_budget;

use super::http::{StreamableHttp, is_event_stream};
use super::resume::{Pace, hand_over};
use super::session::HttpSession;
use crate::network::EXPLANATION_BYTES;
use crate::transport::no_answer::lost;
use crate::transport::refusal::refused;
use crate::transport::remote::{EVENT_STREAM, wrong_type};
use crate::transport::wire::{Failure, Receiver, Sending};

impl StreamableHttp {
    /// Sends the request `id` and hands over what comes until the stream ends, or is silent for as long as a GET stream
    /// may be.
    ///
    /// # Errors
    /// A refusal, an answer that is no stream, and as [`HttpClient::send`](crate::network::HttpClient::send).
    pub async fn listen_by(
        &self,
        session: &HttpSession,
        sending: Sending<'_>,
        id: u64,
        receiver: &Weak<dyn Receiver>,
    ) -> Result<(), Failure> {
        let call = sending.call;
        let response = self.remote.send(self.post_of(session, sending)).await?;
        if !response.status.is_success() {
            return Err(Box::pin(refused(response, false, None, &self.remote.sent(call))).await);
        }
        if !is_event_stream(&response) {
            let unexpected = wrong_type(&response, EVENT_STREAM);
            let (url, status) = (response.url.clone(), response.status);
            let body = response.bytes(EXPLANATION_BYTES).await?;
            let receiver = receiver.upgrade().ok_or_else(lost)?;
            // Only the refusal of the request comes so.
            return self
                .take_json(&body, id, &*receiver, &url, status)
                .map_err(|_| unexpected.into());
        }
        let (mut source, mut pace) = (self.events(response.stream()), Pace::of_streams());
        while let Ok(Some(Ok(found))) = source.next_within(self.sse_read_timeout).await {
            // Others get their turn between the events of a flood.
            consume_budget().await;
            let Some(receiver) = receiver.upgrade() else {
                break;
            };
            hand_over(&self.remote, &*receiver, found, &mut pace, Some(id));
        }
        Ok(())
    }
}
