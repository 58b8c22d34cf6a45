//! `subscriptions/listen` (MCP 2026-07-28, chapter "Subscriptions"): one stream for a connection, on which the server tells
//! of all that is wanted. It is there only while something is wanted that the server can tell of.

use std::future::pending;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::engine::{Agreed, Engine};
use super::events::Event;
use super::failures::{METHOD_NOT_FOUND, server_error, unanswered};
use super::handshake::Described;
use super::standard::{standard_headers, version_header};
use super::subscriptions::{Filter, Subscriptions};
use super::verdict::INVALID_PARAMS;
use crate::background;
use crate::error::{Error, Result};
use crate::log::Logger;
use crate::transport::message::{self, AnswerTo, Meta, Params};
use crate::transport::{Failure, HttpSession, Lane, Receiver, Reply, Sending, lost};

const LISTEN: &str = "subscriptions/listen";

/// How long a server may take to acknowledge.
const ACKNOWLEDGE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a server over a stream of bytes may take to be told that nobody listens any more.
const CANCEL_TIMEOUT: Duration = Duration::from_millis(250);
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

impl Engine {
    /// Listens to what is wanted by now; nothing where nothing is.
    pub(super) fn listen_to_changes(&self) {
        let agreed = self.agreed.lock().clone();
        let (Some(engine), Some(agreed)) = (self.handle(), agreed) else {
            return;
        };
        if self.is_closed() || !self.is_stateless() {
            return;
        }
        let wanted = self.wanted(&agreed.described);
        if wanted.is_empty() && self.subscriptions.get().is_none() {
            return;
        }
        let subscriptions = self.subscriptions.get_or_init(Arc::default);
        if subscriptions.begins(&wanted) {
            let (subscriptions, life) = (Arc::clone(subscriptions), self.life.clone());
            let logger = self.client.logger.clone();
            let listening = Box::pin(keep_listening(
                Arc::downgrade(&engine),
                subscriptions,
                logger,
            ));
            background::spawn(async move { life.run_until_cancelled(listening).await });
        }
    }

    /// What somebody wants to hear of, and the server can tell. A stream that is there for one list tells of the others, too.
    fn wanted(&self, described: &Described) -> Filter {
        let able = &described.capabilities;
        let (tools, prompts) = (able.tools.as_ref(), able.prompts.as_ref());
        let told = [
            (Event::ToolsChanged, tools.and_then(|it| it.list_changed)),
            (
                Event::PromptsChanged,
                prompts.and_then(|it| it.list_changed),
            ),
            (
                Event::ResourcesChanged,
                able.resources.as_ref().and_then(|it| it.list_changed),
            ),
        ]
        .map(|(change, is_told)| (change, is_told == Some(true)));
        let observer = self.client.observer.as_ref();
        let is_heard = observer.is_some_and(|observer| {
            told.iter()
                .any(|(change, is_told)| *is_told && observer.hears(*change))
        });
        let [tools, prompts, resources] = told.map(|(_, is_told)| is_told && is_heard);
        let subscriptions = self.subscriptions.get();
        Filter {
            tools_list_changed: tools,
            prompts_list_changed: prompts,
            resources_list_changed: resources,
            resource_subscriptions: subscriptions.map(|it| it.uris()).unwrap_or_default(),
        }
    }

    /// A server over a stream of bytes ends a subscription so.
    pub(super) fn cancelled_subscription(&self, id: &RawValue) {
        let id = serde_json::from_str(id.get()).unwrap_or_default();
        if let (Some(subscriptions), Some(AnswerTo::Ours(id))) =
            (self.subscriptions.get(), AnswerTo::of(&id))
        {
            subscriptions.answered(id, Reply::Empty);
        }
    }
}

