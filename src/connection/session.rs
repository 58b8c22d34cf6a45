//! rmcp's client service, with results as text and errors as ours.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use parking_lot::Mutex;
use rmcp::model::{
    CancelledNotification, CancelledNotificationParam, ClientRequest, CustomRequest, ErrorData,
    InitializeResult, InputRequests, InputResponses, PingRequest, ProtocolVersion, RequestId,
    ServerCapabilities, ServerPeerInfo, ServerResult,
};
use rmcp::service::{
    ClientInitializeError, ClientLifecycleMode, Peer, PeerRequestOptions, RoleClient, ServiceError,
};
use rmcp::transport::DynamicTransportError;
use rmcp::transport::streamable_http_client::StreamableHttpError;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::handler::Handler;
use super::inbound::Origin;
use super::rounds::{self, Rounds};
use super::service::{Resting, Service};
use super::{CallOptions, Generation};
use crate::error::{Code, Error, Result};
use crate::transport::{
    BoxTransport, CallHeaders, LOST_MESSAGE, Listener, McpHttp, RawResult, TRANSPORT_RPC_CODE,
};

/// How long a request that was given up may take to tell the server so.
const CANCEL_TIMEOUT: Duration = Duration::from_millis(250);
/// How long a session stays awake after an event of the server woke it, and how often it tries to rest after that.
const REST_AGAIN: Duration = Duration::from_secs(3);
const REST_ATTEMPTS: usize = 20;
/// The SDK's code of a request that was not answered in time.
const REQUEST_TIMEOUT: i64 = -32001;
/// The SDK's code of a connection that is gone.
const CONNECTION_CLOSED: i64 = -32000;
/// What rmcp answers in place of a server that has lost the session of a request under way.
const SESSION_REPLACED: &str =
    "streamable HTTP session was re-initialized before the response arrived";
/// JSON-RPC: method not found.
const METHOD_NOT_FOUND: i64 = -32601;
/// JSON-RPC: invalid params, which some servers answer to a ping.
const INVALID_PARAMS: i64 = -32602;

pub struct Session(Arc<Inner>);

struct Inner {
    /// What the server says of itself.
    described: Arc<ServerPeerInfo>,
    handler: Handler,
    life: CancellationToken,
    /// Over Streamable HTTP, whose sessions may rest.
    http: Option<McpHttp>,
    state: Arc<Mutex<State>>,
    /// For what a resting session listens to.
    runtime: Handle,
}

struct State {
    phase: Phase,
    /// Requests under way.
    uses: usize,
}

enum Phase {
    Running(Arc<Service>),
    /// The session goes on, but nothing of it is here but what the next request needs.
    Resting(Resting),
    /// Requests wait until the service is there again.
    Waking(Waking),
    Closed,
}

type Waking = Shared<BoxFuture<'static, Result<Arc<Service>>>>;

/// A request that is under way.
struct Use {
    service: Arc<Service>,
    _counted: Counted,
}

struct Counted(Arc<Mutex<State>>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.lock().uses -= 1;
    }
}

impl Session {
    /// The handshake. `life` is cancelled when the session is over, or never came to be. `known` is the generation that
    /// this server spoke before; without it both are tried. `http` is the HTTP side of a Streamable HTTP transport.
    pub async fn open(
        transport: BoxTransport,
        http: Option<McpHttp>,
        handler: Handler,
        known: Option<Generation>,
        deadline: Instant,
        life: CancellationToken,
        cancel: &CancellationToken,
    ) -> Result<Self> {
        let lifecycle = match known {
            Some(Generation::Initialize) => ClientLifecycleMode::Initialize,
            Some(Generation::Discover) => ClientLifecycleMode::Discover {
                preferred_versions: discover_versions(),
            },
            None => ClientLifecycleMode::Auto {
                preferred_versions: discover_versions(),
                legacy_version: Some(ProtocolVersion::LATEST_WITH_INITIALIZE),
            },
        };
        let starting = Service::start(transport, http.clone(), handler.clone(), lifecycle, 0);
        let handshake = async { starting.await.map_err(initialize_error) };
        let service = bounded(deadline, &life, cancel, handshake).await?;
        let described = service.peer.peer_info().ok_or_else(|| {
            Error::new(
                Code::InvalidResponse,
                "The server did not describe itself in the MCP handshake",
            )
        })?;
        let state = State {
            phase: Phase::Running(Arc::new(service)),
            uses: 0,
        };
        Ok(Self(Arc::new(Inner {
            described,
            handler,
            life,
            http,
            state: Arc::new(Mutex::new(state)),
            runtime: Handle::current(),
        })))
    }

