//! One POST and its answer.

use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::stream::{self, StreamExt};
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tokio::task::coop::consume_budget;
use tokio::time::{sleep, timeout};
use url::Url;

use super::body_kind::{Begins, Declared};
use super::http::{StreamableHttp, is_event_stream};
use super::resume::{Pace, each, hand_over};
use super::session::{HttpSession, session_of};
use crate::background;
use crate::error::{Code, Error, Result};
use crate::network::{Request, Response};
use crate::transport::events::{Events, Found};
use crate::transport::limits::guard;
use crate::transport::message::{self, AnswerTo, Incoming, NoMessage};
use crate::transport::no_answer::{lost, too_large};
use crate::transport::refusal::{refused, words};
use crate::transport::remote::{JSON, content_type, invalid, quoting, wrong_type};
use crate::transport::wire::{Failure, Receiver, Sending};

/// What a response gets to end after the answer, so that its socket goes back to the pool.
const LAST_BYTES: Duration = Duration::from_millis(50);
/// What an answer to a POST may be.
pub(super) const EXPECTED: &str = "application/json or text/event-stream";

/// What came of a POST that was not refused.
#[derive(Debug)]
pub enum Posted {
    /// The receiver has had the answer. `session`: what the server calls the session that it begins.
    Answered { session: Option<HeaderValue> },
    /// The message was taken; an answer to a request comes on the GET stream.
    Accepted,
}

/// Why an event stream has ended without the answer.
enum Broken {
    /// In order, with something that was no message.
    Unreadable(NoMessage),
    /// It is the stream of the older transport, which stays open and answers nothing.
    OtherTransport,
    By(Error),
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self::By(error)
    }
}

enum Body {
    Json(Vec<u8>),
    Events(Box<Events>),
}

impl StreamableHttp {
    /// Sends a message. The receiver gets everything that is read; for a request this resolves when it has had the
    /// answer, or none can come.
    ///
    /// # Errors
    /// A refusal, with whether it means that the session is lost; [`Code::InvalidResponse`] for a response without an
    /// answer; [`Code::ConnectionLost`] where it broke off and could not be resumed; and as
    /// [`HttpClient::send`](crate::network::HttpClient::send).
    pub async fn post(
        &self,
        session: &HttpSession,
        sending: Sending<'_>,
        receiver: &dyn Receiver,
    ) -> Result<Posted, Failure> {
        self.remote
            .while_alive(self.send(session, sending, receiver))
            .await
    }

    async fn send(
        &self,
        session: &HttpSession,
        sending: Sending<'_>,
        receiver: &dyn Receiver,
    ) -> Result<Posted, Failure> {
        let (id, call) = (sending.id, sending.call);
        let request = self.post_of(session, sending);
        let response = self.remote.send(request).await?;
        if !response.status.is_success() {
            let sent = self.remote.sent(call);
            return Err(Box::pin(refused(response, session.id.is_some(), id, &sent)).await);
        }
        let Some(id) = id else {
            self.remote.discard(response);
            return Ok(Posted::Accepted);
        };
        let is_accepted = matches!(
            response.status,
            StatusCode::ACCEPTED | StatusCode::NO_CONTENT
        );
        let accepted =
            (is_accepted && session.id.is_some() && self.may_stream()).then_some(Posted::Accepted);
        if is_accepted && Declared::by(&response) == Declared::Other {
            let error = invalid(&response.url, response.status, "without an answer");
            self.remote.discard(response);
            return accepted.ok_or(error.into());
        }
        let (began, exchange) = (session_of(&response), response.exchange());
        let (url, status) = (response.url.clone(), response.status);
        let body = self.body(response, call).await;
        let body = body.map_err(|error| match error.code {
            Code::ResponseTooLarge => {
                self.remote.logger.warn(&error.message);
                too_large(&error.message)
            }
            _ => error,
        });
        let taken = match body? {
            Body::Json(body) => {
                let taken = self.take_json(&body, (id, exchange), receiver, &url, status);
                taken.map_err(|mut failure| {
                    failure.error = quoting(failure.error, &body, JSON, &self.remote.sent(call));
                    failure
                })
            }
            Body::Events(source) => {
                // Boxed, because it would make every request large.
                let taking = Box::pin(self.take_events(*source, session, (id, exchange), receiver));
                let taken = taking.await.map_err(|broken| match broken {
                    Broken::Unreadable(why) => invalid(&url, status, unlike(why)),
                    Broken::OtherTransport => invalid(
                        &url,
                        status,
                        "with the event stream of the older transport: its `type` is `sse`",
                    ),
                    Broken::By(error) => error,
                });
                taken.map_err(|error| Box::new(error.into()))
            }
        };
        match (taken, accepted) {
            (Ok(()), _) => Ok(Posted::Answered { session: began }),
            // It was no answer, and one may still come.
            (Err(_), Some(accepted)) => Ok(accepted),
            (Err(failure), None) => Err(*failure),
        }
    }

