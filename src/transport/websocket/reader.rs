//! The task that reads a WebSocket.

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::task::{JoinHandle, consume_budget};
use tokio_util::sync::CancellationToken;

use super::frames::{CloseCode, Frames, Piece, close, pong};
use crate::error::{Code, Error, Result};
use crate::host::Level;
use crate::transport::inbox::Inbox;
use crate::transport::outbox::Outbox;
use crate::transport::oversized::Text;

const BUFFER_BYTES: usize = 64 * 1024;

pub(super) struct Reader {
    pub inbox: Inbox,
    pub closing: CancellationToken,
    pub outbox: Outbox,
    pub frames: Frames,
}

/// What the reader answers. A server that does not read holds up one answer, not any number of them.
#[derive(Default)]
struct Answers(Option<JoinHandle<Result<()>>>);

impl Answers {
    fn send(&mut self, outbox: &Outbox, frame: Vec<u8>) {
        if self.0.as_ref().is_none_or(JoinHandle::is_finished) {
            self.0 = Some(tokio::spawn(outbox.send(frame)));
        }
    }
}

impl Reader {
    /// Reads until the connection ends.
    pub async fn run(&mut self, mut stream: impl AsyncRead + Unpin) {
        let mut answers = Answers::default();
        let ended = self.read(&mut stream, &mut answers).await;
        let why = match ended {
            Ok(why) => why,
            Err(error) => {
                if error.code == Code::InvalidResponse {
                    answers.send(&self.outbox, close(CloseCode::Protocol));
                }
                error.message
            }
        };
        self.inbox
            .log(Level::Debug, &format!("WebSocket closed: {why}"));
        if let Some(last) = answers.0 {
            // The server's close frame wants an answer (RFC 6455, section 5.5.1).
            let _ = last.await;
        }
    }

    async fn read(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        answers: &mut Answers,
    ) -> Result<String> {
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let read = stream.read(&mut buffer).await.map_err(|error| {
                Error::new(Code::ConnectionLost, format!("cannot read: {error}"))
            })?;
            if read == 0 {
                return Ok("the connection ended".to_owned());
            }
            self.frames.feed(&buffer[..read])?;
            while let Some(piece) = self.frames.next_piece() {
                // A buffer may hold thousands of frames; other connections have their turn between them.
                consume_budget().await;
                match piece {
                    // A closing transport takes no messages, but waits for the server's close frame.
                    Piece::Text(Text::Whole(_)) if self.closing.is_cancelled() => {}
                    Piece::Text(text) => self.inbox.take(text),
                    Piece::Ping(payload) => answers.send(&self.outbox, pong(payload)),
                    Piece::Pong => {}
                    Piece::Close { code, reason } => {
                        answers.send(&self.outbox, close(CloseCode::Normal));
                        let code =
                            code.map_or_else(|| "no code".to_owned(), |code| code.to_string());
                        return Ok(format!("the server closed it ({code}) {reason}"));
                    }
                }
            }
        }
    }
}
