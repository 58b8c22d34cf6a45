//! One MCP session, as its connection uses it: requests, each with what may end it, and a new handshake where the server
//! turns out to have forgotten the session.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::time::{Instant, sleep_until, timeout};

use super::engine::{Agreed, Engine};
use super::failures::{METHOD_NOT_FOUND, gone, is_superseded, server_error, unanswered};
use super::generation::Generation;
use super::handshake::Described;
use super::options::CallOptions;
use super::requests::Registered;
use super::shared::Parting;
use super::standard::standard_headers;
use super::tasks::TaskTools;
use super::verdict::{INVALID_PARAMS, error_for, is_fault_of_list, is_refused_like, verdict};
use crate::error::{Code, Error, Result};
use crate::transport::message::{self, Meta, Params};
use crate::transport::{Failure, Lane, Loss, Reply, Sending, forgotten};

/// How long a request that was given up may take to tell the server so.
const CANCEL_TIMEOUT: Duration = Duration::from_millis(250);
/// How long a server may take to show whether it has forgotten the session.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a wire may take to end: five seconds for a session's `DELETE`, and room to end a process.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(5500);
/// From which level on a server of 2026-07-28 tells a host that hears its log; older ones decide that themselves.
const LOG_LEVEL: &str = "info";
/// How many sessions of other processes are gone on with during one request.
const MAX_RENEWALS: u32 = 3;

/// A session, from its handshake on. Dropping it ends everything without telling the server.
pub struct Session(Arc<Engine>);

impl From<Arc<Engine>> for Session {
    fn from(engine: Arc<Engine>) -> Self {
        Self(engine)
    }
}

impl Session {
    /// The handshake, over the lane that the engine has; the caller bounds the time. `known` is the generation that this
    /// server spoke before.
    pub(super) async fn open(
        engine: Arc<Engine>,
        known: Option<Generation>,
        deadline: Instant,
    ) -> Result<Self> {
        engine.open(None, known, deadline).await?;
        Ok(Self(engine))
    }

    pub(super) fn engine(&self) -> &Arc<Engine> {
        &self.0
    }

    pub fn described(&self) -> Result<Arc<Described>> {
        self.0.described().ok_or_else(gone)
    }

    pub fn tools_changes(&self) -> u64 {
        self.0.tools_changes.load(Ordering::Relaxed)
    }

    /// Which tools run as tasks.
    pub(super) fn task_tools(&self) -> &TaskTools {
        &self.0.task_tools
    }

    /// Whether this side has ended it.
    pub(super) fn is_closing(&self) -> bool {
        self.0.is_closing.load(Ordering::Acquire)
    }

    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// One request. Where it shows that the server has forgotten the session, there is one new handshake, and the request
    /// is sent once more unless it may have been worked on. What came in place of the session may be one of another process,
    /// which the server has forgotten as well.
    pub(super) async fn request_once(
        &self,
        method: &str,
        params: Params<'_>,
        options: &CallOptions,
    ) -> Result<Box<RawValue>> {
        let mut agreed = self.0.current(options).await?;
        let mut renewals = 0;
        let failure = loop {
            let outcome = Box::pin(self.send(&agreed, method, params, options)).await;
            let failure = match self.settled(&agreed, method, outcome) {
                Ok(result) => return result,
                Err(failure) => failure,
            };
            let is_last = renewals > 0 && !agreed.is_adopted || renewals == MAX_RENEWALS;
            if is_last {
                break failure;
            }
            let judging = Box::pin(self.judge(&agreed, method, &failure, options));
            let Some(is_unread) = judging.await else {
                return Err(error_for(&agreed, *failure));
            };
            let renewing = options.bound_by(self.0.renewed(&agreed, failure.loss), unanswered);
            let may_have_run = !is_unread && !is_repeatable(method);
            agreed = match Box::pin(renewing).await {
                // Nobody is to make the request again in another connection.
                Err(error) if may_have_run && is_superseded(&error) => return Err(failure.error),
                renewed => renewed?,
            };
            renewals += 1;
            if may_have_run {
                return Err(failure.error);
            }
        };
        // It may have been lost once more, for another call. What the server says of that is no answer to this one.
        let may_be_lost = !is_repeatable(method) && failure.words.is_some();
        let judge = || Box::pin(self.judge(&agreed, method, &failure, options));
        if may_be_lost && judge().await == Some(true) {
            return Err(forgotten());
        }
        Err(error_for(&agreed, *failure))
    }

