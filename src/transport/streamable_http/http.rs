//! The requests of one connection.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::Stream;
use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue, Method};
use parking_lot::Mutex;
use tokio::time::timeout;
use url::Url;

use super::refused_stream::{GetStream, StreamRefusal};
use super::session::HttpSession;
use crate::error::Result;
use crate::network::{EXPLANATION_BYTES, Request, Response};
use crate::transport::events::Events;
use crate::transport::remote::{EVENT_STREAM, LAST_EVENT_ID, Remote, is_type};

/// Bound on ending a session (`DELETE`), and on waiting for its turn; the specification's five seconds.
const DELETE_TIMEOUT: Duration = Duration::from_secs(5);

/// The HTTP side of one connection.
pub struct StreamableHttp {
    pub(super) remote: Remote,
    /// How long a GET stream may be silent.
    pub(super) sse_read_timeout: Duration,
    /// What other sessions have found out about GET streams of this server.
    pub(super) refused: StreamRefusal,
    pub(super) stream: Mutex<GetStream>,
    /// Whether the receiver has heard of a conflict; once is enough.
    pub(super) has_conflicted: AtomicBool,
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

    pub(super) fn request(
        &self,
        method: Method,
        session: &HttpSession,
        call: Option<&HeaderMap>,
    ) -> Request {
        let mut request = self
            .remote
            .request(method, Url::clone(&self.remote.url), call);
        session.add_to(&mut request.headers);
        request
    }

    /// An event stream, new or after an event.
    pub(super) async fn open(
        &self,
        session: &HttpSession,
        after: Option<&str>,
    ) -> Result<Response> {
        let mut request = self.request(Method::GET, session, None);
        let headers = &mut request.headers;
        headers.insert(ACCEPT, HeaderValue::from_static(EVENT_STREAM));
        if let Some(id) = after.and_then(|id| HeaderValue::from_str(id).ok()) {
            headers.insert(LAST_EVENT_ID, id);
        }
        self.remote.send(request).await
    }

    pub(super) fn events(
        &self,
        chunks: impl Stream<Item = Result<Bytes>> + Send + 'static,
    ) -> Events {
        Events::new(chunks, self.remote.event_limits())
    }

    /// Ends the session, when its turn comes in time. A server that no longer knows it, or is gone, changes nothing.
    pub async fn end(&self, session: &HttpSession) {
        if session.id.is_none() {
            return;
        }
        let turn = timeout(DELETE_TIMEOUT, self.remote.http.turn_to_end()).await;
        let Ok(Some(_turn)) = turn else { return };
        let mut request = self.request(Method::DELETE, session, None);
        request.timeout = Some(DELETE_TIMEOUT);
        if let Ok(response) = self.remote.send(request).await
            && response.status.is_success()
        {
            // Read to the end, so that the socket goes back to the pool.
            let _ = response.bytes(EXPLANATION_BYTES).await;
        }
    }
}

pub(super) fn is_event_stream(response: &Response) -> bool {
    is_type(response, EVENT_STREAM)
}