    pub fn generation(&self) -> Generation {
        if self.0.described.protocol_version.has_initialize() {
            Generation::Initialize
        } else {
            Generation::Discover
        }
    }

    pub fn capabilities(&self) -> &ServerCapabilities {
        &self.0.described.capabilities
    }

    pub fn protocol_version(&self) -> &str {
        self.0.described.protocol_version.as_str()
    }

    pub fn instructions(&self) -> Option<&str> {
        self.0.described.instructions.as_deref()
    }

    pub fn tools_changes(&self) -> u64 {
        self.0.handler.tools_changes.load(Ordering::Relaxed)
    }

    pub fn is_closed(&self) -> bool {
        match &self.0.state.lock().phase {
            Phase::Running(service) => service.is_closed(),
            Phase::Resting(_) | Phase::Waking(_) => false,
            Phase::Closed => true,
        }
    }

    pub fn may_rest(&self) -> bool {
        self.0.http.is_some() && self.generation() == Generation::Initialize
    }

    /// Lets go of everything that an idle session does not need; the next request brings it back, without asking the
    /// server. Nothing happens while something is under way.
    pub fn rest(&self) -> bool {
        let mut state = self.0.state.lock();
        if state.uses > 0 || !self.may_rest() {
            return false;
        }
        let Phase::Running(service) = &state.phase else {
            return false;
        };
        let Some((resting, listener)) = service.rest() else {
            return false;
        };
        let service = std::mem::replace(&mut state.phase, Phase::Resting(resting));
        drop(state);
        drop(service);
        if let Some(listener) = listener {
            self.0
                .runtime
                .spawn(listen(Arc::downgrade(&self.0), listener));
        }
        true
    }

    pub fn rests(&self) -> bool {
        matches!(self.0.state.lock().phase, Phase::Resting(_))
    }

    fn wake(&self, http: &McpHttp, resting: Resting) -> Waking {
        let version = resting.http.protocol_version();
        let version = version.unwrap_or_else(|| self.0.described.protocol_version.clone());
        let described = InitializeResult::new(self.0.described.capabilities.clone())
            .with_protocol_version(version);
        let http = http.resumed(resting.http, resting.stream, described);
        let handler = self.0.handler.clone();
        let start = async move {
            let lifecycle = ClientLifecycleMode::Initialize;
            let transport = http.transport();
            let starting =
                Service::start(transport, Some(http), handler, lifecycle, resting.next_id);
            starting.await.map(Arc::new).map_err(initialize_error)
        };
        start.boxed().shared()
    }

    /// The service, which does not rest for as long as the use lasts.
    async fn enter(&self) -> Result<Use> {
        let (waking, counted) = {
            let mut state = self.0.state.lock();
            let waking = match &state.phase {
                Phase::Running(service) => Ok(Arc::clone(service)),
                Phase::Waking(waking) => Err(waking.clone()),
                Phase::Resting(resting) => {
                    let http = self.0.http.as_ref().ok_or_else(gone)?;
                    let waking = self.wake(http, resting.clone());
                    state.phase = Phase::Waking(waking.clone());
                    Err(waking)
                }
                Phase::Closed => return Err(gone()),
            };
            state.uses += 1;
            (waking, Counted(Arc::clone(&self.0.state)))
        };
        let service = match waking {
            Ok(service) => service,
            Err(waking) => self.woken(waking.await)?,
        };
        Ok(Use {
            service,
            _counted: counted,
        })
    }

    fn woken(&self, outcome: Result<Arc<Service>>) -> Result<Arc<Service>> {
        let mut state = self.0.state.lock();
        // Another request may have been faster, and the session may have been closed.
        if matches!(state.phase, Phase::Waking(_)) {
            state.phase = match &outcome {
                Ok(service) => Phase::Running(Arc::clone(service)),
                Err(_) => Phase::Closed,
            };
        }
        outcome
    }

    pub async fn request(
        &self,
        method: &str,
        params: Option<&Value>,
        options: &CallOptions,
    ) -> Result<Box<RawValue>> {
        let rounds = Rounds::of(method).filter(|_| self.generation() == Generation::Discover);
        let Some(mut rounds) = rounds else {
            return self.request_once(method, params, options).await;
        };
        let mut next = None;
        loop {
            let params = next.as_ref().or(params);
            let result = self.request_once(method, params, options).await?;
            let Some(wish) = rounds.wish(&result)? else {
                return Ok(result);
            };
            let answers = tokio::select! {
                biased;
                () = options.cancel.cancelled() => return Err(Error::aborted()),
                () = tokio::time::sleep_until(options.deadline) => return Err(unanswered()),
                answers = self.answers(&mut rounds, wish.input_requests, options) => answers,
            };
            let answers = answers.map_err(|error| server_error(&error))?;
            next = Some(rounds::next_params(params, &answers, wish.request_state));
        }
    }

