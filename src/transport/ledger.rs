//! What is known of a Streamable HTTP session beside rmcp's own state: enough to let go of that state, and to make it
//! again without asking the server.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use parking_lot::Mutex;
use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ClientRequest, InitializeResult, ProtocolVersion,
    ServerJsonRpcMessage, ServerResult,
};
use rmcp::transport::streamable_http_client::StreamableHttpPostResponse;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::get_stream::{Events, Kept};

/// How long after an event on its GET stream a session does not rest.
const SILENCE: Duration = Duration::from_secs(1);

/// All that a session needs while it rests.
#[derive(Debug, Clone, Default)]
pub struct HttpSession {
    /// What the server calls the session; absent where it keeps none.
    pub id: Option<Arc<str>>,
    /// The protocol version that requests name.
    pub version: Option<HeaderValue>,
    stream: GetStream,
    /// Of the last event on the GET stream that has one.
    last_event_id: Option<String>,
}

impl HttpSession {
    /// What the server agreed to last; it may have been started again since the first handshake.
    pub fn protocol_version(&self) -> Option<ProtocolVersion> {
        let version = self.version.as_ref()?.to_str().ok()?;
        serde_json::from_value(version.into()).ok()
    }
}

/// The GET stream of a session, which servers need not have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum GetStream {
    /// Not asked for, or not answered yet.
    #[default]
    Unknown,
    /// It could not be had; rmcp does not ask again.
    Refused,
    /// It is open, or will be again.
    Opened,
}

/// Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Ledger(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    session: HttpSession,
    /// Requests without an answer, and streams that are opened or resumed.
    under_way: usize,
    replay: Replay,
    rests: bool,
    /// The GET stream that rmcp has.
    lent: Option<Lent>,
    /// The one that the session before has left.
    kept: Option<Kept>,
}

#[derive(Default)]
struct Lent {
    heard_at: Option<Instant>,
    /// Where the stream goes when the session rests.
    next: Option<oneshot::Sender<Events>>,
}

impl Lent {
    /// What came last has been worked off.
    fn is_silent(&self) -> bool {
        self.heard_at.is_none_or(|at| at.elapsed() > SILENCE)
    }
}

/// What a resumed session answers in the server's place.
#[derive(Default)]
enum Replay {
    #[default]
    Nothing,
    Initialize(Box<InitializeResult>),
    Initialized,
}

impl Ledger {
    pub fn resumed(session: HttpSession, kept: Option<Kept>, described: InitializeResult) -> Self {
        Self(Arc::new(Mutex::new(State {
            session,
            kept,
            replay: Replay::Initialize(Box::new(described)),
            ..State::default()
        })))
    }

    /// The answer to a message of the handshake that a resumed session has behind it.
    pub fn replayed(&self, message: &ClientJsonRpcMessage) -> Option<StreamableHttpPostResponse> {
        let mut state = self.0.lock();
        match (std::mem::take(&mut state.replay), message) {
            (Replay::Nothing, _) => None,
            (Replay::Initialize(described), ClientJsonRpcMessage::Request(request))
                if matches!(request.request, ClientRequest::InitializeRequest(_)) =>
            {
                state.replay = Replay::Initialized;
                let result = ServerResult::InitializeResult(*described);
                let answer = ServerJsonRpcMessage::response(result, request.id.clone());
                let id = state.session.id.as_deref().map(str::to_owned);
                Some(StreamableHttpPostResponse::Json(answer, id))
            }
            (Replay::Initialized, ClientJsonRpcMessage::Notification(notification))
                if matches!(
                    notification.notification,
                    ClientNotification::InitializedNotification(_)
                ) =>
            {
                Some(StreamableHttpPostResponse::Accepted)
            }
            (expected, _) => {
                state.replay = expected;
                None
            }
        }
    }

    /// Something is under way until the guard is dropped.
    pub fn enter(&self) -> UnderWay {
        self.0.lock().under_way += 1;
        UnderWay(self.clone())
    }

    /// A handshake gave this session; also when the server had lost the one before.
    pub fn begins(&self, id: Option<&str>) {
        let mut state = self.0.lock();
        state.kept = None;
        let session = &mut state.session;
        session.id = id.map(Arc::from);
        session.stream = GetStream::Unknown;
        session.last_event_id = None;
    }

    pub fn speaks(&self, version: Option<&HeaderValue>) {
        let session = &mut self.0.lock().session;
        if session.version.as_ref() != version {
            session.version = version.cloned();
        }
    }

    /// What came of asking for the GET stream.
    pub fn streams(&self, opened: bool) {
        let stream = &mut self.0.lock().session.stream;
        if opened {
            *stream = GetStream::Opened;
        } else if *stream == GetStream::Unknown {
            *stream = GetStream::Refused;
        }
    }

    /// Whether the session has had a GET stream.
    pub fn has_streamed(&self) -> bool {
        self.0.lock().session.stream == GetStream::Opened
    }

    /// Whether there is no GET stream. A session that has not asked yet takes another's word for it.
    pub fn has_no_stream(&self, was_refused: impl Fn() -> bool) -> bool {
        let stream = &mut self.0.lock().session.stream;
        if *stream == GetStream::Unknown && was_refused() {
            *stream = GetStream::Refused;
        }
        *stream == GetStream::Refused
    }

    /// Whether a stream that goes on after this event is the GET stream, and no answer's.
    pub fn is_get_stream(&self, last_event_id: Option<&str>) -> bool {
        let last = &self.0.lock().session.last_event_id;
        last_event_id.is_none() || last_event_id == last.as_deref()
    }

    pub fn last_event_id(&self) -> Option<String> {
        self.0.lock().session.last_event_id.clone()
    }

    /// rmcp has the GET stream.
    pub fn lend(&self) {
        self.0.lock().lent = Some(Lent::default());
    }

    /// An event came on the GET stream.
    pub fn heard(&self, id: Option<&str>) {
        let mut state = self.0.lock();
        if let Some(lent) = &mut state.lent {
            lent.heard_at = Some(Instant::now());
        }
        if let Some(id) = id {
            state.session.last_event_id = Some(id.to_owned());
        }
    }

    /// rmcp has the GET stream no more; it may be wanted elsewhere.
    pub fn take_back(&self) -> Option<oneshot::Sender<Events>> {
        self.0.lock().lent.take()?.next
    }

    /// The GET stream that was open while the session rested.
    pub fn take_kept(&self) -> Option<Kept> {
        self.0.lock().kept.take()
    }

    /// A session does not rest while something is under way, nor before it is known whether it has a GET stream. An
    /// open one is handed back when rmcp lets go of it.
    pub fn rest(&self) -> Option<(HttpSession, Option<oneshot::Receiver<Events>>)> {
        let mut state = self.0.lock();
        if state.under_way > 0 {
            return None;
        }
        let has_no_stream =
            state.session.id.is_none() || state.session.stream == GetStream::Refused;
        let handed_back = match &mut state.lent {
            _ if has_no_stream => None,
            Some(lent) if lent.is_silent() => {
                let (next, handed_back) = oneshot::channel();
                lent.next = Some(next);
                Some(handed_back)
            }
            _ => return None,
        };
        state.rests = true;
        Some((state.session.clone(), handed_back))
    }

    pub fn rests(&self) -> bool {
        self.0.lock().rests
    }
}

/// A request or a stream.
pub(super) struct UnderWay(Ledger);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.0.lock().under_way -= 1;
    }
}
