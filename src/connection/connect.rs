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
use super::generation::Generation;
use super::known::Known;
use super::recipe::Recipe;
use super::session::Session;
use crate::error::{Code, Error, Result};
use crate::foreign_text::foreign_error;
use crate::host::Peer;
use crate::log::Logger;
use crate::server_config::{Transport, TransportKind, sanitize_url_for_logging};
use crate::trace::{Details, Source, detail};
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
#[derive(Default)]
pub struct LastFailure {
    error: Mutex<Option<Error>>,
    /// The process that is being waited for.
    process: Mutex<Option<Ending>>,
}

impl LastFailure {
    fn note(&self, error: &Error) {
        *self.error.lock() = Some(error.clone());
    }

    /// What the process has said so far, to follow another text.
    fn output(&self) -> String {
        let process = self.process.lock();
        process.as_ref().map(Ending::output).unwrap_or_default()
    }

    /// The error of a caller whose time is over.
    #[must_use]
    pub fn out_of_time(&self) -> Error {
        const MESSAGE: &str = "The connection could not be established in time";
        match self.error.lock().clone() {
            None => Error::timeout(format!("{MESSAGE}{}", self.output())),
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
    let (server_name, user_id) = (Some(&*recipe.server_name), recipe.user_id.as_deref());
    let tracer = recipe.http.tracer();
    let source = tracer.source(server_name, user_id, || recipe.sent_secrets(None, None));
    loop {
        breaker.check(&prefix).await?;
        // Boxed, because it would make every future around it large.
        let bearer = recipe.bearer.get();
        let error = match Box::pin(handshake(recipe, known, failure, cancel, &source)).await {
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
        source.step("disconnected", || {
            vec![
                ("code", error.code.as_str().to_owned()),
                ("error", error.message.clone()),
            ]
        });
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
        source.step("retry", || detail("attempt", &attempt));
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
    recipe: &Arc<Recipe>,
    known: &Known,
    failure: &LastFailure,
    cancel: &CancellationToken,
    source: &Source,
) -> Result<(Session, Option<Ending>)> {
    let config = &recipe.config;
    let init_timeout = config.init_timeout.unwrap_or(DEFAULT_INIT_TIMEOUT);
    let deadline = Instant::now() + init_timeout;
    let transport = config.transport.kind().as_str();
    let source = source.connection(transport);
    source.step("connecting", || detail("transport", &transport));
    let traffic = recipe.metrics.traffic(transport);
    let life = CancellationToken::new();
    let logger = recipe.server_log();
    let engine = Engine::new(
        client_of(recipe, &logger),
        life.clone(),
        init_timeout,
        recipe.share(),
        known.described.clone(),
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
                headers: Arc::clone(headers),
                bearer: recipe.bearer.clone(),
                limits: recipe.settings.response.clone(),
                traffic,
                life: life.clone(),
                logger,
                skips: Arc::default(),
                source: source.clone(),
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
                env: env.to_vec(),
                cwd: cwd.clone(),
                stderr: *stderr,
                max_line_bytes: recipe.settings.response.max_line_bytes,
                secrets: recipe.sent_secrets(None, None),
                source: source.clone(),
            };
            let (environment, children) = (&recipe.environment, &recipe.children);
            let wire = StdioWire::spawn(options, environment, traffic, receiver, logger, children);
            let wire = wire.await?;
            ending = Some(wire.ending());
            failure.process.lock().clone_from(&ending);
            let generation = known.generation.or(initialize);
            (Lane::Duplex(Arc::new(wire)), generation)
        }
    };
    engine.use_lane(lane);
    let open = Box::pin(Session::open(engine, generation, deadline));
    let opening = bounded(deadline, &life, cancel, open);
    match opening.await {
        Ok(session) => {
            source.connected(|| agreed_on(&session, transport));
            Ok((session, ending))
        }
        Err(error) => Err(explained(error, ending.as_ref(), failure, cancel).await),
    }
}

/// What a process said, or how it ended, may be why it did not get ready.
async fn explained(
    error: Error,
    ending: Option<&Ending>,
    failure: &LastFailure,
    cancel: &CancellationToken,
) -> Error {
    match ending {
        None => error,
        Some(_) if error.code == Code::Timeout => {
            let message = format!("{}{}", error.message, failure.output());
            Error { message, ..error }
        }
        Some(ending) => ending.explain(error, cancel).await,
    }
}

fn agreed_on(session: &Session, transport: &str) -> Details {
    let mut details = detail("transport", &transport);
    if let Ok(described) = session.described() {
        details.push(("protocolVersion", described.version.as_str().to_owned()));
    }
    details
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
