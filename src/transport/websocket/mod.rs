//! WebSocket with the subprotocol `mcp`, as in the TypeScript SDK: one text message is one JSON-RPC message.
//!
//! The connection starts as a request of the hardened HTTP client, so headers, access token, proxy, TLS and address
//! rules are those of every other request (`handshake`); `frames` takes apart what arrives afterwards. There is one
//! request, so headers of a single call cannot apply: the connection's own are all that a server sees.

pub(super) mod frames;
mod handshake;
mod reader;

use std::borrow::Cow;
use std::future::Future;
use std::time::Duration;

use rmcp::RoleClient;
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::Transport;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::frames::{CloseCode, close, text};
use self::reader::Reader;
use super::inbox::Inbox;
use super::outbox::Outbox;
use super::pending::Pending;
use super::{Remote, Tap};
use crate::error::{Error, Result};

use self::frames::Frames;

/// Messages that may wait for the client to take them.
const CAPACITY: usize = 64;
/// Bound on the closing handshake.
const CLOSE_LIMIT: Duration = Duration::from_millis(500);

/// A connection over a WebSocket. Dropping it ends everything, without a closing handshake.
pub struct WebSocketTransport {
    tap: Tap,
    pending: Pending,
    outbox: Outbox,
    messages: mpsc::Receiver<ServerJsonRpcMessage>,
    /// Has the writer end after what is queued.
    stop_writing: CancellationToken,
    /// Cancelled when reading has ended.
    over: CancellationToken,
    /// Ends both tasks with the transport.
    _end: DropGuard,
}

impl WebSocketTransport {
    /// Connects; the caller bounds the time.
    ///
    /// Fails with the error of the answer (401, 403, 429 and so on), [`Code::InvalidResponse`] if the server does not
    /// switch protocols as it should, and as [`HttpClient::send`](crate::network::HttpClient::send).
    ///
    /// [`Code::InvalidResponse`]: crate::error::Code::InvalidResponse
    pub async fn connect(remote: Remote) -> Result<Self> {
        let (read, write) = tokio::io::split(handshake::upgrade(&remote).await?);
        let life = remote.life.child_token();
        let (stop_writing, over) = (CancellationToken::new(), CancellationToken::new());
        let (outbox, writer) = Outbox::new(write, stop_writing.clone(), "the MCP server");
        let pending = Pending::default();
        let inbox = Inbox::new(
            remote.tap.clone(),
            pending.clone(),
            remote.logger.clone(),
            remote.log_prefix.clone(),
            "a WebSocket message",
        );
        let (sender, messages) = mpsc::channel(CAPACITY);
        let reader = Reader {
            inbox,
            messages: sender,
            outbox: outbox.clone(),
            frames: Frames::new(remote.limits.max_response_bytes),
            logger: remote.logger.clone(),
            log_prefix: remote.log_prefix.clone(),
        };
        tokio::spawn(until(life.clone(), writer));
        let (ended, reading_life) = (over.clone().drop_guard(), life.clone());
        tokio::spawn(async move {
            until(reading_life, reader.run(read)).await;
            drop(ended);
        });
        Ok(Self {
            tap: remote.tap,
            pending,
            outbox,
            messages,
            stop_writing,
            over,
            _end: life.drop_guard(),
        })
    }
}

async fn until(end: CancellationToken, work: impl Future<Output = ()>) {
    tokio::select! {
        biased;
        () = end.cancelled() => {}
        () = work => {}
    }
}

impl Transport<RoleClient> for WebSocketTransport {
    type Error = Error;

    fn name() -> Cow<'static, str> {
        "websocket".into()
    }

    fn send(
        &mut self,
        message: ClientJsonRpcMessage,
    ) -> impl Future<Output = Result<()>> + Send + 'static {
        self.tap.outgoing(&message);
        self.pending.outgoing(&message);
        self.outbox
            .send(serde_json::to_vec(&message).map(|message| {
                self.tap.sent(message.len());
                text(message)
            }))
    }

    async fn receive(&mut self) -> Option<ServerJsonRpcMessage> {
        self.messages.recv().await
    }

    /// The closing handshake (RFC 6455, section 7.1.2), at most half a second.
    async fn close(&mut self) -> Result<()> {
        let closed = self.outbox.send(Ok(close(CloseCode::Normal)));
        // Nothing arrives for anybody any more, and a full queue would keep the reader from the server's answer.
        self.messages.close();
        self.stop_writing.cancel();
        let handshake = async {
            if closed.await.is_ok() {
                self.over.cancelled().await;
            }
        };
        let _ = tokio::time::timeout(CLOSE_LIMIT, handshake).await;
        Ok(())
    }
}
