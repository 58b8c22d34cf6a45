//! Streamable HTTP on rmcp's transport: sessions, resumption and ordering are rmcp's; requests go through the one
//! hardened client, with the limits of the specification (chapter 3).
//!
//! Headers belong to a request, not to the connection: those of the connection's recipe are the base, and a request
//! that carries [`CallHeaders`] among its extensions puts its own over them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use rmcp::model::{
    ClientJsonRpcMessage, ClientRequest, ErrorData, GetExtensions, RequestId, ServerJsonRpcMessage,
};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::common::client_side_sse::ExponentialBackoff;
use rmcp::transport::streamable_http_client::{
    SseError, StreamableHttpClient, StreamableHttpClientTransportConfig, StreamableHttpError,
    StreamableHttpPostResponse,
};
use sse_stream::{Sse, SseStream};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::bearer::Bearer;
use super::limits::{BodyLimits, guard};
use super::tap::Tap;
use crate::error::{Code, Error};
use crate::host::Logger;
use crate::network::{HttpClient, Policy, Redirects, Request, Response};
use crate::server_config::sanitize_url_for_logging;
use crate::settings::ResponseLimits;

const SESSION_ID: &str = "mcp-session-id";
const LAST_EVENT_ID: &str = "last-event-id";
const PROTOCOL_VERSION: &str = "mcp-protocol-version";
const EVENT_STREAM: &str = "text/event-stream";
const JSON: &str = "application/json";

/// How much of an error answer is read.
const ERROR_BODY_BYTES: usize = 64 * 1024;
/// Bound on ending a session (`DELETE`); the specification's five seconds.
const DELETE_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a lost GET or response stream is opened again before it is left alone.
const STREAM_RECONNECTS: usize = 3;

type Result<T> = std::result::Result<T, StreamableHttpError<Error>>;

/// Headers of one request, over those of the connection.
#[derive(Clone)]
pub struct CallHeaders(pub Arc<HeaderMap>);

/// What a Streamable HTTP connection is made from.
pub struct StreamableHttpOptions {
    pub http: HttpClient,
    pub policy: Policy,
    pub url: Url,
    /// Configured headers, placeholders expanded.
    pub headers: HeaderMap,
    /// OAuth or on-behalf-of access token; replaces a configured `Authorization`.
    pub bearer: Bearer,
    pub limits: ResponseLimits,
    /// How long a GET stream may be silent.
    pub sse_read_timeout: Duration,
    pub tap: Tap,
    /// Cancelled when the connection is over: whatever is still under way ends. rmcp's transport itself does not
    /// stop a handshake that nobody waits for.
    pub life: CancellationToken,
    pub logger: Logger,
    pub log_prefix: String,
}

/// The HTTP side of one connection, as rmcp's transport uses it.
#[derive(Clone)]
pub struct McpHttp(Arc<StreamableHttpOptions>);

/// A Streamable HTTP transport for rmcp's client.
#[must_use]
pub fn streamable_http(options: StreamableHttpOptions) -> StreamableHttpClientTransport<McpHttp> {
    let mut config = StreamableHttpClientTransportConfig::with_uri(options.url.as_str());
    let mut retry = ExponentialBackoff::default();
    retry.max_times = Some(STREAM_RECONNECTS);
    retry.max_delay = Some(Duration::from_secs(30));
    config.retry_config = Arc::new(retry);
    StreamableHttpClientTransport::with_client(McpHttp(Arc::new(options)), config)
}