    /// What the server wants to know before it answers a call, from the user who called.
    async fn answers(
        &self,
        rounds: &mut Rounds,
        wanted: Option<InputRequests>,
        options: &CallOptions,
    ) -> std::result::Result<InputResponses, ErrorData> {
        let caller = match &options.caller {
            Some(caller) => caller,
            None => self.0.handler.owner()?,
        };
        rounds.answer(wanted, caller).await
    }

    async fn request_once(
        &self,
        method: &str,
        params: Option<&Value>,
        options: &CallOptions,
    ) -> Result<Box<RawValue>> {
        let raw = RawResult::default();
        let mut request = CustomRequest::new(method, params.cloned());
        request.extensions.insert(raw.clone());
        let origin = Arc::new(Origin {
            caller: options.caller.clone(),
            ended: options.cancel.child_token(),
        });
        let _ended = origin.ended.clone().drop_guard();
        request.extensions.insert(origin);
        if let Some(headers) = options.headers_of(method) {
            request.extensions.insert(CallHeaders(Arc::clone(headers)));
        }
        let parsed = self
            .send(ClientRequest::CustomRequest(request), options)
            .await?;
        let result = raw.take().ok_or_else(|| {
            Error::new(
                Code::InvalidResponse,
                format!("The server answered {method} without a result"),
            )
        })?;
        Ok(match parsed {
            ServerResult::ListToolsResult(page) => self.0.handler.usable_tools(result, &page),
            _ => result,
        })
    }

    /// Asks for a sign of life. A server that does not know `ping` gives one by saying so.
    pub async fn ping(&self, options: &CallOptions) -> Result<()> {
        match self
            .send(ClientRequest::PingRequest(PingRequest::default()), options)
            .await
        {
            Err(error) if matches!(error.rpc_code, Some(METHOD_NOT_FOUND | INVALID_PARAMS)) => {
                Ok(())
            }
            outcome => outcome.map(drop),
        }
    }

    async fn send(&self, request: ClientRequest, options: &CallOptions) -> Result<ServerResult> {
        // The queue to the transport may itself be stuck.
        let sending = async {
            let in_use = self.enter().await?;
            let peer = &in_use.service.peer;
            let sent = peer.send_cancellable_request(request, PeerRequestOptions::no_options());
            let handle = sent.await.map_err(request_error)?;
            Ok::<_, Error>((in_use, handle))
        };
        let (in_use, mut handle) = tokio::select! {
            biased;
            () = options.cancel.cancelled() => return Err(Error::aborted()),
            () = tokio::time::sleep_until(options.deadline) => return Err(unanswered()),
            sent = sending => sent?,
        };
        let peer = &in_use.service.peer;
        let id = handle.id.clone();
        let progressed = Arc::new(Notify::new());
        let _route = options.progress.as_ref().map(|progress| {
            self.0
                .handler
                .progress
                .add(handle.progress_token.clone(), progress.listen(&progressed))
        });
        let mut due = std::pin::pin!(tokio::time::sleep_until(options.due()));
        loop {
            tokio::select! {
                biased;
                () = options.cancel.cancelled() => {
                    Box::pin(give_up(peer, id, "aborted")).await;
                    return Err(Error::aborted());
                }
                outcome = &mut handle.rx => {
                    let outcome = outcome.unwrap_or(Err(ServiceError::TransportClosed));
                    return outcome.map_err(request_error);
                }
                () = progressed.notified() => due.as_mut().reset(options.due()),
                () = &mut due => {
                    Box::pin(give_up(peer, id, "timeout")).await;
                    return Err(unanswered());
                }
            }
        }
    }

    /// Ends the session at the server, too.
    pub async fn close(&self) {
        let phase = std::mem::replace(&mut self.0.state.lock().phase, Phase::Closed);
        match phase {
            Phase::Running(service) => service.close().await,
            Phase::Waking(waking) => {
                if let Ok(service) = waking.await {
                    service.close().await;
                }
            }
            Phase::Resting(resting) => {
                if let Some(http) = &self.0.http {
                    http.end(&resting.http).await;
                }
            }
            Phase::Closed => {}
        }
        self.0.life.cancel();
    }
}

/// Listens to the GET stream of a session that rests. What comes there wakes the session, which rests again soon.
async fn listen(session: Weak<Inner>, listener: Listener) {
    let wake = async {
        if let Some(inner) = session.upgrade() {
            // If it fails, the session is over, and says so to the next request.
            let _ = Session(inner).enter().await;
        }
    };
    if !listener.listen(wake).await {
        return;
    }
    for _ in 0..REST_ATTEMPTS {
        tokio::time::sleep(REST_AGAIN).await;
        let Some(inner) = session.upgrade() else {
            return;
        };
        if Session(inner).rest() {
            return;
        }
    }
}

