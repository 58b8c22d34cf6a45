//! Making a connection from a recipe: one handshake, again where that may help.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::breaker::Breaker;
use super::caller::Caller;
use super::client::Client;
use super::engine::Engine;
use super::established::Connection;
use super::generation::{Generation, Known};
use super::recipe::Recipe;
use super::session::Session;
use crate::error::{Code, Error, Result};
use crate::foreign_text::foreign_error;
use crate::host::Peer;
use crate::log::Logger;
use crate::server_config::{Transport, TransportKind, sanitize_url_for_logging};
use crate::transport::stdio::{Ending, StdioOptions, StdioWire};
use crate::transport::{Lane, Remote, SseTimeouts, SseWire, StreamableHttp, WebSocketWire};

/// At most this many handshakes, the waits between them growing by this step.
const MAX_ATTEMPTS: u32 = 3;
const RETRY_STEP: Duration = Duration::from_secs(2);
/// Bound on connecting where the config has no `initTimeout`.
pub const DEFAULT_INIT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a GET stream may be silent.
const DEFAULT_SSE_READ_TIMEOUT: Duration = Duration::from_mins(5);
/// How long a server may take to accept a message posted beside an event stream, as in the reference.
const DEFAULT_SSE_POST_TIMEOUT: Duration = Duration::from_mins(2);

/// What the latest attempt failed with, for those whose time is over while others go on.
#[derive(Debug, Default)]
pub struct LastFailure(Mutex<Option<Error>>);

impl LastFailure {
    fn note(&self, error: &Error) {
        *self.0.lock() = Some(error.clone());
    }

    /// The error of a caller whose time is over.
    #[must_use]
    pub fn out_of_time(&self) -> Error {
        const MESSAGE: &str = "The connection could not be established in time";
        match self.0.lock().clone() {
            None => Error::timeout(MESSAGE),
            Some(last) => Error::timeout(format!("{MESSAGE}; the last attempt failed: {last}"))
                .caused_by(last),
        }
    }
}

/// Connects, with up to three handshakes for faults that may pass, where the recipe allows more than one. `cancel` ends it at
/// once and leaves nothing open.
pub async fn connect(
    recipe: &Arc<Recipe>,
    known: &Known,
    breaker: &Breaker,
    failure: &LastFailure,
    cancel: &CancellationToken,
) -> Result<Connection> {
    let prefix = recipe.log_prefix();
    let mut attempt = 1;
    loop {
        breaker.check(&prefix).await?;
        // Boxed, because it would make every future around it large.
        let bearer = recipe.bearer.get();
        let error = match Box::pin(handshake(recipe, known, cancel)).await {
            Ok((session, ending)) => {
                // Going on with a session of another process says nothing of the server yet.
                if !session.is_adopted() {
                    breaker.succeeded().await;
                }
                return Connection::new(Arc::clone(recipe), session, ending);
            }
            Err(error) => foreign_error(error, &recipe.sent_secrets(bearer, None)),
        };
        failure.note(&error);
        if counts_as_failure(&error) {
            breaker.failed(&prefix, &recipe.logger).await;
        }
        let is_last = attempt == MAX_ATTEMPTS || !recipe.retries;
        if is_last || !may_pass(&error) || cancel.is_cancelled() {
            return Err(error);
        }
        recipe.logger.debug(format!(
            "{prefix} Connection attempt {attempt}/{MAX_ATTEMPTS} failed: {error}"
        ));
        tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(error),
            () = tokio::time::sleep(RETRY_STEP * attempt) => {}
        }
        attempt += 1;
    }
}

/// Faults of the network and of a busy server pass; those of a configuration, an authorization or a protocol do not.
fn may_pass(error: &Error) -> bool {
    error.retryable
        && !matches!(
            error.code,
            Code::RateLimited | Code::CircuitOpen | Code::HostTimeout
        )
}

/// Rate limiting and missing authorization say nothing about a server's health.
fn counts_as_failure(error: &Error) -> bool {
    !error.wants_authorization()
        && !matches!(error.code, Code::RateLimited | Code::Aborted | Code::Closed)
}