/// Keeps a stream open, one after the other. It does not keep the session.
async fn keep_listening(engine: Weak<Engine>, subscriptions: Arc<Subscriptions>, logger: Logger) {
    let (mut pause, mut asked) = (SHORTEST_PAUSE, Filter::default());
    loop {
        let Some(opening) = open(&engine, &subscriptions, &asked) else {
            return;
        };
        asked.clone_from(&opening.asked);
        let began = Instant::now();
        // Boxed: what is kept between two streams is small.
        let end = Box::pin(opening.run(&engine, &subscriptions)).await;
        match end {
            End::Changed => {
                asked = Filter::default();
                continue;
            }
            // It is not asked for the same once more.
            End::Refused(reason) => {
                subscriptions.refuse();
                logger.debug(format!("The server does not tell of changes: {reason}"));
                continue;
            }
            End::Lost(reason) => {
                logger.debug(format!("The stream of changes has ended: {reason}"));
                asked = Filter::default();
            }
        }
        // One that was open for as long as the pause before it was worth opening.
        if began.elapsed() >= pause {
            pause = SHORTEST_PAUSE;
        }
        // Connections that were lost together do not come back together.
        let jitter = pause.mul_f64(rand::random_range(0.0..0.25));
        tokio::select! {
            () = sleep(pause + jitter) => {}
            // Somebody waits for it.
            () = subscriptions.changed.notified() => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Why a stream is over.
enum End {
    /// Something else is wanted.
    Changed,
    /// The server has nothing to tell.
    Refused(Error),
    Lost(Error),
}

/// A `subscriptions/listen` that is about to be sent.
struct Opening {
    id: u64,
    asked: Filter,
    lane: Lane,
    http: Arc<HttpSession>,
    over: CancellationToken,
    sending: Sending<'static>,
    receiver: Weak<dyn Receiver>,
}

/// `None` where nothing is wanted beside what was `refused`, or the connection is over.
fn open(engine: &Weak<Engine>, subscriptions: &Subscriptions, refused: &Filter) -> Option<Opening> {
    let engine = engine.upgrade()?;
    let agreed: Arc<Agreed> = engine.agreed.lock().clone()?;
    let asked = loop {
        let wishes = subscriptions.wishes();
        let wanted = engine.wanted(&agreed.described);
        match subscriptions.ends(wishes, &wanted, refused) {
            Some(true) => return None,
            Some(false) => break wanted,
            None => {}
        }
    };
    if engine.is_closed() {
        return None;
    }
    let id = engine.next_id.fetch_add(1, Ordering::Relaxed);
    let params = Map::from_iter([("notifications".to_owned(), json!(asked))]);
    let meta = Meta {
        client: Some(engine.meta.members(&engine.client)),
        progress_token: None,
        // Log messages belong to requests, and come on their streams.
        log_level: None,
        trace: None,
    };
    let sending = Sending {
        text: message::request(id, LISTEN, Params::Members(&params), meta).ok()?,
        id: Some(id),
        call: None,
        standard: standard_headers(LISTEN, None, None),
        is_repeatable: true,
    };
    subscriptions.opening(id, asked.clone());
    Some(Opening {
        id,
        asked,
        lane: engine.lane()?.clone(),
        http: Arc::clone(&agreed.http),
        over: agreed.over.clone(),
        sending,
        receiver: engine.receiver(),
    })
}

impl Opening {
    async fn run(self, engine: &Weak<Engine>, subscriptions: &Subscriptions) -> End {
        let Self {
            id,
            asked,
            lane,
            http,
            over,
            sending,
            receiver,
        } = self;
        let changed = async {
            loop {
                subscriptions.changed.notified().await;
                let Some(engine) = engine.upgrade() else {
                    return;
                };
                let described = engine.described();
                if described.is_none_or(|it| engine.wanted(&it) != asked) {
                    return;
                }
            }
        };
        let late = async {
            sleep(ACKNOWLEDGE_TIMEOUT).await;
            if subscriptions.is_acknowledged() {
                pending::<()>().await;
            }
        };
        let failure = tokio::select! {
            biased;
            () = over.cancelled() => None,
            () = changed => None,
            () = subscriptions.answer() => Some(lost()),
            outcome = stream(&lane, &http, sending, id, &receiver) => {
                Some(outcome.map_or_else(|failure| failure.error, |()| lost()))
            }
            () = late => Some(unanswered()),
        };
        let ended = subscriptions.close(failure.clone());
        if ended.answer.is_none() {
            tell_end(&lane, id).await;
        }
        let Some(failure) = failure else {
            return End::Changed;
        };
        match (ended.answer, ended.agreed) {
            (Some(Reply::Error(error)), _) if is_refusal(Some(error.code), None) => {
                End::Refused(server_error(&error))
            }
            // A server that tells of nothing ends the stream at once.
            (Some(_), Some(agreed)) if agreed.is_empty() => End::Refused(failure),
            (None, None) if is_refusal(failure.rpc_code, failure.status) => End::Refused(failure),
            _ => End::Lost(failure),
        }
    }
}

/// Over HTTP the stream is the answer to the request; else what belongs to it comes with everything else.
async fn stream(
    lane: &Lane,
    http: &HttpSession,
    mut sending: Sending<'_>,
    id: u64,
    receiver: &Weak<dyn Receiver>,
) -> Result<(), Failure> {
    match lane {
        Lane::Direct(direct) => direct.listen_by(http, sending, id, receiver).await,
        Lane::Duplex(wire) => {
            sending.standard.extend(version_header(http));
            wire.send(sending).await?;
            pending().await
        }
    }
}

/// Over HTTP the end of the stream says so.
async fn tell_end(lane: &Lane, id: u64) {
    let Lane::Duplex(wire) = lane else {
        return;
    };
    let params: Value = json!({ "requestId": id });
    let text = message::notification("notifications/cancelled", Some(&params).into());
    if let Ok(text) = text {
        let sending = Sending {
            text,
            id: None,
            call: None,
            standard: Vec::new(),
            is_repeatable: true,
        };
        let _ = timeout(CANCEL_TIMEOUT, wire.send(sending)).await;
    }
}

/// Whether a server refuses the method, and not only this time.
fn is_refusal(rpc_code: Option<i64>, status: Option<u16>) -> bool {
    matches!(rpc_code, Some(METHOD_NOT_FOUND | INVALID_PARAMS))
        || matches!(status, Some(400 | 404 | 405 | 501))
}

#[cfg(test)]
mod tests;
