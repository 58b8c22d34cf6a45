//! What is known of a Streamable HTTP session beside rmcp's own state: enough to let go of that state, and to make it
//! again without asking the server.

use std::sync::Arc;

use http::HeaderValue;
use parking_lot::Mutex;
use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ClientRequest, InitializeResult, ProtocolVersion,
    ServerJsonRpcMessage, ServerResult,
};
use rmcp::transport::streamable_http_client::StreamableHttpPostResponse;

/// All that a session needs while it rests.
#[derive(Debug, Clone, Default)]
pub struct HttpSession {
    /// What the server calls the session; absent where it keeps none.
    pub id: Option<Arc<str>>,
    /// The protocol version that requests name.
    pub version: Option<HeaderValue>,
    stream: GetStream,
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
    /// Requests without an answer, and open streams.
    under_way: usize,
    replay: Replay,
    rests: bool,
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
    pub fn resumed(session: HttpSession, described: InitializeResult) -> Self {
        Self(Arc::new(Mutex::new(State {
            session,
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
        let session = &mut self.0.lock().session;
        session.id = id.map(Arc::from);
        session.stream = GetStream::Unknown;
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

    pub fn has_no_stream(&self) -> bool {
        self.0.lock().session.stream == GetStream::Refused
    }

    /// A session with a GET stream does not rest, nor does one that has yet to learn whether there is one.
    pub fn rest(&self) -> Option<HttpSession> {
        let mut state = self.0.lock();
        let session = &state.session;
        let has_no_stream = session.id.is_none() || session.stream == GetStream::Refused;
        if state.under_way > 0 || !has_no_stream {
            return None;
        }
        state.rests = true;
        Some(state.session.clone())
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