async fn handshake(
    recipe: &Recipe,
    known: &Known,
    cancel: &CancellationToken,
) -> Result<(Session, Option<Ending>)> {
    let config = &recipe.config;
    let init_timeout = config.init_timeout.unwrap_or(DEFAULT_INIT_TIMEOUT);
    let deadline = Instant::now() + init_timeout;
    let traffic = recipe.metrics.traffic(config.transport.kind().as_str());
    let life = CancellationToken::new();
    let logger = recipe.server_log();
    let engine = Engine::new(
        client_of(recipe, &logger),
        life.clone(),
        init_timeout,
        recipe.share(),
    );
    let receiver = engine.receiver();
    // The older transports, and processes, end with the generation that begins with `initialize`; a process that is asked
    // for `server/discover` first may never answer.
    let initialize = Some(Generation::Initialize);
    let mut ending = None;
    let (lane, generation) = match &config.transport {
        Transport::Http {
            kind, url, headers, ..
        } => {
            let shown = sanitize_url_for_logging(url.as_str());
            logger.info(format!("Creating {} transport: {shown}", kind.as_str()));
            let remote = Remote {
                http: recipe.http.clone(),
                policy: recipe.policy.clone(),
                url: url.clone(),
                headers: headers.iter().cloned().collect(),
                bearer: recipe.bearer.clone(),
                limits: recipe.settings.response.clone(),
                traffic,
                life: life.clone(),
                logger,
                skips: Arc::default(),
            };
            let idle = config.sse_read_timeout.unwrap_or(DEFAULT_SSE_READ_TIMEOUT);
            match kind {
                TransportKind::Sse => {
                    let timeouts = SseTimeouts {
                        connect: init_timeout,
                        post: config.timeout.unwrap_or(DEFAULT_SSE_POST_TIMEOUT),
                        idle,
                    };
                    let connect = Box::pin(SseWire::connect(remote, timeouts, receiver));
                    let wire = bounded(deadline, &life, cancel, connect).await?;
                    (Lane::Duplex(Arc::new(wire)), initialize)
                }
                TransportKind::WebSocket => {
                    let connect = Box::pin(WebSocketWire::connect(remote, receiver));
                    let wire = bounded(deadline, &life, cancel, connect).await?;
                    (Lane::Duplex(Arc::new(wire)), initialize)
                }
                TransportKind::StreamableHttp | TransportKind::Stdio => {
                    let direct = StreamableHttp::new(remote, idle, known.stream.clone());
                    (Lane::Direct(Arc::new(direct)), known.generation)
                }
            }
        }
        Transport::Stdio {
            command,
            args,
            env,
            cwd,
            stderr,
        } => {
            let options = StdioOptions {
                command: command.clone(),
                args: args.clone(),
                env: env.clone().into_iter().collect(),
                cwd: cwd.clone(),
                stderr: *stderr,
                max_line_bytes: recipe.settings.response.max_line_bytes,
                secrets: recipe.sent_secrets(None, None),
            };
            let (environment, children) = (&recipe.environment, &recipe.children);
            let wire = StdioWire::spawn(options, environment, traffic, receiver, logger, children);
            let wire = wire.await?;
            ending = Some(wire.ending());
            let generation = known.generation.or(initialize);
            (Lane::Duplex(Arc::new(wire)), generation)
        }
    };
    engine.use_lane(lane);
    let open = Box::pin(Session::open(engine, generation, deadline));
    let opening = bounded(deadline, &life, cancel, open);
    match (opening.await, &ending) {
        (Ok(session), _) => Ok((session, ending)),
        (Err(error), Some(ending)) => Err(ending.explain(error, cancel).await),
        (Err(error), None) => Err(error),
    }
}

/// One step of connecting. If it fails, or is not done in time, the connection's `life` is over.
async fn bounded<T>(
    deadline: Instant,
    life: &CancellationToken,
    cancel: &CancellationToken,
    step: impl Future<Output = Result<T>>,
) -> Result<T> {
    let outcome = tokio::select! {
        biased;
        () = cancel.cancelled() => Err(Error::aborted()),
        () = sleep_until(deadline) => {
            Err(Error::timeout("The server did not complete the MCP handshake in time"))
        }
        outcome = step => outcome,
    };
    outcome.inspect_err(|_| life.cancel())
}

pub(super) fn client_of(recipe: &Recipe, logger: &Logger) -> Client {
    Client {
        owner: Caller {
            peer: Peer {
                server_name: recipe.server_name.clone(),
                user_id: recipe.user_id.clone(),
                tool_name: None,
            },
            host: recipe.server_requests.clone(),
        },
        attributes: recipe.config.transport.kind() == TransportKind::StreamableHttp,
        profile: Arc::clone(&recipe.client),
        extensions: recipe.config.extensions.clone(),
        elicits: recipe.config.elicitation,
        observer: recipe.observer.clone(),
        logger: logger.clone(),
    }
}