    /// The result of a request, or a failure that may be the session's.
    fn settled(
        &self,
        agreed: &Agreed,
        method: &str,
        outcome: Result<Reply, Failure>,
    ) -> Result<Result<Box<RawValue>>, Box<Failure>> {
        match verdict(agreed, method, outcome) {
            Ok(reply) => Ok(self.result(method, reply)),
            Err(failure) if failure.loss == Loss::No => Ok(Err(error_for(agreed, *failure))),
            Err(failure) => Err(failure),
        }
    }

    /// Whether the session is lost, and if it is, whether the request has not been looked at. A tool may refuse its
    /// arguments in words about sessions of its own; a server that has forgotten ours refuses in the same words what has
    /// no arguments.
    async fn judge(
        &self,
        agreed: &Arc<Agreed>,
        method: &str,
        failure: &Failure,
        options: &CallOptions,
    ) -> Option<bool> {
        if failure.loss == Loss::Certain {
            return Some(true);
        }
        if agreed.described.generation() == Generation::Discover {
            self.end_unless_modern(agreed, options).await;
            return None;
        }
        let error = &failure.error;
        if let Some(known) = agreed.refusal.get() {
            return Some(is_refused_like(known, failure));
        }
        let has_tools = agreed.described.capabilities.tools.is_some();
        // Servers may answer a ping before any handshake (MCP, chapter "Lifecycle").
        let probe = if has_tools && !is_fault_of_list(method, error) {
            "tools/list"
        } else {
            "ping"
        };
        let options = probing(options);
        let outcome = self.send(agreed, probe, Params::None, &options).await;
        let refusal = verdict(agreed, probe, outcome).err()?;
        // Whoever was faster has ended the session at the server, which refuses it in other words from then on.
        (refusal.loss != Loss::No)
            .then(|| is_refused_like(agreed.refusal.get_or_init(|| *refusal), failure))
    }

    /// There are no sessions since 2026-07-28. A server that speaks of them is another one by now, for which a new connection
    /// has to be made.
    async fn end_unless_modern(&self, agreed: &Agreed, options: &CallOptions) {
        let options = probing(options);
        match self
            .send(agreed, "server/discover", Params::None, &options)
            .await
        {
            Ok(Reply::Error(_) | Reply::Empty) => self.0.end(),
            Err(failure) if failure.error.code == Code::HttpStatus => self.0.end(),
            Ok(Reply::Result(_)) | Err(_) => {}
        }
    }

    fn result(&self, method: &str, reply: Reply) -> Result<Box<RawValue>> {
        let result = match reply {
            Reply::Result(result) => result,
            Reply::Error(error) => return Err(server_error(&error)),
            Reply::Empty => {
                return Err(Error::new(
                    Code::InvalidResponse,
                    format!("The server answered {method} without a result"),
                ));
            }
        };
        if method != "tools/list" {
            return Ok(result);
        }
        let described = self.described()?;
        if described.generation() != Generation::Discover {
            let tools = &self.0.task_tools;
            tools.note(&described, &result, self.tools_changes());
            return Ok(result);
        }
        let Some((usable, refused)) = self.0.param_headers.note(&result) else {
            return Ok(result);
        };
        let refused = refused.join(", ");
        self.0.client.logger.warn(format!(
            "Left out tools with invalid x-mcp-header annotations: {refused}"
        ));
        Ok(usable)
    }

    /// Asks for a sign of life. A server that does not know `ping` gives one by saying so.
    pub async fn ping(&self, options: &CallOptions) -> Result<()> {
        match self.request_once("ping", Params::None, options).await {
            Err(error) if matches!(error.rpc_code, Some(METHOD_NOT_FOUND | INVALID_PARAMS)) => {
                Ok(())
            }
            outcome => outcome.map(drop),
        }
    }

