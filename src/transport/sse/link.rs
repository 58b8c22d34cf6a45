//! The link to the server, which the wire and the reader of its stream share.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};
use tokio::sync::{Notify, watch};

use super::source::Endpoint;
use crate::error::{Error, Result};
use crate::transport::refusal::refused;
use crate::transport::remote::{JSON, Remote};
use crate::transport::wire::{Failure, Sending};

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

/// Where messages can be sent to.
#[derive(Clone)]
pub(super) enum LinkState {
    Up(Arc<Endpoint>),
    /// The stream is lost and may come back.
    Down,
    Over(Error),
}

/// What the wire and its reader share.
pub(super) struct Link {
    pub remote: Remote,
    pub timeouts: SseTimeouts,
    pub state: watch::Sender<LinkState>,
    /// Asks the reader for another stream.
    pub reset: Notify,
}

impl Link {
    /// Waits while the stream is being opened again; that has a bound.
    pub async fn endpoint(&self) -> Result<Arc<Endpoint>> {
        let is_settled = |link: &LinkState| !matches!(link, LinkState::Down);
        settled(&mut self.state.subscribe(), is_settled).await
    }

    /// Any success means that the message was accepted; the answer comes on the stream.
    pub async fn post(&self, endpoint: &Endpoint, sending: Sending<'_>) -> Result<(), Failure> {
        let mut request = self
            .remote
            .request(Method::POST, endpoint.url.clone(), sending.call);
        for (name, value) in sending.standard {
            request.headers.insert(name, value);
        }
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
            let sent = self.remote.sent(sending.call);
            return Err(refused(response, true, None, &sent).await);
        }
        self.remote.discard(response);
        Ok(())
    }
}

/// The endpoint of the first state that is as wanted.
pub(super) async fn settled(
    state: &mut watch::Receiver<LinkState>,
    is_wanted: impl FnMut(&LinkState) -> bool,
) -> Result<Arc<Endpoint>> {
    match state.wait_for(is_wanted).await.as_deref() {
        Ok(LinkState::Up(endpoint)) => Ok(Arc::clone(endpoint)),
        Ok(LinkState::Over(error)) => Err(error.clone()),
        Ok(LinkState::Down) | Err(_) => Err(Error::closed()),
    }
}
