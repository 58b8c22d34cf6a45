//! The task that reads a WebSocket.

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::task::{JoinHandle, consume_budget};
use tokio_util::sync::CancellationToken;

use super::frames::{CloseCode, Frames, Piece, close, pong};
use crate::background;
use crate::error::{Code, Error, Result};
use crate::log::Level;
use crate::transport::inbox::Inbox;
use crate::transport::outbox::Outbox;
use crate::transport::oversized::Text;

const BUFFER_BYTES: usize = 64 * 1024;

pub(super) struct Reader {
    pub inbox: Inbox,
    pub closing: CancellationToken,
    pub outbox: Outbox,
    pub last_answer: Option<JoinHandle<Result<()>>>,
    pub frames: Frames,
}

impl Reader {
    /// Reads until the connection ends.
    pub async fn run(&mut self, mut stream: impl AsyncRead + Unpin) {
        let why = self.read(&mut stream).await.unwrap_or_else(|error| {
            if error.code == Code::InvalidResponse {
                self.answer(close(CloseCode::Protocol));
            }
            error.message
        });
        self.inbox
            .log(Level::Debug, &format!("WebSocket closed: {why}"));
        if let Some(last) = self.last_answer.take() {
            // The server's close frame wants an answer (RFC 6455, section 5.5.1).
            let _ = last.await;
        }
    }

    /// A server that does not read holds up one answer, not any number of them.
    fn answer(&mut self, frame: Vec<u8>) {
        if self
            .last_answer
            .as_ref()
            .is_none_or(JoinHandle::is_finished)
        {
            self.last_answer = Some(background::spawn(self.outbox.send(frame)));
        }
    }

    async fn read(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> Result<String> {
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let read = stream.read(&mut buffer).await.map_err(|error| {
                Error::new(Code::ConnectionLost, format!("cannot read: {error}"))
            })?;
            if read == 0 {
                return Ok("the connection ended".to_owned());
            }
            let fed = self.frames.feed(&buffer[..read]);
            // What came before the server broke the protocol is whole.
            while let Some(piece) = self.frames.next_piece() {
                // A buffer may hold thousands of frames; other connections have their turn between them.
                consume_budget().await;
                match piece {
                    // A closing transport takes no messages, but waits for the server's close frame.
                    Piece::Text(Text::Whole(_)) if self.closing.is_cancelled() => {}
                    Piece::Text(text) => self.inbox.take(text),
                    Piece::Ping(payload) => self.answer(pong(payload)),
                    Piece::Pong => {}
                    Piece::Close { code, reason } => {
                        self.answer(close(CloseCode::Normal));
                        let code =
                            code.map_or_else(|| "no code".to_owned(), |code| code.to_string());
                        return Ok(format!("the server closed it ({code}) {reason}"));
                    }
                }
            }
            fed?;
        }
    }
}
