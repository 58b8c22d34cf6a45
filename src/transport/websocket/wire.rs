//! The wire: who sends, and what reads.

use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::frames::{CloseCode, Frames, close, text};
use super::handshake::upgrade;
use super::reader::Reader;
use crate::background;
use crate::error::Result;
use crate::telemetry::Traffic;
use crate::trace::Source;
use crate::transport::outbox::Outbox;
use crate::transport::remote::Remote;
use crate::transport::wire::{Failure, Receiver, Sending, Wire};

/// Bound on the closing handshake.
const CLOSE_LIMIT: Duration = Duration::from_millis(500);

/// A connection over a WebSocket. Dropping it ends everything, without a closing handshake.
pub struct WebSocketWire {
    traffic: Arc<Traffic>,
    source: Source,
    outbox: Outbox,
    /// Nobody wants messages any more: the reader looks for the server's close frame, and the writer ends after what is
    /// queued.
    closing: CancellationToken,
    /// Cancelled when reading has ended.
    over: CancellationToken,
    /// Ends both tasks with the wire.
    _end: DropGuard,
}

impl WebSocketWire {
    /// Connects; the caller bounds the time.
    ///
    /// Fails with the error of the answer (401, 403, 429 and so on), [`Code::InvalidResponse`] if the server does not
    /// switch protocols as it should, and as [`HttpClient::send`](crate::network::HttpClient::send).
    ///
    /// [`Code::InvalidResponse`]: crate::error::Code::InvalidResponse
    pub async fn connect(remote: Remote, receiver: Weak<dyn Receiver>) -> Result<Self> {
        let (read, write) = tokio::io::split(upgrade(&remote).await?);
        let life = remote.life.child_token();
        let (closing, over) = (CancellationToken::new(), CancellationToken::new());
        let (outbox, writer) = Outbox::new(write, closing.clone(), "the MCP server");
        let mut reader = Reader {
            inbox: remote.inbox(receiver, "a WebSocket message"),
            closing: closing.clone(),
            outbox: outbox.clone(),
            last_answer: None,
            frames: Frames::new(remote.limits.max_response_bytes),
        };
        background::spawn(life.clone().run_until_cancelled_owned(writer));
        let (ended, reading_life) = (over.clone().drop_guard(), life.clone());
        background::spawn(async move {
            let reading = reader.run(read);
            reading_life.run_until_cancelled(reading).await;
            drop(ended);
            reader.inbox.over();
        });
        Ok(Self {
            traffic: remote.traffic,
            source: remote.source,
            outbox,
            closing,
            over,
            _end: life.drop_guard(),
        })
    }
}

#[async_trait]
impl Wire for WebSocketWire {
    async fn send(&self, sending: Sending<'_>) -> Result<(), Failure> {
        self.traffic.add_sent(sending.text.len());
        self.source.sent(&sending.text, 0);
        Ok(self.outbox.send(text(sending.text)).await?)
    }

    /// The closing handshake (RFC 6455, section 7.1.2), at most half a second.
    async fn close(&self) {
        let closed = self.outbox.send(close(CloseCode::Normal));
        self.closing.cancel();
        let handshake = async {
            if closed.await.is_ok() {
                self.over.cancelled().await;
            }
        };
        let _ = tokio::time::timeout(CLOSE_LIMIT, handshake).await;
    }
}
