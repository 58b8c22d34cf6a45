//! The GET stream of a session (MCP, chapter "Transports", "Listening for messages from the server"), which servers need
//! not have.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use http::StatusCode;
use tokio::task::coop::consume_budget;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::http::{StreamableHttp, is_event_stream};
use super::refused_stream::GetStream;
use super::resume::{Pace, hand_over};
use super::session::HttpSession;
use crate::error::Result;
use crate::transport::events::Events;
use crate::transport::remote::refusal;
use crate::transport::wire::Receiver;

impl StreamableHttp {
    /// Listens until `over`, where the server has a stream for this session.
    pub fn listen(
        self: &Arc<Self>,
        session: Arc<HttpSession>,
        receiver: Weak<dyn Receiver>,
        over: CancellationToken,
    ) -> Option<impl Future<Output = ()> + Send + use<>> {
        if session.id.is_none() || self.refused.holds() {
            self.do_without_stream();
            return None;
        }
        *self.stream.lock() = GetStream::Unknown;
        let http = Arc::clone(self);
        Some(async move {
            tokio::select! {
                biased;
                () = over.cancelled() => {}
                () = http.remote.life.cancelled() => {}
                () = http.keep_open(&session, &receiver) => http.do_without_stream(),
            }
        })
    }

    /// Nothing is heard of the server but its answers.
    pub fn do_without_stream(&self) {
        *self.stream.lock() = GetStream::Refused;
    }

    /// Whether an answer may still come on the GET stream.
    pub(super) fn may_stream(&self) -> bool {
        *self.stream.lock() != GetStream::Refused
    }

    /// Reads one stream after the other, until there is no further one.
    async fn keep_open(&self, session: &HttpSession, receiver: &Weak<dyn Receiver>) {
        let mut pace = Pace::of_streams();
        loop {
            // Boxed: opening a stream needs more room than waiting for its events does.
            match Box::pin(self.open_get(session, &pace, receiver)).await {
                Ok(Some(mut source)) => {
                    *self.stream.lock() = GetStream::Opened;
                    pace.opened();
                    if self.read(&mut source, &mut pace, receiver).await.is_none() {
                        return;
                    }
                }
                Ok(None) => return,
                // A server that refuses the first stream is not asked again.
                Err(_) if *self.stream.lock() == GetStream::Unknown => return,
                Err(error) => {
                    let message = format!("The GET stream was not opened again: {error}");
                    self.remote.logger.debug(message);
                }
            }
            let Some(pause) = pace.next() else { return };
            sleep(pause).await;
        }
    }

    async fn read(
        &self,
        source: &mut Events,
        pace: &mut Pace,
        receiver: &Weak<dyn Receiver>,
    ) -> Option<()> {
        while let Ok(Some(Ok(found))) = source.next_within(self.sse_read_timeout).await {
            consume_budget().await;
            let receiver = receiver.upgrade()?;
            hand_over(&self.remote, &*receiver, found, pace, None);
        }
        Some(())
    }

    /// `None` where the server has no stream.
    async fn open_get(
        &self,
        session: &HttpSession,
        pace: &Pace,
        receiver: &Weak<dyn Receiver>,
    ) -> Result<Option<Events>> {
        let response = self.open(session, pace.last_event_id()).await?;
        match response.status {
            StatusCode::METHOD_NOT_ALLOWED => {
                self.refused.note();
                return Ok(None);
            }
            StatusCode::CONFLICT => {
                self.conflicts(receiver);
                return Ok(None);
            }
            StatusCode::NOT_FOUND => return Ok(None),
            status if !status.is_success() => {
                let sent = self.remote.sent(None);
                return Err(Box::pin(refusal(response, &sent)).await.error);
            }
            _ if !is_event_stream(&response) => return Ok(None),
            _ => {}
        }
        Ok(Some(self.events(response.stream())))
    }

    /// A server that refuses the first stream of a session has none; one that refuses a later one holds on to the first.
    fn conflicts(&self, receiver: &Weak<dyn Receiver>) {
        if *self.stream.lock() == GetStream::Opened
            && !self.has_conflicted.swap(true, Ordering::Relaxed)
            && let Some(receiver) = receiver.upgrade()
        {
            self.remote.logger.warn(
                "SSE stream conflicted with a stale server-side stream for this session (409). Rebuilding the session; no \
                 action needed.",
            );
            receiver.conflicted();
        }
    }
}
