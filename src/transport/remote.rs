//! What the transports over HTTP have in common: one hardened client, headers that belong to a request, and answers
//! that are none.

use std::sync::{Arc, Weak};
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use parking_lot::Mutex;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::bearer::Bearer;
use super::events::EventLimits;
use super::inbox::Inbox;
use super::log_limit::LogLimit;
use super::message::{self, AnswerTo, Incoming, NoMessage, Outcome, RpcError};
use super::wire::Receiver;
use crate::background;
use crate::dpop;
use crate::error::{Code, Error, Result};
use crate::foreign_text::{SentSecrets, Speaker, foreign_words, said};
use crate::log::Logger;
use crate::network::{EXPLANATION_BYTES, Failed, HttpClient, Policy, Redirects, Request, Response};
use crate::server_config::sanitize_url_for_logging;
use crate::settings::ResponseLimits;
use crate::telemetry::Traffic;
use crate::trace::{Purpose, Source};

pub(super) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
pub(super) const EVENT_STREAM: &str = "text/event-stream";
pub(super) const JSON: &str = "application/json";

/// How many headers the transports add to those of a connection, mostly.
const ADDED_HEADERS: usize = 6;
/// How long a body may take in which nothing matters.
const DRAIN: Duration = Duration::from_secs(5);

/// What a connection to a remote server is made from.
#[derive(Clone)]
pub struct Remote {
    pub http: HttpClient,
    pub policy: Policy,
    pub url: Arc<Url>,
    /// Configured headers, placeholders expanded.
    pub headers: Arc<[(HeaderName, HeaderValue)]>,
    /// OAuth or on-behalf-of access token; replaces a configured `Authorization`.
    pub bearer: Bearer,
    pub limits: ResponseLimits,
    pub traffic: Arc<Traffic>,
    /// Cancelled when the connection is over: whatever is still under way ends.
    pub life: CancellationToken,
    pub logger: Logger,
    /// Of what is no message.
    pub skips: Arc<Mutex<LogLimit>>,
    /// The connection, as the trace knows it.
    pub source: Source,
}

impl Remote {
    /// A request with the connection's headers and those of `call` over them.
    pub(super) fn request(&self, method: Method, url: Url, call: Option<&HeaderMap>) -> Request {
        let mut headers = HeaderMap::with_capacity(self.headers.len() + ADDED_HEADERS);
        headers.extend(self.headers.iter().cloned());
        if let Some(call) = call {
            overlay(&mut headers, call);
        }
        let mut proof = None;
        if call.is_none_or(|call| !call.contains_key(AUTHORIZATION))
            && let Some((value, of_token)) = self.bearer.authorization()
        {
            headers.insert(AUTHORIZATION, value);
            proof = of_token;
        }
        let mut request = Request::new(method, url);
        request.proof = proof;
        request.trace = self.source.tag(Purpose::Mcp);
        request.secret_headers = headers.keys().cloned().collect();
        request.headers = headers;
        request.redirects = Redirects::Mcp;
        request
    }

    /// Of each stream of events.
    pub(super) const fn event_limits(&self) -> EventLimits {
        EventLimits {
            line: self.limits.max_line_bytes,
            event: self.limits.max_response_bytes,
        }
    }

    /// What a server must not repeat that was sent a request with the headers of `call`.
    pub(super) fn sent(&self, call: Option<&HeaderMap>) -> SentSecrets {
        let mut sent = SentSecrets::default();
        sent.add_url(&self.url);
        for (name, value) in &*self.headers {
            sent.add_header(name, value);
        }
        if let Some(call) = call {
            sent.add_headers(call);
        }
        if let Some(token) = self.bearer.get() {
            sent.add(token);
        }
        sent
    }

    pub(super) async fn send(&self, request: Request) -> Result<Response> {
        let answer = self.http.send(&self.policy, request).await;
        if let Some(warning) = self.policy.tls_warning() {
            self.logger.warn(warning);
        }
        answer
    }

    /// For a wire whose one stream carries all answers.
    pub(super) fn inbox(&self, receiver: Weak<dyn Receiver>, unit: &'static str) -> Inbox {
        Inbox::new(
            receiver,
            Arc::clone(&self.traffic),
            self.logger.clone(),
            unit,
            self.source.clone(),
        )
    }