impl McpHttp {
    fn request(
        &self,
        method: Method,
        session: Option<&str>,
        extra: HashMap<HeaderName, HeaderValue>,
        call: Option<&CallHeaders>,
    ) -> Request {
        let options = &self.0;
        let mut headers = options.headers.clone();
        if let Some(CallHeaders(call)) = call {
            overlay(&mut headers, call);
        }
        if let Some(bearer) = options.bearer.get()
            && call.is_none_or(|CallHeaders(call)| !call.contains_key(AUTHORIZATION))
            && let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {}", bearer.expose()))
        {
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let secret_headers = headers.keys().cloned().collect();
        headers.extend(extra);
        if let Some(session) = session.and_then(|session| HeaderValue::from_str(session).ok()) {
            headers.insert(SESSION_ID, session);
        }
        let mut request = Request::new(method, options.url.clone());
        request.headers = headers;
        request.secret_headers = secret_headers;
        request.redirects = Redirects::Mcp;
        request
    }

    async fn while_alive<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.0.life.cancelled() => Err(StreamableHttpError::Client(Error::closed())),
            outcome = work => outcome,
        }
    }

    async fn send(&self, request: Request) -> Result<Response> {
        self.0
            .http
            .send(&self.0.policy, request)
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
    ) -> BoxStream<'static, std::result::Result<Sse, SseError>> {
        let (tap, options) = (self.0.tap.clone(), self.0.clone());
        let over = self.0.life.clone().cancelled_owned();
        SseStream::from_bytes_stream(guard(response.stream(), limits))
            .take_until(over)
            .map(move |event| match event {
                Ok(mut event) => {
                    event.data = event.data.map(|data| tap.incoming(data, keep_text));
                    Ok(event)
                }
                Err(error) => match (&waiting, refusal(&error)) {
                    (Some(id), Some(refusal)) => {
                        options
                            .logger
                            .warn(format!("{} {}", options.log_prefix, refusal.message));
                        let answer =
                            ServerJsonRpcMessage::error(too_large(refusal), Some(id.clone()));
                        Ok(Sse::default().data(serde_json::to_string(&answer).unwrap_or_default()))
                    }
                    _ => Err(error),
                },
            })
            .boxed()
    }
}

fn overlay(headers: &mut HeaderMap, over: &HeaderMap) {
    for name in over.keys() {
        headers.remove(name);
    }
    for (name, value) in over {
        headers.append(name, value.clone());
    }
}

/// The limit that a stream broke, if that is why it ended.
fn refusal(error: &SseError) -> Option<&Error> {
    let SseError::Body(inner) = error else {
        return None;
    };
    inner
        .downcast_ref::<Error>()
        .filter(|error| error.code == Code::ResponseTooLarge)
}

fn too_large(error: &Error) -> ErrorData {
    ErrorData::new(
        rmcp::model::ErrorCode(super::TOO_LARGE_RPC_CODE),
        error.message.clone(),
        None,
    )
}

