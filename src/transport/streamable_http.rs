//! Streamable HTTP on rmcp's transport: sessions, resumption and ordering are rmcp's; requests go through the one
//! hardened client, with the limits of the specification (chapter 3).
//!
//! Headers belong to a request, not to the connection: those of the connection's recipe are the base, and a request
//! that carries [`CallHeaders`] among its extensions puts its own over them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{BoxStream, StreamExt};
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use parking_lot::Mutex;
use rmcp::model::{
    ClientJsonRpcMessage, ClientRequest, ErrorData, InitializeResult, RequestId,
    ServerJsonRpcMessage,
};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::common::client_side_sse::ExponentialBackoff;
use rmcp::transport::streamable_http_client::{
    SseError, StreamableHttpClient, StreamableHttpClientTransportConfig, StreamableHttpError,
    StreamableHttpPostResponse,
};
use sse_stream::Sse;
use tokio_util::sync::CancellationToken;

use super::BoxTransport;
use super::events::{EventLimits, Events, Found};
use super::get_stream::{Kept, Lent, Listener, StreamRefusal};
use super::ledger::{HttpSession, Ledger, UnderWay};
use super::limits::{BodyLimits, guard};
use super::oversized::Head;
use super::remote::{
    CallHeaders, ERROR_BODY_BYTES, EVENT_STREAM, JSON, LAST_EVENT_ID, PROTOCOL_VERSION, Remote,
    content_type, invalid, is_type, refusal, status_error, too_large, wrong_type,
};
use super::tap::Incoming;
use crate::error::{Code, Error};
use crate::network::{Request, Response};

const SESSION_ID: &str = "mcp-session-id";

/// Bound on ending a session (`DELETE`); the specification's five seconds.
const DELETE_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a lost GET or response stream is opened again before it is left alone.
const STREAM_RECONNECTS: usize = 3;
/// Between the end of a GET stream and the next one, as in the TypeScript SDK.
const STREAM_PAUSE: Duration = Duration::from_secs(1);
/// What a server may name as its `retry`, in milliseconds, at the least: on the stream that answers a request, and on those
/// that were opened again.
const SHORTEST_FIRST_RETRY: u64 = 100;
const SHORTEST_RETRY: u64 = 1000;

type Result<T> = std::result::Result<T, StreamableHttpError<Error>>;

/// The HTTP side of one connection, as rmcp's transport uses it.
#[derive(Clone)]
pub struct McpHttp {
    remote: Arc<Remote>,
    /// How long a GET stream may be silent.
    sse_read_timeout: Duration,
    stream_refusal: StreamRefusal,
    ledger: Ledger,
    /// Cancelled when nothing that the server sends is wanted any more.
    ending: CancellationToken,
    /// Taken by the first conflict.
    conflict: Arc<Mutex<Option<Conflict>>>,
}

/// Called when the server refuses another GET stream because it holds on to the one before (409), though that is lost.
pub type Conflict = Arc<dyn Fn() + Send + Sync>;

impl McpHttp {
    /// `sse_read_timeout` is how long a GET stream may be silent.
    #[must_use]
    pub fn new(remote: Remote, sse_read_timeout: Duration, stream_refusal: StreamRefusal) -> Self {
        Self {
            ending: remote.life.child_token(),
            remote: Arc::new(remote),
            sse_read_timeout,
            stream_refusal,
            ledger: Ledger::default(),
            conflict: Arc::default(),
        }
    }

    /// `conflict` is called once at most.
    #[must_use]
    pub fn with_conflict(self, conflict: Option<Conflict>) -> Self {
        *self.conflict.lock() = conflict;
        self
    }

    /// A server that refuses the first stream of a session has none; one that refuses a later one holds on to the first.
    fn conflicts(&self) {
        if !self.ledger.has_streamed() {
            return;
        }
        let conflict = self.conflict.lock().take();
        if let Some(conflict) = conflict {
            self.remote.warn(
                "SSE stream conflicted with a stale server-side stream for this session (409). Rebuilding the session; no \
                 action needed.",
            );
            conflict();
        }
    }

    /// A Streamable HTTP transport for rmcp's client.
    #[must_use]
    pub fn transport(&self) -> BoxTransport {
        let mut config = StreamableHttpClientTransportConfig::with_uri(self.remote.url.as_str());
        let mut retry = ExponentialBackoff::default();
        retry.max_times = Some(STREAM_RECONNECTS);
        retry.max_delay = Some(Duration::from_secs(30));
        config.retry_config = Arc::new(retry);
        // Slow calls of one user would hold up everybody else on a shared connection.
        config.max_concurrent_requests = usize::MAX;
        BoxTransport::new(StreamableHttpClientTransport::with_client(
            self.clone(),
            config,
        ))
    }