    pub(super) async fn while_alive<T, E: From<Error>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        tokio::select! {
            biased;
            () = self.life.cancelled() => Err(Error::closed().into()),
            outcome = work => outcome,
        }
    }

    /// Reads a body in which nothing matters to its end, so that its socket goes back to the pool.
    pub(super) fn discard(&self, response: Response) {
        let length = response.headers.get(CONTENT_LENGTH);
        if length.is_some_and(|length| length == "0") {
            return;
        }
        let life = self.life.clone();
        background::spawn(async move {
            let body = timeout(DRAIN, response.bytes(EXPLANATION_BYTES));
            life.run_until_cancelled(body).await
        });
    }

    /// Something came that is no message. A server can cause this as often as it likes.
    pub(super) fn skipped(&self, why: NoMessage, bytes: usize) {
        let mut skips = self.skips.lock();
        if let Some(dropped) = skips.dropped() {
            self.logger.debug(format!(
                "{dropped} more log lines about skipped messages were dropped"
            ));
        }
        if skips.admits() {
            let why = why.as_str();
            self.logger
                .debug(format!("skipped {bytes} bytes that are {why}"));
        }
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

pub(super) fn content_type(response: &Response) -> &str {
    response
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

pub(super) fn is_type(response: &Response, expected: &str) -> bool {
    content_type(response)
        .get(..expected.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(expected))
}

/// An answer that is no success, without its body.
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
    if let Some(why) = response.refused_proof {
        // Another token, or a login, would be refused in the same way.
        let note = dpop::clock_note(&response.headers).unwrap_or_default();
        let message = format!("{message}: it refuses the DPoP proof ({why}){note}");
        return Error::new(Code::HttpStatus, message).with_status(response.status.as_u16());
    }
    Error::http_status(response.status.as_u16(), message).with_challenge(response.challenges())
}

/// An answer that is not what the protocol asks for.
pub(super) fn invalid(url: &Url, status: StatusCode, what: &str) -> Error {
    let url = sanitize_url_for_logging(url.as_str());
    Error::new(Code::InvalidResponse, format!("{url} answered {what}")).with_status(status.as_u16())
}

/// An answer of another content type than `expected`.
pub(super) fn wrong_type(response: &Response, expected: &str) -> Error {
    let what = match content_type(response) {
        "" => "without a content type".to_owned(),
        kind => format!("with content type {kind}"),
    };
    let what = format!("{what} where {expected} is expected");
    invalid(&response.url, response.status, &what)
}

/// The error with what the body of its answer says.
pub(super) fn quoting(
    mut error: Error,
    body: &[u8],
    content_type: &str,
    sent: &SentSecrets,
) -> Error {
    if let Some(words) = said(body, content_type, "", Speaker::Server) {
        error.message.push_str(": ");
        error.message.push_str(&foreign_words(&words, sent));
    }
    error
}

/// A refused request.
pub(super) struct Refusal {
    /// Told with the JSON-RPC error in the body, where there is one.
    pub error: Error,
    /// That JSON-RPC error, and which request it is for.
    pub answer: Option<(AnswerTo, RpcError)>,
    /// What the server wrote, as far as it is read.
    pub body: String,
}

/// The JSON-RPC error in the body is the server's own answer, unless the refusal wants authorization or less traffic.
/// `sent` is what the words of the server must not repeat.
pub(super) async fn refusal(response: Response, sent: &SentSecrets) -> Refusal {
    let mut error = status_error(&response);
    let is_decided = error.wants_authorization() || error.code == Code::RateLimited;
    let (status, headers, url) = (
        response.status,
        response.headers.clone(),
        response.url.clone(),
    );
    let is_explained = response.refused_proof.is_some();
    let body = response.beginning(EXPLANATION_BYTES).await;
    if !is_explained {
        let failed = Failed {
            status,
            headers: &headers,
            url: &url,
            body: &body,
        };
        error.message += &failed.explanation(sent, Speaker::Server);
    }
    let body = String::from_utf8_lossy(&body).into_owned();
    let answer = rpc_error(&body).filter(|_| !is_decided);
    error.rpc_code = answer.as_ref().map(|(_, answer)| answer.code);
    Refusal {
        error,
        answer,
        body,
    }
}

fn rpc_error(body: &str) -> Option<(AnswerTo, RpcError)> {
    let mut found = None;
    let text = message::text_of(body.as_bytes());
    message::read(&text, |message| {
        if let Ok(Incoming::Answer(answer)) = message
            && let Outcome::Error(error) = answer.outcome
        {
            found.get_or_insert((answer.to, error));
        }
    });
    found
}