    /// The POST of a message. A tool may take its time, so that only its call bounds it.
    pub(super) fn post_of(&self, session: &HttpSession, sending: Sending<'_>) -> Request {
        let mut request = self.request(Method::POST, session, sending.call);
        let headers = &mut request.headers;
        for (name, value) in sending.standard {
            headers.insert(name, value);
        }
        headers.insert(
            ACCEPT,
            HeaderValue::from_static("application/json, text/event-stream"),
        );
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        self.remote.traffic.add_sent(sending.text.len());
        self.remote.source.sent(&sending.text, request.exchange());
        request.body = Bytes::from(sending.text);
        request.timeout = None;
        request.is_repeatable = sending.is_repeatable;
        request
    }

    /// A body by how it begins, because servers and gateways declare one kind and send the other; by its content type
    /// where the beginning says nothing.
    async fn body(&self, response: Response, call: Option<&HeaderMap>) -> Result<Body> {
        let limit = self.remote.limits.max_response_bytes;
        let announced = response.headers.get(CONTENT_LENGTH);
        let announced = announced.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        let declared = Declared::by(&response);
        let unexpected = (declared == Declared::Other).then(|| {
            (
                wrong_type(&response, EXPECTED),
                content_type(&response).to_owned(),
            )
        });
        let mut chunks = guard(response.stream(), limit);
        // What the server announces is believed only as far as it would be taken.
        let mut body = Vec::with_capacity(announced.unwrap_or_default().min(limit));
        while let Some(chunk) = chunks.next().await {
            body.extend_from_slice(&chunk?);
            match (Begins::of(&body), declared) {
                (Begins::Events, _) | (Begins::Other, Declared::Events) => {
                    let first = stream::iter([Ok(Bytes::from(body))]);
                    return Ok(Body::Events(Box::new(self.events(first.chain(chunks)))));
                }
                (Begins::Json | Begins::Nothing, _) | (Begins::Other, Declared::Json) => {}
                (Begins::Other, Declared::Other) => break,
            }
        }
        match (Begins::of(&body), unexpected) {
            (Begins::Nothing, None) if declared == Declared::Events => {
                Ok(Body::Events(Box::new(self.events(stream::empty()))))
            }
            (Begins::Nothing | Begins::Other, Some((unexpected, kind))) => {
                Err(quoting(unexpected, &body, &kind, &self.remote.sent(call)))
            }
            _ => Ok(Body::Json(body)),
        }
    }

