//! The wire, which sends.

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use tokio::sync::{Notify, watch};
use tokio_util::sync::DropGuard;

use super::link::{Link, LinkState, SseTimeouts, settled};
use super::reader::Reader;
use super::source::{open, within};
use crate::background;
use crate::error::Result;
use crate::transport::events::Progress;
use crate::transport::remote::Remote;
use crate::transport::wire::{Failure, Receiver, Sending, Wire};

/// A connection over HTTP with server-sent events. Dropping it ends everything.
pub struct SseWire {
    link: Arc<Link>,
    /// Ends the reader with the wire.
    _end: DropGuard,
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
        let (state, _) = watch::channel(LinkState::Up(Arc::new(endpoint)));
        let link = Arc::new(Link {
            remote,
            timeouts,
            state,
            reset: Notify::new(),
        });
        let reader = Reader {
            link: Arc::clone(&link),
            inbox: link.remote.inbox(receiver, "an event"),
            progress,
        };
        background::spawn(reader.run(events));
        Ok(Self { link, _end: end })
    }
}

#[async_trait]
impl Wire for SseWire {
    /// Posts a message once the stream is there.
    async fn send(&self, sending: Sending<'_>) -> Result<(), Failure> {
        let post = async {
            let endpoint = self.link.endpoint().await?;
            self.link.post(&endpoint, sending).await
        };
        self.link.remote.while_alive(post).await
    }

    /// The session is the stream's, so that another one needs another stream.
    async fn reset(&self) -> Result<()> {
        let mut state = self.link.state.subscribe();
        let before = state.borrow_and_update().clone();
        self.link.reset.notify_one();
        let is_other = |state: &LinkState| match (state, &before) {
            (LinkState::Up(endpoint), LinkState::Up(before)) => !Arc::ptr_eq(endpoint, before),
            (LinkState::Up(_) | LinkState::Over(_), _) => true,
            (LinkState::Down, _) => false,
        };
        settled(&mut state, is_other).await.map(drop)
    }

    async fn close(&self) {
        self.link.remote.life.cancel();
    }
}
