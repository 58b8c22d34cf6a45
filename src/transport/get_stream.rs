//! The GET stream of a Streamable HTTP session (MCP, chapter "Transports", "Listening for messages from the server"). It
//! stays open while the session rests, and goes from one transport of the session to the next.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::stream::{BoxStream, Stream, StreamExt};
use parking_lot::Mutex;
use rmcp::transport::streamable_http_client::SseError;
use sse_stream::Sse;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::ledger::Ledger;

pub(super) type Events = BoxStream<'static, Result<Sse, SseError>>;
type Claim = oneshot::Sender<Events>;

/// How long a server that has no GET stream is not asked again, by any session.
const REFUSAL_LIFETIME: Duration = Duration::from_mins(5);

/// When a server said last that it has no GET stream (405). Shared by its sessions.
#[derive(Debug, Clone, Default)]
pub struct StreamRefusal(Arc<Mutex<Option<Instant>>>);

impl StreamRefusal {
    pub(super) fn note(&self) {
        *self.0.lock() = Some(Instant::now());
    }

    pub(super) fn holds(&self) -> bool {
        self.0
            .lock()
            .is_some_and(|at| at.elapsed() < REFUSAL_LIFETIME)
    }
}

/// The stream as rmcp has it. When rmcp lets go of it because the session rests, it is handed back.
pub(super) struct Lent {
    /// None when it has ended.
    events: Option<Events>,
    ledger: Ledger,
}

impl Lent {
    pub fn new(events: Events, ledger: &Ledger) -> Self {
        ledger.lend();
        Self {
            events: Some(events),
            ledger: ledger.clone(),
        }
    }
}

impl Stream for Lent {
    type Item = Result<Sse, SseError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // Nobody would hear of an event any more; rmcp is about to let go.
        if self.ledger.rests() {
            return Poll::Pending;
        }
        let Some(events) = &mut self.events else {
            return Poll::Ready(None);
        };
        let polled = events.poll_next_unpin(context);
        match &polled {
            Poll::Ready(Some(Ok(event))) => self.ledger.heard(event.id.as_deref()),
            Poll::Ready(_) => {
                self.events = None;
                drop(self.ledger.take_back());
            }
            Poll::Pending => {}
        }
        polled
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(events) = self.events.take()
            && let Some(next) = self.ledger.take_back()
        {
            let _ = next.send(events);
        }
    }
}

/// A stream that is open while its session rests, for the transport that goes on with the session. Without one the
/// stream closes.
#[derive(Clone)]
pub struct Kept(Arc<Mutex<Option<oneshot::Sender<Claim>>>>);

impl Kept {
    /// The stream; `None` where it did not come back.
    pub(super) async fn claim(self) -> Option<Events> {
        let claims = self.0.lock().take()?;
        let (claim, stream) = oneshot::channel();
        claims.send(claim).ok()?;
        stream.await.ok()
    }
}

/// Listens to a stream while its session rests.
pub struct Listener {
    handed_back: oneshot::Receiver<Events>,
    claimed: oneshot::Receiver<Claim>,
}

impl Listener {
    pub(super) fn new(handed_back: oneshot::Receiver<Events>) -> (Self, Kept) {
        let (claims, claimed) = oneshot::channel();
        let listener = Self {
            handed_back,
            claimed,
        };
        (listener, Kept(Arc::new(Mutex::new(Some(claims)))))
    }

    /// Until the session goes on, or is over. When something happens on the stream, `wake` makes the session go on, and
    /// the answer is true.
    pub async fn listen(mut self, wake: impl Future<Output = ()>) -> bool {
        let Ok(mut events) = self.handed_back.await else {
            return false;
        };
        let first = tokio::select! {
            biased;
            claim = &mut self.claimed => {
                if let Ok(claim) = claim {
                    let _ = claim.send(events);
                }
                return false;
            }
            first = events.next() => first,
        };
        let claimed = async {
            if let Ok(claim) = self.claimed.await {
                let _ = claim.send(futures::stream::iter(first).chain(events).boxed());
            }
        };
        tokio::join!(wake, claimed);
        true
    }
}