    /// What the session comes down to, if nothing is under way. The transport may be dropped then, and leaves the
    /// session at the server alone.
    #[must_use]
    pub fn rest(&self) -> Option<(HttpSession, Option<(Listener, Kept)>)> {
        let (session, stream) = self.ledger.rest()?;
        Some((session, stream.map(Listener::new)))
    }

    /// For a transport that goes on with a session and the stream that was kept of it: its handshake is answered with
    /// `described`, and nothing is sent.
    #[must_use]
    pub fn resumed(
        &self,
        session: HttpSession,
        kept: Option<Kept>,
        described: InitializeResult,
    ) -> Self {
        Self {
            remote: Arc::clone(&self.remote),
            sse_read_timeout: self.sse_read_timeout,
            stream_refusal: self.stream_refusal.clone(),
            ledger: Ledger::resumed(session, kept, described),
            ending: self.remote.life.child_token(),
            conflict: self.conflict.clone(),
        }
    }

    /// Ends all event streams. A transport that is about to close does not wait for a server that never stops talking.
    pub fn stop_listening(&self) {
        self.ending.cancel();
    }

    /// Ends a session that rests.
    pub async fn end(&self, session: &HttpSession) {
        let Some(id) = &session.id else { return };
        let version = session.version.clone();
        let version = version.map(|version| (HeaderName::from_static(PROTOCOL_VERSION), version));
        // As when rmcp ends one: a server that no longer knows it, or is gone, changes nothing.
        let _ = self
            .while_alive(self.delete(id, version.into_iter().collect()).boxed())
            .await;
    }

    fn request(
        &self,
        method: Method,
        session: Option<&str>,
        extra: HashMap<HeaderName, HeaderValue>,
        call: Option<&CallHeaders>,
    ) -> Request {
        let mut request = self.remote.request(method, self.remote.url.clone(), call);
        request.headers.extend(extra);
        if let Some(session) = session.and_then(|session| HeaderValue::from_str(session).ok()) {
            request.headers.insert(SESSION_ID, session);
        }
        request
    }

    /// The work is boxed: rmcp keeps what waits for it in futures of its own, several times over, and moves those.
    async fn while_alive<T>(&self, work: BoxFuture<'_, Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.remote.life.cancelled() => Err(StreamableHttpError::Client(Error::closed())),
            outcome = work => outcome,
        }
    }

    async fn send(&self, request: Request) -> Result<Response> {
        self.remote
            .send(request)
            .await
            .map_err(StreamableHttpError::Client)
    }

    /// An event stream within the limits. An oversized answer becomes a JSON-RPC error for the request that waits for
    /// it, so that the connection stays usable.
    fn events(
        &self,
        response: Response,
        limits: BodyLimits,
        waiting: Option<RequestId>,
        keep_text: bool,
        under_way: Option<UnderWay>,
    ) -> BoxStream<'static, std::result::Result<Sse, SseError>> {
        let remote = Arc::clone(&self.remote);
        let over = self.ending.clone().cancelled_owned();
        let shortest_retry = if waiting.is_some() {
            SHORTEST_FIRST_RETRY
        } else {
            SHORTEST_RETRY
        };
        let event_limits = EventLimits {
            line: remote.limits.max_line_bytes,
            event: remote.limits.max_response_bytes,
        };
        Events::new(guard(response.stream(), limits), event_limits)
            .take_until(over)
            .filter_map(move |found| {
                let _for_as_long_as_the_stream = &under_way;
                let event = match found {
                    Ok(Found::Event(mut event)) => {
                        event.retry = event.retry.map(|retry| retry.max(shortest_retry));
                        let data = event.data.map(|data| remote.tap.incoming(data, keep_text));
                        event.data = data.map(Incoming::into_text);
                        Some(Ok(event))
                    }
                    Ok(Found::TooLarge { id, head, refusal }) => {
                        remote.warn(&refusal);
                        let answered = match Head::of(&head) {
                            Head::AnswerTo(id) => Some(id),
                            Head::Answer => waiting.clone(),
                            Head::Other => None,
                        };
                        answered.map(|request| {
                            let mut event = failed(&refusal, request);
                            event.id = id;
                            Ok(event)
                        })
                    }
                    Ok(Found::TooLargeEnd { .. }) => None,
                    Err(error) => Some(match (&waiting, error.code) {
                        (Some(id), Code::ResponseTooLarge) => {
                            remote.warn(&error.message);
                            Ok(failed(&error.message, id.clone()))
                        }
                        _ => Err(SseError::Body(Box::new(error))),
                    }),
                };
                std::future::ready(event)
            })
            .boxed()
    }
}

