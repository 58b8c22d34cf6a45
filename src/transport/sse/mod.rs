//! HTTP with server-sent events, the transport of MCP 2024-11-05: answers arrive on one stream, and messages are
//! posted to the endpoint that the stream names.
//!
//! `source` opens the stream, `reader` is the task that reads it and opens it again when it is lost. The transport
//! belongs to `initialize`; no later generation of the protocol uses it.

mod reader;
mod source;

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};
use parking_lot::Mutex;
use rmcp::RoleClient;
use rmcp::model::{ClientJsonRpcMessage, ClientRequest, ServerJsonRpcMessage};
use rmcp::transport::Transport;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::reader::Reader;
use self::source::{Endpoint, open};
use super::inbox::Inbox;
use super::pending::Pending;
use super::remote::{CallHeaders, ERROR_BODY_BYTES, JSON, PROTOCOL_VERSION, Remote, refusal};
use crate::error::{Code, Error, Result};
use crate::network::Response;

/// Messages that may wait for the client to take them.
const CAPACITY: usize = 64;
/// How long the body of an accepted POST may take; nothing in it matters.
const DRAIN: Duration = Duration::from_secs(5);

/// Bounds of one connection.
#[derive(Debug, Clone, Copy)]
pub struct SseTimeouts {
    /// Until a stream has named its endpoint.
    pub connect: Duration,
    /// Until the server has accepted a message.
    pub post: Duration,
    /// Silence after which the stream is opened again, unless a request waits.
    pub idle: Duration,
}

/// A connection over HTTP with server-sent events. Dropping it ends everything.
pub struct SseTransport {
    shared: Arc<Shared>,
    messages: mpsc::Receiver<ServerJsonRpcMessage>,
    /// Ends the reader with the transport.
    _end: DropGuard,
}

/// Where messages can be sent to.
#[derive(Clone)]
enum Link {
    Up(Arc<Endpoint>),
    /// The stream is lost and may come back.
    Down,
    Over(Error),
}

/// What the transport and its reader share.
struct Shared {
    remote: Remote,
    timeouts: SseTimeouts,
    pending: Pending,
    link: watch::Sender<Link>,
    /// The `initialize` request, to be repeated when a new stream means a new session.
    initialize: Mutex<Option<ClientJsonRpcMessage>>,
    /// The version that was agreed on, for the header `MCP-Protocol-Version`.
    version: Mutex<Option<HeaderValue>>,
}

impl SseTransport {
    /// Opens the stream and waits until it has named its endpoint.
    ///
    /// Fails with the error of the answer (401, 403, 429 and so on), [`Code::InvalidResponse`] for another content
    /// type or an endpoint of another origin, [`Code::ConnectionLost`] if the stream ends first, [`Code::Timeout`],
    /// and as [`HttpClient::send`](crate::network::HttpClient::send).
    pub async fn connect(remote: Remote, timeouts: SseTimeouts) -> Result<Self> {
        let life = remote.life.child_token();
        let remote = Remote {
            life: life.clone(),
            ..remote
        };
        let end = life.drop_guard();
        let opened = within(timeouts.connect, open(&remote, None, None)).await?;
        let (link, _) = watch::channel(Link::Up(Arc::new(opened.endpoint)));
        let shared = Arc::new(Shared {
            remote,
            timeouts,
            pending: Pending::default(),
            link,
            initialize: Mutex::default(),
            version: Mutex::default(),
        });
        let inbox = Inbox::new(
            shared.remote.tap.clone(),
            shared.pending.clone(),
            shared.remote.logger.clone(),
            shared.remote.log_prefix.clone(),
            "an event",
        );
        let (sender, messages) = mpsc::channel(CAPACITY);
        let reader = Reader::new(Arc::clone(&shared), inbox, sender, opened.progress);
        tokio::spawn(reader.run(opened.events));
        Ok(Self {
            shared,
            messages,
            _end: end,
        })
    }
}