/// Tells the server that nobody waits any more (MCP, chapter "Cancellation").
async fn give_up(peer: &Peer<RoleClient>, id: RequestId, reason: &str) {
    let params = CancelledNotificationParam::new(Some(id), Some(reason.to_owned()));
    let notification = CancelledNotification::new(params);
    let _ = tokio::time::timeout(CANCEL_TIMEOUT, peer.send_notification(notification.into())).await;
}

/// The TypeScript SDK's text and code of a connection that is gone.
pub fn gone() -> Error {
    Error::mcp(Code::ConnectionLost, CONNECTION_CLOSED, "Connection closed")
}

/// The texts and codes of the TypeScript SDK, which LibreChat matches on.
fn unanswered() -> Error {
    Error::mcp(Code::Timeout, REQUEST_TIMEOUT, "Request timed out")
}

/// One step of connecting. If it fails, or is not done in time, the connection's `life` is over.
pub async fn bounded<T>(
    deadline: Instant,
    life: &CancellationToken,
    cancel: &CancellationToken,
    step: impl Future<Output = Result<T>>,
) -> Result<T> {
    let outcome = tokio::select! {
        biased;
        () = cancel.cancelled() => Err(Error::aborted()),
        () = tokio::time::sleep_until(deadline) => {
            Err(Error::timeout("The server did not complete the MCP handshake in time"))
        }
        outcome = step => outcome,
    };
    outcome.inspect_err(|_| life.cancel())
}

fn discover_versions() -> Vec<ProtocolVersion> {
    vec![ProtocolVersion::V_2026_07_28]
}

fn initialize_error(error: ClientInitializeError) -> Error {
    match error {
        ClientInitializeError::TransportError { error, .. } => transport_error(&error),
        ClientInitializeError::JsonRpcError(answer) => server_error(&answer),
        ClientInitializeError::LegacyFallbackFailed { fallback, .. } => initialize_error(*fallback),
        ClientInitializeError::Cancelled => Error::aborted(),
        ClientInitializeError::ConnectionClosed(_) => Error::new(
            Code::ConnectionLost,
            "The server ended the connection during the MCP handshake",
        ),
        ClientInitializeError::NoCompatibleProtocolVersion {
            server_supported, ..
        } => {
            let versions: Vec<_> = server_supported
                .iter()
                .map(ProtocolVersion::as_str)
                .collect();
            Error::new(
                Code::InvalidResponse,
                format!(
                    "The server speaks no protocol version in common with this client (it offers {})",
                    versions.join(", ")
                ),
            )
        }
        _ => Error::new(
            Code::InvalidResponse,
            "The server did not complete the MCP handshake as the protocol asks",
        ),
    }
}

fn request_error(error: ServiceError) -> Error {
    match error {
        ServiceError::McpError(answer) => server_error(&answer),
        ServiceError::TransportSend(error) => transport_error(&error),
        ServiceError::TransportClosed => gone(),
        ServiceError::Timeout { .. } => unanswered(),
        ServiceError::Cancelled { .. } => Error::aborted(),
        other => Error::new(Code::InvalidResponse, other.to_string()),
    }
}

/// The server's own JSON-RPC error, or one that stands for a broken limit or a lost stream.
fn server_error(answer: &ErrorData) -> Error {
    let rpc_code = i64::from(answer.code.0);
    let code = match (answer.code.0, answer.message.as_ref()) {
        (TRANSPORT_RPC_CODE, LOST_MESSAGE) | (_, SESSION_REPLACED) => Code::ConnectionLost,
        (TRANSPORT_RPC_CODE, message) if message.starts_with("[MCP] MCP response") => {
            Code::ResponseTooLarge
        }
        _ => Code::ServerError,
    };
    Error::mcp(code, rpc_code, &answer.message)
}

fn transport_error(error: &DynamicTransportError) -> Error {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error.error.as_ref());
    while let Some(current) = source {
        if let Some(own) = current.downcast_ref::<Error>() {
            return own.clone();
        }
        if let Some(StreamableHttpError::<Error>::Client(own)) = current.downcast_ref() {
            return own.clone();
        }
        if let Some(
            StreamableHttpError::<Error>::SessionExpired
            | StreamableHttpError::ReinitializationFailed(_),
        ) = current.downcast_ref()
        {
            return Error::new(
                Code::ConnectionLost,
                "The server no longer knows the session",
            );
        }
        source = current.source();
    }
    Error::new(
        Code::ConnectionLost,
        "The connection to the server is closed",
    )
}
