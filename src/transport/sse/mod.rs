//! HTTP with server-sent events, the transport of MCP 2024-11-05: answers arrive on one stream, and messages are
//! posted to the endpoint that the stream names.
//!
//! `source` opens the stream, `reader` is the task that reads it and opens it again when it is lost. The transport
//! belongs to `initialize`; no later generation of the protocol uses it.

mod reader;
mod source;

use std::future::Future;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};
use tokio::sync::{Notify, watch};
use tokio_util::sync::DropGuard;

use self::reader::Reader;
use self::source::{Endpoint, open};
use super::events::Progress;
use super::lane::{Failure, Receiver, Sending, Wire};
use super::refusal::refused;
use super::remote::{JSON, Remote};
use crate::error::{Error, Result};

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
pub struct SseWire {
    shared: Arc<Shared>,
    /// Ends the reader with the wire.
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

/// What the wire and its reader share.
struct Shared {
    remote: Remote,
    timeouts: SseTimeouts,
    link: watch::Sender<Link>,
    /// Asks the reader for another stream.
    reset: Notify,
}

impl SseWire {
    /// Opens the stream and waits until it has named its endpoint.
    ///
    /// Fails with the error of the answer (401, 403, 429 and so on), [`Code::InvalidResponse`] for another content
    /// type or an endpoint of another origin, [`Code::ConnectionLost`] if the stream ends first, [`Code::Timeout`],
    /// and as [`HttpClient::send`](crate::network::HttpClient::send).
    pub async fn connect(
        remote: Remote,
        timeouts: SseTimeouts,
        receiver: Weak<dyn Receiver>,
    ) -> Result<Self> {
        let life = remote.life.child_token();
        let remote = Remote {
            life: life.clone(),
            ..remote
        };
        let end = life.drop_guard();
        let mut progress = Progress::default();
        let opening = open(&remote, &mut progress);
        let (events, endpoint) = within(timeouts.connect, opening).await?;
        let (link, _) = watch::channel(Link::Up(Arc::new(endpoint)));
        let shared = Arc::new(Shared {
            remote,
            timeouts,
            link,
            reset: Notify::new(),
        });
        let reader = Reader {
            shared: Arc::clone(&shared),
            inbox: shared.remote.inbox(receiver, "an event"),
            progress,
        };
        tokio::spawn(reader.run(events));
        Ok(Self { shared, _end: end })
    }
}

#[async_trait]
impl Wire for SseWire {
    /// Posts a message once the stream is there.
    async fn send(&self, sending: Sending<'_>) -> Result<(), Failure> {
        let post = async {
            let endpoint = self.shared.endpoint().await?;
            self.shared.post(&endpoint, sending).await
        };
        self.shared.remote.while_alive(post).await
    }

    /// The session is the stream's, so that another one needs another stream.
    async fn reset(&self) -> Result<()> {
        let mut link = self.shared.link.subscribe();
        let before = link.borrow_and_update().clone();
        self.shared.reset.notify_one();
        let is_other = |link: &Link| match (link, &before) {
            (Link::Up(endpoint), Link::Up(before)) => !Arc::ptr_eq(endpoint, before),
            (Link::Up(_) | Link::Over(_), _) => true,
            (Link::Down, _) => false,
        };
        settled(&mut link, is_other).await.map(drop)
    }

    async fn close(&self) {
        self.shared.remote.life.cancel();
    }
}

impl Shared {
    /// Waits while the stream is being opened again; that has a bound.
    async fn endpoint(&self) -> Result<Arc<Endpoint>> {
        let is_settled = |link: &Link| !matches!(link, Link::Down);
        settled(&mut self.link.subscribe(), is_settled).await
    }

    /// Any success means that the message was accepted; the answer comes on the stream.
    async fn post(&self, endpoint: &Endpoint, sending: Sending<'_>) -> Result<(), Failure> {
        let mut request = self
            .remote
            .request(Method::POST, endpoint.url.clone(), sending.call);
        request.headers.extend(sending.standard);
        request
            .headers
            .insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        self.remote.traffic.add_sent(sending.text.len());
        request.body = Bytes::from(sending.text);
        request.is_repeatable = sending.is_repeatable;
        request.timeout = Some(self.timeouts.post);
        request.elsewhere = endpoint.elsewhere;
        let response = self.remote.send(request).await?;
        if !response.status.is_success() {
            return Err(refused(response, true).await);
        }
        self.remote.discard(response);
        Ok(())
    }
}

/// The endpoint of the first link that is as wanted.
async fn settled(
    link: &mut watch::Receiver<Link>,
    is_wanted: impl FnMut(&Link) -> bool,
) -> Result<Arc<Endpoint>> {
    match link.wait_for(is_wanted).await.as_deref() {
        Ok(Link::Up(endpoint)) => Ok(Arc::clone(endpoint)),
        Ok(Link::Over(error)) => Err(error.clone()),
        Ok(Link::Down) | Err(_) => Err(Error::closed()),
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
