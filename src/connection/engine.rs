//! What goes on in one session: handshakes, transmissions, and what the wire hands over.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use http::HeaderValue;
use parking_lot::Mutex;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::asked::Inbound;
use super::caching::Caching;
use super::client::Client;
use super::events::Event;
use super::failures::{gone, replaced, superseded, unanswered};
use super::generation::{DISCOVERED, Generation};
use super::handshake::{self, Described, Step};
use super::known::LastDescribed;
use super::options::CallOptions;
use super::param_headers::ParamHeaders;
use super::requests::{Requests, UnderWay};
use super::shared::{Share, unique};
use super::standard::{ClientMeta, standard_headers, version_header};
use super::subscriptions::Subscriptions;
use super::tasks::TaskTools;
use crate::background;
use crate::error::{Error, Result};
use crate::transport::message::{self, Meta, Params};
use crate::transport::{Failure, HttpSession, Lane, Loss, Posted, Receiver, Reply, Sending, lost};

/// How long requests of a forgotten session may go on: most of them are about to be refused, and are sent again then.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

const INITIALIZED: &str = "notifications/initialized";

pub(super) struct Engine {
    this: Weak<Self>,
    pub client: Client,
    pub requests: Arc<Requests>,
    pub inbound: Inbound,
    /// How often the server has announced other tools.
    pub tools_changes: AtomicU64,
    /// Cancelled when nothing goes on.
    pub life: CancellationToken,
    /// Set before anything is sent.
    lane: OnceLock<Lane>,
    pub next_id: AtomicU64,
    /// What is sent with each request to a server of 2026-07-28.
    pub meta: ClientMeta,
    /// Absent until the first handshake is done.
    pub agreed: Mutex<Option<Arc<Agreed>>>,
    /// One handshake at a time.
    pub renewing: tokio::sync::Mutex<()>,
    pub param_headers: ParamHeaders,
    pub task_tools: TaskTools,
    /// Absent until somebody wants to hear of changes.
    pub subscriptions: OnceLock<Arc<Subscriptions>>,
    /// Absent where a server gives no caching hints.
    pub caching: OnceLock<Box<Caching>>,
    /// How long a handshake may take.
    pub init_timeout: Duration,
    /// Absent where no other process is to find the session.
    pub share: Option<Share>,
    /// What the server said of itself in other sessions.
    pub last: LastDescribed,
    /// The wire has ended, or the session could not be made anew.
    is_over: AtomicBool,
    /// See [`Self::supersede`].
    pub is_superseded: AtomicBool,
    pub is_closing: AtomicBool,
}

/// What a handshake has come to.
pub(super) struct Agreed {
    pub described: Arc<Described>,
    pub http: Arc<HttpSession>,
    pub is_forgotten: AtomicBool,
    /// How the server refuses what names the session, once it has forgotten it.
    pub refusal: OnceLock<Failure>,
    /// Cancelled when another handshake has taken its place.
    pub over: CancellationToken,
    /// Tells it from others that processes share; absent where it is this connection's alone.
    pub born: Option<String>,
    /// Another process has begun it, and the server has not answered here yet.
    pub is_adopted: bool,
    /// Others may have found it.
    pub is_written: AtomicBool,
    /// Another process listens to its GET stream.
    pub is_unheard: AtomicBool,
}