/// The event in place of an answer that was too large.
fn failed(refusal: &str, id: RequestId) -> Sse {
    let answer = ServerJsonRpcMessage::error(too_large(refusal), Some(id));
    Sse::default().data(serde_json::to_string(&answer).unwrap_or_default())
}

fn session_of(response: &Response) -> Option<String> {
    response
        .headers
        .get(SESSION_ID)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
}

fn keeps_text(headers: &HashMap<HeaderName, HeaderValue>) -> bool {
    // From this version on rmcp reads tool schemas itself, to send annotated arguments as headers.
    let standard = rmcp::model::ProtocolVersion::STANDARD_HEADERS;
    headers
        // Not by text: a `HeaderName` hashes differently from its text.
        .get(&HeaderName::from_static(PROTOCOL_VERSION))
        .and_then(|value| value.to_str().ok())
        .is_some_and(|version| version >= standard.as_str())
}

impl StreamableHttpClient for McpHttp {
    type Error = Error;

    async fn post_message(
        &self,
        _uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        _auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse> {
        self.while_alive(self.post(message, session_id, custom_headers).boxed())
            .await
    }

    async fn delete_session(
        &self,
        _uri: Arc<str>,
        session_id: Arc<str>,
        _auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<()> {
        if self.ledger.rests() {
            return Ok(());
        }
        self.while_alive(self.delete(&session_id, custom_headers).boxed())
            .await
    }

    async fn get_stream(
        &self,
        _uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        _auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<BoxStream<'static, std::result::Result<Sse, SseError>>> {
        let under_way = self.ledger.enter();
        if !self.ledger.is_get_stream(last_event_id.as_deref()) {
            let get = self.get(
                session_id.as_deref(),
                last_event_id,
                custom_headers,
                Some(under_way),
            );
            return self.while_alive(get.boxed()).await;
        }
        if self.ledger.has_no_stream(|| self.stream_refusal.holds()) {
            return Err(StreamableHttpError::ServerDoesNotSupportSse);
        }
        if let Some(kept) = self.ledger.take_kept()
            && let Some(events) = kept.claim().await
        {
            return Ok(Lent::new(events, &self.ledger).boxed());
        }
        let asking = async {
            // A server needs a moment to notice that the stream before is gone.
            if self.ledger.has_streamed() {
                tokio::time::sleep(STREAM_PAUSE).await;
            }
            let last_event_id = self.ledger.last_event_id();
            self.get(session_id.as_deref(), last_event_id, custom_headers, None)
                .await
        };
        let outcome = self.while_alive(asking.boxed()).await;
        self.ledger.streams(outcome.is_ok());
        outcome.map(|events| Lent::new(events, &self.ledger).boxed())
    }
}

impl McpHttp {
    async fn post(
        &self,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse> {
        if let Some(answer) = self.ledger.replayed(&message) {
            return Ok(answer);
        }
        let under_way = self.ledger.enter();
        let (id, is_discover, is_initialize, lists_tools) = match &message {
            ClientJsonRpcMessage::Request(request) => (
                Some(request.id.clone()),
                matches!(request.request, ClientRequest::DiscoverRequest(_)),
                matches!(request.request, ClientRequest::InitializeRequest(_)),
                request.request.method() == "tools/list",
            ),
            _ => (None, false, false, false),
        };
        let version = HeaderName::from_static(PROTOCOL_VERSION);
        self.ledger.speaks(custom_headers.get(&version));
        let call = CallHeaders::of(&message);
        self.remote.tap.outgoing(&message);
        let keep_text = lists_tools && keeps_text(&custom_headers);
        let mut request = self.request(
            Method::POST,
            session_id.as_deref(),
            custom_headers,
            call.as_ref(),
        );
        request.headers.insert(
            ACCEPT,
            HeaderValue::from_static("application/json, text/event-stream"),
        );
        request
            .headers
            .insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        request.body = Bytes::from(serde_json::to_vec(&message)?);
        self.remote.tap.sent(request.body.len());
        // A tool may take its time; the request has a deadline of its own.
        request.timeout = None;

        let response = self.send(request).await?;
        if response.status == StatusCode::NOT_FOUND && session_id.is_some() {
            return Err(StreamableHttpError::SessionExpired);
        }
        if !response.status.is_success() {
            return refused(response, id.filter(|_| is_discover)).await;
        }
        let Some(id) = id else {
            return Ok(StreamableHttpPostResponse::Accepted);
        };
        if matches!(
            response.status,
            StatusCode::ACCEPTED | StatusCode::NO_CONTENT
        ) {
            return Ok(StreamableHttpPostResponse::Accepted);
        }
        let session = session_of(&response);
        if is_initialize {
            self.ledger.begins(session.as_deref());
        }
        let kind = content_type(&response).to_owned();
        if is_type(&kind, EVENT_STREAM) {
            let limits = BodyLimits {
                total: self.remote.limits.max_response_bytes,
                idle: None,
            };
            return Ok(StreamableHttpPostResponse::Sse(
                self.events(response, limits, Some(id), keep_text, Some(under_way)),
                session,
            ));
        }
        if !is_type(&kind, JSON) {
            return Err(StreamableHttpError::Client(wrong_type(&response)));
        }
        let (url, status) = (response.url.clone(), response.status);
        let problem = || StreamableHttpError::Client(invalid(&url, status, "with invalid JSON"));
        let limits = BodyLimits {
            total: self.remote.limits.max_response_bytes,
            idle: None,
        };
        let body = match read(response, limits).await {
            Ok(body) => body,
            Err(error) if error.code == Code::ResponseTooLarge => {
                self.remote.warn(&error.message);
                let answer = ServerJsonRpcMessage::error(too_large(&error.message), Some(id));
                return Ok(StreamableHttpPostResponse::Json(answer, session));
            }
            Err(error) => return Err(StreamableHttpError::Client(error)),
        };
        let text = String::from_utf8(body).map_err(|_| problem())?;
        match self.remote.tap.incoming(text, keep_text).message() {
            Ok(message) => Ok(StreamableHttpPostResponse::Json(message, session)),
            Err(_) => Err(problem()),
        }
    }

    async fn delete(
        &self,
        session_id: &str,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<()> {
        let mut request = self.request(Method::DELETE, Some(session_id), custom_headers, None);
        request.timeout = Some(DELETE_TIMEOUT);
        let response = self.send(request).await?;
        match response.status {
            StatusCode::METHOD_NOT_ALLOWED => {
                Err(StreamableHttpError::ServerDoesNotSupportDeleteSession)
            }
            status if status.is_success() => {
                // Read to the end, so that the socket goes back to the pool.
                let _ = response.bytes(ERROR_BODY_BYTES).await;
                Ok(())
            }
            _ => Err(StreamableHttpError::Client(status_error(&response))),
        }
    }

    async fn get(
        &self,
        session_id: Option<&str>,
        last_event_id: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
        under_way: Option<UnderWay>,
    ) -> Result<BoxStream<'static, std::result::Result<Sse, SseError>>> {
        let keep_text = keeps_text(&custom_headers);
        let mut request = self.request(Method::GET, session_id, custom_headers, None);
        request
            .headers
            .insert(ACCEPT, HeaderValue::from_static(EVENT_STREAM));
        if let Some(id) = last_event_id.and_then(|id| HeaderValue::from_str(&id).ok()) {
            request.headers.insert(LAST_EVENT_ID, id);
        }
        let response = self.send(request).await?;
        if response.status == StatusCode::METHOD_NOT_ALLOWED {
            self.stream_refusal.note();
        }
        if response.status == StatusCode::CONFLICT && under_way.is_none() {
            self.conflicts();
        }
        match response.status {
            // The stream is optional; a server without it works all the same.
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_FOUND | StatusCode::CONFLICT => {
                return Err(StreamableHttpError::ServerDoesNotSupportSse);
            }
            status if !status.is_success() => {
                return Err(StreamableHttpError::Client(status_error(&response)));
            }
            _ if !is_type(content_type(&response), EVENT_STREAM) => {
                return Err(StreamableHttpError::ServerDoesNotSupportSse);
            }
            _ => {}
        }
        let limits = BodyLimits {
            total: 0,
            idle: Some(self.sse_read_timeout),
        };
        Ok(self.events(response, limits, None, keep_text, under_way))
    }
}

/// A refused POST. A refused `server/discover` marks a server that knows only `initialize`, whatever it answered.
async fn refused(
    response: Response,
    discover: Option<RequestId>,
) -> Result<StreamableHttpPostResponse> {
    let (error, answer) = refusal(response).await;
    match discover {
        Some(id) if !error.wants_authorization() && error.code != Code::RateLimited => {
            let answer = answer.unwrap_or_else(|| ErrorData::invalid_request(error.message, None));
            Ok(StreamableHttpPostResponse::Json(
                ServerJsonRpcMessage::error(answer, Some(id)),
                None,
            ))
        }
        _ => Err(StreamableHttpError::Client(error)),
    }
}

async fn read(response: Response, limits: BodyLimits) -> std::result::Result<Vec<u8>, Error> {
    // What the server announces is believed only as far as it would be taken.
    let announced = response.headers.get(CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let mut body = Vec::with_capacity(announced.unwrap_or_default().min(limits.total));
    let mut chunks = std::pin::pin!(guard(response.stream(), limits));
    while let Some(chunk) = chunks.next().await {
        body.extend_from_slice(&chunk?);
    }
    Ok(body)
}