fn content_type(response: &Response) -> &str {
    response
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

fn is_type(actual: &str, expected: &str) -> bool {
    actual
        .get(..expected.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(expected))
}

fn session_of(response: &Response) -> Option<String> {
    response
        .headers
        .get(SESSION_ID)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
}

/// An answer that is no success, without its body: a body may echo what was sent.
fn status_error(response: &Response) -> Error {
    let message = format!(
        "{} answered HTTP {}{}",
        sanitize_url_for_logging(response.url.as_str()),
        response.status.as_u16(),
        response
            .status
            .canonical_reason()
            .map(|reason| format!(" {reason}"))
            .unwrap_or_default(),
    );
    Error::http_status(response.status.as_u16(), message).with_challenge(response.challenges())
}

fn invalid(response: &Response, what: &str) -> Error {
    let url = sanitize_url_for_logging(response.url.as_str());
    Error::new(Code::InvalidResponse, format!("{url} answered {what}"))
        .with_status(response.status.as_u16())
}

fn keeps_text(headers: &HashMap<HeaderName, HeaderValue>) -> bool {
    // From this version on rmcp reads tool schemas itself, to send annotated arguments as headers.
    let standard = rmcp::model::ProtocolVersion::STANDARD_HEADERS;
    headers
        .get(PROTOCOL_VERSION)
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
        self.while_alive(self.post(message, session_id, custom_headers))
            .await
    }

    async fn delete_session(
        &self,
        _uri: Arc<str>,
        session_id: Arc<str>,
        _auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<()> {
        self.while_alive(self.delete(&session_id, custom_headers))
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
        self.while_alive(self.get(session_id.as_deref(), last_event_id, custom_headers))
            .await
    }
}

impl McpHttp {
    async fn post(
        &self,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse> {
        let (id, call, is_discover) = match &message {
            ClientJsonRpcMessage::Request(request) => (
                Some(request.id.clone()),
                request.request.extensions().get::<CallHeaders>().cloned(),
                matches!(request.request, ClientRequest::DiscoverRequest(_)),
            ),
            _ => (None, None, false),
        };
        self.0.tap.outgoing(&message);
        let keep_text = keeps_text(&custom_headers);
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
        // A tool may take its time; the request has a deadline of its own.
        request.timeout = None;

        let response = self.send(request).await?;
        if response.status == StatusCode::NOT_FOUND && session_id.is_some() {
            return Err(StreamableHttpError::SessionExpired);
        }
        if !response.status.is_success() {
            let error = status_error(&response);
            return refused(response, error, id.filter(|_| is_discover)).await;
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
        let kind = content_type(&response).to_owned();
        if is_type(&kind, EVENT_STREAM) {
            let limits = BodyLimits {
                line: self.0.limits.max_line_bytes,
                total: self.0.limits.max_response_bytes,
                idle: None,
            };
            return Ok(StreamableHttpPostResponse::Sse(
                self.events(response, limits, Some(id), keep_text),
                session,
            ));
        }
        if !is_type(&kind, JSON) {
            let what = if kind.is_empty() {
                "without a content type".to_owned()
            } else {
                format!("with content type {kind}")
            };
            return Err(StreamableHttpError::Client(invalid(&response, &what)));
        }
        let problem = invalid(&response, "with invalid JSON");
        let limits = BodyLimits {
            line: 0,
            total: self.0.limits.max_response_bytes,
            idle: None,
        };
        let body = match read(response, limits).await {
            Ok(body) => body,
            Err(error) if error.code == Code::ResponseTooLarge => {
                self.0
                    .logger
                    .warn(format!("{} {}", self.0.log_prefix, error.message));
                let answer = ServerJsonRpcMessage::error(too_large(&error), Some(id));
                return Ok(StreamableHttpPostResponse::Json(answer, session));
            }
            Err(error) => return Err(StreamableHttpError::Client(error)),
        };
        let text =
            String::from_utf8(body).map_err(|_| StreamableHttpError::Client(problem.clone()))?;
        match serde_json::from_str(&self.0.tap.incoming(text, keep_text)) {
            Ok(message) => Ok(StreamableHttpPostResponse::Json(message, session)),
            Err(_) => Err(StreamableHttpError::Client(problem)),
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
            line: self.0.limits.max_line_bytes,
            total: 0,
            idle: Some(self.0.sse_read_timeout),
        };
        Ok(self.events(response, limits, None, keep_text))
    }
}

/// A refused POST. A JSON-RPC error in the body is the server's own answer; a refused `server/discover` marks a server
/// that knows only `initialize`, whatever it answered.
async fn refused(
    response: Response,
    error: Error,
    discover: Option<RequestId>,
) -> Result<StreamableHttpPostResponse> {
    let decided = error.wants_authorization() || error.code == Code::RateLimited;
    let body = response.bytes(ERROR_BODY_BYTES).await.unwrap_or_default();
    let answered = serde_json::from_slice(&body)
        .ok()
        .and_then(|message| match message {
            ServerJsonRpcMessage::Error(answer) => Some(answer.error),
            _ => None,
        });
    match discover {
        Some(id) if !decided => {
            let answer =
                answered.unwrap_or_else(|| ErrorData::invalid_request(error.message, None));
            Ok(StreamableHttpPostResponse::Json(
                ServerJsonRpcMessage::error(answer, Some(id)),
                None,
            ))
        }
        _ => {
            let error = match answered {
                Some(answer) if !decided => {
                    let message = format!("{}: {}", error.message, answer.message);
                    Error {
                        message,
                        rpc_code: Some(i64::from(answer.code.0)),
                        ..error
                    }
                }
                _ => error,
            };
            Err(StreamableHttpError::Client(error))
        }
    }
}

async fn read(response: Response, limits: BodyLimits) -> std::result::Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    let mut chunks = std::pin::pin!(guard(response.stream(), limits));
    while let Some(chunk) = chunks.next().await {
        body.extend_from_slice(&chunk?);
    }
    Ok(body)
}