impl Agreed {
    pub fn new(described: Arc<Described>, http: HttpSession, life: &CancellationToken) -> Self {
        Self {
            described,
            http: Arc::new(http),
            is_forgotten: AtomicBool::new(false),
            refusal: OnceLock::new(),
            over: life.child_token(),
            born: None,
            is_adopted: false,
            is_written: AtomicBool::new(false),
            is_unheard: AtomicBool::new(false),
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.life.cancel();
    }
}

impl Engine {
    pub fn new(
        client: Client,
        life: CancellationToken,
        init_timeout: Duration,
        share: Option<Share>,
        last: LastDescribed,
    ) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            this: this.clone(),
            meta: ClientMeta::default(),
            client,
            requests: Arc::default(),
            inbound: Inbound::default(),
            tools_changes: AtomicU64::new(0),
            life,
            lane: OnceLock::new(),
            next_id: AtomicU64::new(0),
            agreed: Mutex::default(),
            renewing: tokio::sync::Mutex::default(),
            param_headers: ParamHeaders::default(),
            task_tools: TaskTools::default(),
            subscriptions: OnceLock::new(),
            caching: OnceLock::new(),
            init_timeout,
            share,
            last,
            is_over: AtomicBool::new(false),
            is_superseded: AtomicBool::new(false),
            is_closing: AtomicBool::new(false),
        })
    }

    /// For wires, which hand over what they read as long as the session is there.
    pub fn receiver(&self) -> Weak<dyn Receiver> {
        self.this.clone()
    }

    /// Itself, for a task.
    pub fn handle(&self) -> Option<Arc<Self>> {
        self.this.upgrade()
    }

    /// Sets what everything is sent over.
    pub fn use_lane(&self, lane: Lane) {
        let _ = self.lane.set(lane);
    }

    pub fn lane(&self) -> Option<&Lane> {
        self.lane.get()
    }

    pub fn described(&self) -> Option<Arc<Described>> {
        let agreed = self.agreed.lock();
        agreed.as_ref().map(|agreed| Arc::clone(&agreed.described))
    }

    /// The handshake, on a new wire or on one whose server has forgotten the session.
    pub async fn shake(&self, known: Option<Generation>, deadline: Instant) -> Result<()> {
        let mut step = handshake::first(known);
        let mut refusal = None;
        let mut http = HttpSession::default();
        let mut is_first = true;
        loop {
            step = match step {
                Step::Discover(attempt) => {
                    let answer = self.discover(deadline).await;
                    refusal = answer.as_ref().err().cloned();
                    handshake::after_discover(attempt, answer)
                }
                Step::DiscoverInstead(refused) => {
                    let answer = self.discover(deadline).await;
                    handshake::after_discover_instead(refused, answer)
                }
                Step::Initialize => {
                    let (answer, session) = self.initialize().await;
                    http.id = session;
                    if is_first && matches!(self.lane(), Some(Lane::Duplex(_))) {
                        handshake::after_first_initialize(answer)
                    } else {
                        handshake::after_initialize(answer)
                    }
                }
                Step::Agreed(described) => return self.agree(*described, http).await,
                Step::Failed(error) => return Err(handshake::blamed(refusal, error)),
            };
            is_first = false;
        }
    }

    async fn discover(&self, deadline: Instant) -> Result<Reply> {
        let http = HttpSession {
            id: None,
            version: HeaderValue::from_str(DISCOVERED.as_str()).ok(),
        };
        let asked =
            self.handshake_request("server/discover", Params::None, Some(&self.meta), &http);
        let left = deadline.saturating_duration_since(Instant::now());
        let answer = timeout(handshake::discover_timeout(left), asked).await;
        answer.map_or_else(|_| Err(unanswered()), |(answer, _)| answer)
    }

    async fn initialize(&self) -> (Result<Reply>, Option<HeaderValue>) {
        let params = serde_json::to_value(self.client.describe()).unwrap_or_default();
        let http = HttpSession::default();
        self.handshake_request("initialize", Some(&params).into(), None, &http)
            .await
    }

    async fn handshake_request(
        &self,
        method: &str,
        params: Params<'_>,
        meta: Option<&ClientMeta>,
        http: &HttpSession,
    ) -> (Result<Reply>, Option<HeaderValue>) {
        let options = CallOptions::new(Instant::now(), CancellationToken::new());
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let request = self.requests.add(id, &options);
        let client = meta.map(|meta| meta.members(&self.client));
        let meta = Meta {
            client,
            ..Meta::default()
        };
        let text = match message::request(id, method, params, meta) {
            Ok(text) => text,
            Err(error) => return (Err(error), None),
        };
        let standard = match client {
            Some(_) => standard_headers(method, None, None),
            None => Vec::new(),
        };
        let sending = Sending {
            text,
            id: Some(id),
            call: None,
            standard,
            is_repeatable: true,
        };
        let exchanged = self.exchange(http, &self.life, sending, &request.under_way);
        match Box::pin(exchanged).await {
            Ok((reply, session)) => (Ok(reply), session),
            Err(failure) => (Err(failure.error), None),
        }
    }

    pub async fn agree(&self, described: Described, mut http: HttpSession) -> Result<()> {
        http.version = HeaderValue::from_str(described.version.as_str()).ok();
        let mut agreed = Agreed::new(self.last.shared(described), http, &self.life);
        if agreed.described.generation() == Generation::Initialize {
            let text = message::notification(INITIALIZED, Params::None)?;
            self.post(&agreed.http, text).await.map_err(|it| it.error)?;
            let login = self.share.as_ref().and_then(|share| share.login.sets());
            agreed.born = login.map(|_| unique());
            if agreed.live().is_none() {
                agreed.born = None;
            }
        }
        self.take_up(agreed);
        Ok(())
    }

    /// From now on requests belong to this session.
    pub fn take_up(&self, agreed: Agreed) {
        let agreed = Arc::new(agreed);
        let before = self.agreed.lock().replace(Arc::clone(&agreed));
        if let Some(before) = before {
            // Most of what is under way is about to be refused for the session, too.
            background::spawn(async move {
                let _ = timeout(LAST_ANSWERS, before.over.cancelled()).await;
                before.over.cancel();
            });
        }
        self.listen(&agreed);
        self.subscribe_again();
    }

    /// Sends what gets no answer.
    async fn post(&self, http: &HttpSession, text: Vec<u8>) -> Result<(), Failure> {
        let mut sending = Sending {
            text,
            id: None,
            call: None,
            standard: Vec::new(),
            is_repeatable: true,
        };
        match self.lane().ok_or_else(gone)? {
            Lane::Direct(direct) => Box::pin(direct.post(http, sending, self)).await.map(drop),
            Lane::Duplex(wire) => {
                sending.standard.extend(version_header(http));
                wire.send(sending).await
            }
        }
    }

    /// Sends a notification, or the answer to a request of the server.
    pub async fn tell(&self, text: Vec<u8>) -> Result<()> {
        let agreed = self.agreed.lock().clone();
        // Servers may ask before the handshake is done.
        let http = agreed.map(|agreed| Arc::clone(&agreed.http));
        let told = self.post(&http.unwrap_or_default(), text).await;
        told.map_err(|failure| failure.error)
    }

    /// One transmission of a request, and its answer. `over`: nobody answers any more what was not answered by now,
    /// unless the server is still writing its answer.
    pub async fn exchange(
        &self,
        http: &HttpSession,
        over: &CancellationToken,
        mut sending: Sending<'_>,
        request: &UnderWay,
    ) -> Result<(Reply, Option<HeaderValue>), Failure> {
        let is_repeatable = sending.is_repeatable;
        let answer = async || {
            tokio::select! {
                biased;
                answer = request.answer() => Ok((answer?, None)),
                () = over.cancelled() => {
                    let may_repeat = is_repeatable && !self.is_closed();
                    let loss = if may_repeat { Loss::Certain } else { Loss::No };
                    Err(Failure { loss, ..replaced().into() })
                }
            }
        };
        let direct = match self.lane().ok_or_else(gone)? {
            Lane::Direct(direct) => direct,
            Lane::Duplex(wire) => {
                sending.standard.extend(version_header(http));
                tokio::select! {
                    biased;
                    answer = answer() => return answer,
                    sent = wire.send(sending) => sent?,
                }
                return answer().await;
            }
        };
        let posted = tokio::select! {
            biased;
            posted = direct.post(http, sending, self) => posted,
            // It may come on the GET stream.
            answer = request.answer() => return Ok((answer?, None)),
        };
        match posted {
            Ok(Posted::Accepted) => answer().await,
            Ok(Posted::Answered { session }) => {
                let answer = request.last_answer().unwrap_or_else(|| Err(lost()));
                Ok((answer?, session))
            }
            Err(failure) => match request.last_answer() {
                Some(answer) => Ok((answer?, None)),
                None => Err(failure),
            },
        }
    }

    pub fn is_closed(&self) -> bool {
        self.is_over() || self.is_closing.load(Ordering::Acquire)
    }

    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// The tokens of now may be of another login than the session: only a new connection is to send them. What is under way
    /// goes on.
    pub fn supersede(&self) -> Error {
        if !self.is_superseded.swap(true, Ordering::AcqRel) {
            self.client.notice(Event::Superseded);
        }
        superseded()
    }

    /// The wire is gone.
    pub fn end(&self) {
        let was_established = self.agreed.lock().is_some();
        let is_wanted = self.is_closing.load(Ordering::Acquire);
        // Whoever hears of the loss looks at once.
        let was_over = self.is_over.swap(true, Ordering::AcqRel);
        self.requests.fail(&gone());
        if was_established && !is_wanted && !was_over {
            self.client.notice(Event::Lost);
        }
    }
}