impl Transport<RoleClient> for SseTransport {
    type Error = Error;

    fn name() -> Cow<'static, str> {
        "sse".into()
    }

    fn send(
        &mut self,
        message: ClientJsonRpcMessage,
    ) -> impl Future<Output = Result<()>> + Send + 'static {
        let shared = Arc::clone(&self.shared);
        shared.remote.tap.outgoing(&message);
        if let ClientJsonRpcMessage::Request(request) = &message
            && matches!(request.request, ClientRequest::InitializeRequest(_))
        {
            *shared.initialize.lock() = Some(message.clone());
        }
        // Notifications and answers are never given up.
        let unwanted = shared.pending.outgoing(&message).unwrap_or_default();
        async move { shared.deliver(&message, unwanted).await }
    }

    async fn receive(&mut self) -> Option<ServerJsonRpcMessage> {
        self.messages.recv().await
    }

    async fn close(&mut self) -> Result<()> {
        self.shared.remote.life.cancel();
        Ok(())
    }
}

impl Shared {
    /// Posts a message once the stream is there, unless nobody wants it any more.
    async fn deliver(
        &self,
        message: &ClientJsonRpcMessage,
        unwanted: CancellationToken,
    ) -> Result<()> {
        let post = async {
            let endpoint = self.endpoint().await?;
            let version = self.version.lock().clone();
            self.post(&endpoint, message, version).await
        };
        let outcome = tokio::select! {
            biased;
            () = self.remote.life.cancelled() => Err(Error::closed()),
            () = unwanted.cancelled() => Ok(()),
            outcome = post => outcome,
        };
        if let (Err(_), ClientJsonRpcMessage::Request(request)) = (&outcome, message) {
            self.pending.find(&request.id);
        }
        outcome
    }

    /// Waits while the stream is being opened again; that has a bound.
    async fn endpoint(&self) -> Result<Arc<Endpoint>> {
        let mut link = self.link.subscribe();
        let settled = link.wait_for(|link| !matches!(link, Link::Down)).await;
        match settled.as_deref() {
            Ok(Link::Up(endpoint)) => Ok(Arc::clone(endpoint)),
            Ok(Link::Over(error)) => Err(error.clone()),
            Ok(Link::Down) | Err(_) => Err(Error::closed()),
        }
    }

    /// Any success means that the message was accepted; the answer comes on the stream.
    async fn post(
        &self,
        endpoint: &Endpoint,
        message: &ClientJsonRpcMessage,
        version: Option<HeaderValue>,
    ) -> Result<()> {
        let call = CallHeaders::of(message);
        let mut request = self
            .remote
            .request(Method::POST, endpoint.url.clone(), call.as_ref());
        request
            .headers
            .insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        if let Some(version) = version {
            request.headers.insert(PROTOCOL_VERSION, version);
        }
        request.body = serde_json::to_vec(message)
            .map(Bytes::from)
            .map_err(|error| {
                Error::new(Code::Internal, format!("Cannot write the message: {error}"))
            })?;
        self.remote.tap.sent(request.body.len());
        request.timeout = Some(self.timeouts.post);
        request.elsewhere = endpoint.elsewhere;
        let response = self.remote.send(request).await?;
        if !response.status.is_success() {
            return Err(refusal(response).await.0);
        }
        tokio::spawn(drain(response, self.remote.life.clone()));
        Ok(())
    }
}

/// Reads a body to its end, so that the socket goes back to the pool.
async fn drain(response: Response, life: CancellationToken) {
    tokio::select! {
        () = life.cancelled() => {}
        _ = tokio::time::timeout(DRAIN, response.bytes(ERROR_BODY_BYTES)) => {}
    }
}

async fn within<T>(limit: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        Err(Error::timeout(format!(
            "The server did not open its event stream within {} ms",
            limit.as_millis()
        )))
    })
}
