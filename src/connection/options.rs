//! What one request may take, who hears of it, and who may be asked about it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::HeaderMap;
use rmcp::model::ProgressNotificationParam;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::caller::Caller;
use super::tasks::KeptRequest;
use crate::error::{Error, Result};
use crate::governance::PinScope;
use crate::host::TraceContext;

/// Receives the progress of one request.
pub type ProgressSink = Arc<dyn Fn(&ProgressNotificationParam) + Send + Sync>;

/// When a request has to be done, and what may end it earlier.
#[derive(Clone)]
pub struct CallOptions {
    pub deadline: Instant,
    pub cancel: CancellationToken,
    /// Headers of this request, over those of the connection.
    pub headers: Option<Arc<HeaderMap>>,
    /// In their place for `tools/call` alone. What else the call leads to, such as a look at the list of tools, goes
    /// without what only tool calls carry.
    pub tool_headers: Option<Arc<HeaderMap>>,
    pub progress: Option<Progress>,
    /// Whom the server may ask about this request. Absent where no user has made it.
    pub caller: Option<Caller>,
    /// Where the request is kept when it has its answer. Absent where nothing follows an answer.
    pub kept: Option<KeptRequest>,
    /// Where the call belongs in the host's traces. Absent where the host does not say.
    pub trace: Option<Arc<TraceContext>>,
    /// Whose tools are approved, where the call stands under `pinTools`; absent for requests of our own.
    pub pins: Option<Arc<PinScope>>,
    /// Where the id of the request is noted. Absent where nobody wants to know it.
    pub sent_id: Option<Arc<SentId>>,
}

/// The id that a request of this method was last sent with.
pub struct SentId {
    method: &'static str,
    id: AtomicU64,
}

impl SentId {
    const NEVER: u64 = u64::MAX;

    #[must_use]
    pub fn of(method: &'static str) -> Arc<Self> {
        let id = AtomicU64::new(Self::NEVER);
        Arc::new(Self { method, id })
    }

    /// What a call leads to beside its request, such as a look at a list, has other methods.
    pub(super) fn note(&self, method: &str, id: u64) {
        if method == self.method {
            self.id.store(id, Ordering::Relaxed);
        }
    }

    #[must_use]
    pub fn get(&self) -> Option<u64> {
        Some(self.id.load(Ordering::Relaxed)).filter(|id| *id != Self::NEVER)
    }
}

/// A request whose time starts again with every sign of progress (MCP, chapter "Progress").
#[derive(Clone)]
pub struct Progress {
    /// How long nothing may be heard.
    pub timeout: Duration,
    pub sink: Option<ProgressSink>,
}

impl CallOptions {
    /// For a request of our own: no headers beside the connection's, no progress, and no user to ask.
    #[must_use]
    pub const fn new(deadline: Instant, cancel: CancellationToken) -> Self {
        Self {
            deadline,
            cancel,
            headers: None,
            tool_headers: None,
            progress: None,
            caller: None,
            kept: None,
            trace: None,
            pins: None,
            sent_id: None,
        }
    }

    /// The headers of a request of this method.
    pub(super) fn headers_of(&self, method: &str) -> Option<&Arc<HeaderMap>> {
        let of_tools = self.tool_headers.as_ref();
        of_tools
            .filter(|_| method == "tools/call")
            .or(self.headers.as_ref())
    }

    /// When the request is given up, unless progress comes before.
    #[must_use]
    pub fn due(&self) -> Instant {
        let timeout = self.progress.as_ref().map(|progress| progress.timeout);
        timeout.map_or(self.deadline, |timeout| {
            self.deadline.min(Instant::now() + timeout)
        })
    }

    /// Ends the work with the call's time or its abort.
    pub(super) async fn bound<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let late = || Error::timeout("The tokens could not be refreshed in time");
        self.bound_by(work, late).await
    }

    /// The same, with the error for when the time is over.
    pub async fn bound_by<T>(
        &self,
        work: impl Future<Output = Result<T>>,
        late: impl FnOnce() -> Error,
    ) -> Result<T> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(Error::aborted()),
            () = tokio::time::sleep_until(self.due()) => Err(late()),
            outcome = work => outcome,
        }
    }
}
