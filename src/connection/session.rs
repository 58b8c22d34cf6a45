//! rmcp's client service, with results as text and errors as ours.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rmcp::model::{
    CancelledNotification, CancelledNotificationParam, ClientRequest, CustomRequest, ErrorData,
    PingRequest, ProtocolVersion, RequestId, ServerCapabilities, ServerResult,
};
use rmcp::service::{
    ClientInitializeError, ClientLifecycleMode, Peer, PeerRequestOptions, RoleClient,
    RunningService, ServiceError, serve_client_with_lifecycle,
};
use rmcp::transport::DynamicTransportError;
use rmcp::transport::streamable_http_client::StreamableHttpError;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::{Mutex, Notify};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::events::{LossWatch, Watched};
use super::handler::{Handler, ProgressRoutes};
use super::probe::Probing;
use super::rounds::{self, Rounds};
use super::{CallOptions, Generation};
use crate::error::{Code, Error, Result};
use crate::transport::{BoxTransport, CallHeaders, LOST_MESSAGE, RawResult, TRANSPORT_RPC_CODE};

/// How long a request that was given up may take to tell the server so.
const CANCEL_TIMEOUT: Duration = Duration::from_millis(250);
/// How long a transport may take to end: five seconds for a session's `DELETE`, and room to end a process.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(5500);
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

pub struct Session {
    peer: Peer<RoleClient>,
    life: CancellationToken,
    watch: LossWatch,
    progress: ProgressRoutes,
    handler: Handler,
    service: Mutex<Option<RunningService<RoleClient, Handler>>>,
}

impl Session {
    /// The handshake. `life` is cancelled when the session is over, or never came to be. `known` is the generation that
    /// this server spoke before; without it both are tried.
    pub async fn open(
        transport: BoxTransport,
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
        let watch = LossWatch::new(handler.observer.clone());
        let progress = handler.progress.clone();
        let transport = Watched::new(Probing::new(transport), watch.clone());
        let serving = serve_client_with_lifecycle(handler.clone(), transport, lifecycle);
        let handshake = async {
            // Boxed, because it would make every future around it large.
            Box::pin(serving).await.map_err(initialize_error)
        };
        let service = bounded(deadline, &life, cancel, handshake).await?;
        watch.arm();
        Ok(Self {
            peer: service.peer().clone(),
            life,
            watch,
            progress,
            handler,
            service: Mutex::new(Some(service)),
        })
    }

    pub fn generation(&self) -> Generation {
        let modern = self
            .peer
            .peer_info()
            .is_some_and(|info| !info.protocol_version.has_initialize());
        if modern {
            Generation::Discover
        } else {
            Generation::Initialize
        }
    }

    pub fn capabilities(&self) -> Option<ServerCapabilities> {
        self.peer.peer_info().map(|info| info.capabilities.clone())
    }

    pub fn protocol_version(&self) -> Option<String> {
        self.peer
            .peer_info()
            .map(|info| info.protocol_version.to_string())
    }

    pub fn instructions(&self) -> Option<String> {
        self.peer
            .peer_info()
            .and_then(|info| info.instructions.clone())
    }

    pub fn tools_changes(&self) -> u64 {
        self.handler.tools_changes.load(Ordering::Relaxed)
    }

    pub fn is_closed(&self) -> bool {
        self.peer.is_transport_closed()
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
                answers = rounds.answer(wish.input_requests, &self.handler) => answers,
            };
            let answers = answers.map_err(|error| server_error(&error))?;
            next = Some(rounds::next_params(params, &answers, wish.request_state));
        }
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
        if let Some(headers) = &options.headers {
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
            ServerResult::ListToolsResult(page) => self.handler.usable_tools(result, &page),
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
        let sending = self
            .peer
            .send_cancellable_request(request, PeerRequestOptions::no_options());
        let handle = tokio::select! {
            biased;
            () = options.cancel.cancelled() => return Err(Error::aborted()),
            () = tokio::time::sleep_until(options.deadline) => return Err(unanswered()),
            handle = sending => handle.map_err(request_error)?,
        };
        let id = handle.id.clone();
        let progressed = Arc::new(Notify::new());
        let _route = options.progress.as_ref().map(|progress| {
            self.progress
                .add(handle.progress_token.clone(), progress.listen(&progressed))
        });
        let mut due = std::pin::pin!(tokio::time::sleep_until(options.due()));
        let mut response = std::pin::pin!(handle.await_response());
        loop {
            tokio::select! {
                biased;
                () = options.cancel.cancelled() => {
                    self.give_up(id, "aborted").await;
                    return Err(Error::aborted());
                }
                outcome = &mut response => return outcome.map_err(request_error),
                () = progressed.notified() => due.as_mut().reset(options.due()),
                () = &mut due => {
                    self.give_up(id, "timeout").await;
                    return Err(unanswered());
                }
            }
        }
    }

    /// Tells the server that nobody waits any more (MCP, chapter "Cancellation").
    async fn give_up(&self, id: RequestId, reason: &str) {
        let params = CancelledNotificationParam::new(Some(id), Some(reason.to_owned()));
        let notification = CancelledNotification::new(params);
        let _ = tokio::time::timeout(
            CANCEL_TIMEOUT,
            self.peer.send_notification(notification.into()),
        )
        .await;
    }

    pub async fn close(&self) {
        self.watch.disarm();
        if let Some(mut service) = self.service.lock().await.take() {
            let _ = service.close_with_timeout(CLOSE_TIMEOUT).await;
            self.life.cancel();
        }
    }
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
        ServiceError::TransportClosed => {
            Error::mcp(Code::ConnectionLost, CONNECTION_CLOSED, "Connection closed")
        }
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
