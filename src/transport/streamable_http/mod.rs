//! Streamable HTTP (MCP, chapter "Transports"): a request is one POST, which the task of the call sends and whose answer
//! it reads. Between requests there is nothing but data, and one small task where the server has a GET stream.
//!
//! Headers belong to a request, not to the connection: those of the connection's recipe are the base, and a call puts
//! its own over them.

mod get_stream;
mod post;
mod resume;

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::Stream;
use http::header::ACCEPT;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use parking_lot::Mutex;

use self::get_stream::GetStream;
pub use self::get_stream::StreamRefusal;
pub use self::post::Posted;
use super::events::Events;
use super::remote::{ERROR_BODY_BYTES, EVENT_STREAM, LAST_EVENT_ID, Remote, is_type};
use crate::error::Result;
use crate::network::{Request, Response};

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// Bound on ending a session (`DELETE`); the specification's five seconds.
const DELETE_TIMEOUT: Duration = Duration::from_secs(5);

/// What the requests of a session name.
#[derive(Debug, Clone, Default)]
pub struct HttpSession {
    /// What the server calls the session; absent where it keeps none.
    pub id: Option<HeaderValue>,
    /// The protocol version that was agreed on; absent until then.
    pub version: Option<HeaderValue>,
}

/// The HTTP side of one connection.
pub struct StreamableHttp {
    remote: Remote,
    /// How long a GET stream may be silent.
    sse_read_timeout: Duration,
    /// What other sessions have found out about GET streams of this server.
    refused: StreamRefusal,
    stream: Mutex<GetStream>,
    /// Whether the receiver has heard of a conflict; once is enough.
    has_conflicted: AtomicBool,
}

impl StreamableHttp {
    /// `sse_read_timeout` is how long a GET stream may be silent.
    #[must_use]
    pub fn new(remote: Remote, sse_read_timeout: Duration, refused: StreamRefusal) -> Self {
        Self {
            remote,
            sse_read_timeout,
            refused,
            stream: Mutex::default(),
            has_conflicted: AtomicBool::new(false),
        }
    }

    fn request(&self, method: Method, session: &HttpSession, call: Option<&HeaderMap>) -> Request {
        let mut request = self.remote.request(method, self.remote.url.clone(), call);
        if let Some(version) = &session.version {
            request.headers.insert(PROTOCOL_VERSION, version.clone());
        }
        if let Some(id) = &session.id {
            request.headers.insert(SESSION_ID, id.clone());
        }
        request
    }

    /// An event stream, new or after an event.
    async fn open(&self, session: &HttpSession, after: Option<&str>) -> Result<Response> {
        let mut request = self.request(Method::GET, session, None);
        let headers = &mut request.headers;
        headers.insert(ACCEPT, HeaderValue::from_static(EVENT_STREAM));
        if let Some(id) = after.and_then(|id| HeaderValue::from_str(id).ok()) {
            headers.insert(LAST_EVENT_ID, id);
        }
        self.remote.send(request).await
    }

    fn events(&self, chunks: impl Stream<Item = Result<Bytes>> + Send + 'static) -> Events {
        Events::new(chunks, self.remote.event_limits())
    }

    /// Ends the session. A server that no longer knows it, or is gone, changes nothing.
    pub async fn end(&self, session: &HttpSession) {
        if session.id.is_none() {
            return;
        }
        let mut request = self.request(Method::DELETE, session, None);
        request.timeout = Some(DELETE_TIMEOUT);
        if let Ok(response) = self.remote.send(request).await
            && response.status.is_success()
        {
            // Read to the end, so that the socket goes back to the pool.
            let _ = response.bytes(ERROR_BODY_BYTES).await;
        }
    }
}

/// What the server calls the session that it begins.
fn session_of(response: &Response) -> Option<HeaderValue> {
    let id = response.headers.get(SESSION_ID)?.to_str().ok()?;
    // A copy: the header is a part of all that was read from the socket, and would keep that as long as the session.
    HeaderValue::from_str(id).ok().filter(|id| !id.is_empty())
}

fn is_event_stream(response: &Response) -> bool {
    is_type(response, EVENT_STREAM)
}