    /// `exchange` is what the trace calls the exchange that the body is of.
    pub(super) fn take_json(
        &self,
        body: &[u8],
        (id, exchange): (u64, u64),
        receiver: &dyn Receiver,
        url: &Url,
        status: StatusCode,
    ) -> Result<(), Box<Failure>> {
        self.remote.traffic.add_received(body.len());
        self.remote.source.received(body, exchange);
        let (mut answered, mut found) = (false, None);
        let mut take = |message: Result<Incoming<'_>, NoMessage>| match message {
            Ok(message) => {
                let is_answer = matches!(
                    &message,
                    Incoming::Answer(answer) if matches!(answer.to, AnswerTo::Nobody) || answer.to == AnswerTo::Ours(id)
                );
                answered |= is_answer;
                found = found.or(Some("without the answer to this request"));
                receiver.receive(message, Some(id));
            }
            Err(why) => found = Some(unlike(why)),
        };
        let text = message::text_of(body);
        message::read(&text, &mut take);
        if answered {
            return Ok(());
        }
        Err(Box::new(Failure {
            words: words(&text),
            ..invalid(url, status, found.unwrap_or("without an answer")).into()
        }))
    }

    async fn take_events(
        &self,
        mut source: Events,
        session: &HttpSession,
        (id, exchange): (u64, u64),
        receiver: &dyn Receiver,
    ) -> Result<(), Broken> {
        let mut pace = Pace::of_answer();
        pace.exchange = exchange;
        loop {
            let mut skipped = None;
            loop {
                // Others get their turn between the events of a flood.
                consume_budget().await;
                let found = match source.next().await {
                    Some(Ok(found)) => found,
                    Some(Err(error)) if error.code == Code::ResponseTooLarge => {
                        self.remote.logger.warn(&error.message);
                        return Err(too_large(&error.message).into());
                    }
                    Some(Err(_)) => {
                        skipped = None;
                        break;
                    }
                    None => break,
                };
                if let Found::Event(event) = &found
                    && event.event.as_deref() == Some("endpoint")
                {
                    return Err(Broken::OtherTransport);
                }
                skipped = hand_over(&self.remote, receiver, found, &mut pace, Some(id)).or(skipped);
                if receiver.has_answer(id) {
                    self.let_go(source);
                    return Ok(());
                }
            }
            if let Some(rest) = source.rest() {
                self.remote.source.received(&rest, pace.exchange);
                let unread = each(&self.remote, &rest, |message| {
                    receiver.receive(message, Some(id));
                });
                skipped = match unread {
                    // It was cut off.
                    Some(NoMessage::NotJson) => None,
                    unread => unread.or(skipped),
                };
                if receiver.has_answer(id) {
                    return Ok(());
                }
            }
            if pace.last_event_id().is_none() {
                return Err(skipped.map_or_else(|| lost().into(), Broken::Unreadable));
            }
            source = Box::pin(self.resume(session, &mut pace)).await?;
        }
    }

    /// The rest of a stream that broke off (MCP, chapter "Resumability and Redelivery").
    async fn resume(&self, session: &HttpSession, pace: &mut Pace) -> Result<Events> {
        while let Some(pause) = pace.next() {
            sleep(pause).await;
            match self.open(session, pace.last_event_id()).await {
                Ok(response) if response.status.is_success() && is_event_stream(&response) => {
                    pace.opened();
                    pace.exchange = response.exchange();
                    let limit = self.remote.limits.max_response_bytes;
                    return Ok(self.events(guard(response.stream(), limit)));
                }
                // A server without streams has none the next time either.
                Ok(response)
                    if matches!(
                        response.status.as_u16(),
                        200..300 | 401 | 403 | 404 | 405 | 409
                    ) =>
                {
                    break;
                }
                Ok(_) | Err(_) => {}
            }
        }
        Err(lost())
    }

    /// Most responses end with the answer.
    fn let_go(&self, mut source: Events) {
        if matches!(source.next().now_or_never(), Some(None)) {
            return;
        }
        let life = self.remote.life.clone();
        background::spawn(async move {
            let drain = async { while let Some(Ok(_)) = source.next().await {} };
            tokio::select! {
                () = life.cancelled() => {}
                _ = timeout(LAST_BYTES, drain) => {}
            }
        });
    }
}

const fn unlike(why: NoMessage) -> &'static str {
    match why {
        NoMessage::NotJson => "with invalid JSON",
        NoMessage::NotJsonRpc => "with JSON that is no JSON-RPC message",
    }
}