    /// One transmission, until it has its answer, its time is over, or nobody wants it any more.
    async fn send(
        &self,
        agreed: &Agreed,
        method: &str,
        params: Params<'_>,
        options: &CallOptions,
    ) -> Result<Reply, Failure> {
        let engine = &self.0;
        let id = engine.next_id.fetch_add(1, Ordering::Relaxed);
        if let Some(sent) = &options.sent_id {
            sent.note(method, id);
        }
        let request = engine.requests.add(id, options);
        let is_modern = agreed.described.generation() == Generation::Discover;
        let meta = Meta {
            client: is_modern.then(|| engine.meta.members(&engine.client)),
            progress_token: options.progress.is_some().then_some(id),
            log_level: (is_modern && engine.client.hears_log()).then_some(LOG_LEVEL),
            trace: options.trace.as_deref(),
        };
        let (mut params, mut standard) = (params, Vec::new());
        // Headers say the same as the body, and the body says it in the same words.
        let members = is_modern.then(|| params.members()).transpose()?;
        if let Some(members) = &members {
            let annotations = (method == "tools/call")
                .then(|| engine.param_headers.of_call(members))
                .flatten();
            standard = standard_headers(method, Some(members), annotations.as_ref());
            params = Params::Members(members);
        }
        standard.extend(options.trace.iter().flat_map(|trace| trace.headers()));
        let sending = Sending {
            text: message::request(id, method, params, meta)?,
            id: Some(id),
            call: options.headers_of(method).map(Arc::as_ref),
            standard,
            is_repeatable: is_repeatable(method),
        };
        // Boxed: what waits for it is moved several times over.
        let mut exchange =
            Box::pin(engine.exchange(&agreed.http, &agreed.over, sending, &request.under_way));
        let mut due = std::pin::pin!(sleep_until(options.due()));
        let outcome = loop {
            tokio::select! {
                biased;
                () = options.cancel.cancelled() => {
                    Box::pin(self.give_up(agreed, &request, "aborted")).await;
                    return Err(Error::aborted().into());
                }
                outcome = &mut exchange => break outcome,
                () = request.under_way.progressed.notified() => due.as_mut().reset(options.due()),
                () = &mut due => {
                    // The server waits for the host, and has nothing to say meanwhile.
                    if engine.inbound.asks_during(id) && Instant::now() < options.deadline {
                        due.as_mut().reset(options.due());
                        continue;
                    }
                    Box::pin(self.give_up(agreed, &request, "timeout")).await;
                    return Err(unanswered().into());
                }
            }
        };
        drop(exchange);
        if let Some(kept) = &options.kept {
            kept.keep(request);
        }
        outcome.map(|(reply, _)| reply)
    }

    /// Tells the server that nobody waits any more (MCP, chapter "Cancellation"). The end of its stream says so to a
    /// server of 2026-07-28.
    async fn give_up(&self, agreed: &Agreed, request: &Registered, reason: &str) {
        let is_direct = matches!(self.0.lane(), Some(Lane::Direct(_)));
        if is_direct && agreed.described.generation() == Generation::Discover {
            return;
        }
        let params = serde_json::json!({ "requestId": request.under_way.id, "reason": reason });
        let text = message::notification("notifications/cancelled", Some(&params).into());
        if let Ok(text) = text {
            let _ = timeout(CANCEL_TIMEOUT, self.0.tell(text)).await;
        }
    }

    /// What the server calls the session; absent where it keeps none.
    pub fn id(&self) -> Option<String> {
        let agreed = self.0.agreed.lock();
        let id = agreed.as_ref()?.http.id.as_ref()?;
        id.to_str().ok().map(str::to_owned)
    }

    pub fn is_superseded(&self) -> bool {
        self.0.is_superseded.load(Ordering::Acquire)
    }

    pub fn supersede(&self) -> Error {
        self.0.supersede()
    }

    /// Whether another process has begun it.
    pub fn is_adopted(&self) -> bool {
        let agreed = self.0.agreed.lock();
        agreed.as_ref().is_some_and(|agreed| agreed.is_adopted)
    }

    /// Notes that the session is used; `false` where it is no longer the one that processes share.
    pub async fn note_use(&self) -> bool {
        self.0.note_use().await
    }

    /// Ends the session at the server, too, unless other processes go on with it.
    pub async fn close(&self, parting: Parting) {
        let engine = &self.0;
        if engine.is_closing.swap(true, Ordering::AcqRel) {
            return;
        }
        engine.requests.fail(&gone());
        let agreed = engine.agreed.lock().clone();
        let ending = async {
            if let (Some(Lane::Direct(_)), Some(agreed)) = (engine.lane(), &agreed) {
                agreed.over.cancel();
            }
            let is_ended = engine.part(parting).await;
            match (engine.lane(), &agreed) {
                (Some(Lane::Direct(http)), Some(agreed)) if is_ended => {
                    http.end(&agreed.http).await;
                }
                (Some(Lane::Duplex(wire)), _) => wire.close().await,
                _ => {}
            }
        };
        let _ = timeout(CLOSE_TIMEOUT, ending).await;
        engine.life.cancel();
    }
}

/// For a look at what has become of the session of a request.
fn probing(options: &CallOptions) -> CallOptions {
    CallOptions {
        deadline: options.due().min(Instant::now() + PROBE_TIMEOUT),
        progress: None,
        ..options.clone()
    }
}

/// Whether the server may be sent this twice: a tool may not be run again.
fn is_repeatable(method: &str) -> bool {
    method != "tools/call"
}

#[cfg(test)]
mod tests;
