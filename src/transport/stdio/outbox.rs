//! Messages to the child's stdin. One task writes, so that a child that does not read holds up only itself.

use std::future::Future;
use std::io;

use rmcp::model::ClientJsonRpcMessage;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::error::{Code, Error, Result};

/// Messages that may wait for the child to read.
const CAPACITY: usize = 32;

struct Frame {
    bytes: Vec<u8>,
    written: oneshot::Sender<Result<()>>,
}

pub(super) struct Outbox(mpsc::Sender<Frame>);

impl Outbox {
    /// The outbox and the task that empties it. The task ends, and closes `stdin`, once `stop` is cancelled and what
    /// was queued is written.
    pub(super) fn new<W>(
        stdin: W,
        stop: CancellationToken,
    ) -> (Self, impl Future<Output = ()> + Send + 'static)
    where
        W: AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, frames) = mpsc::channel(CAPACITY);
        (Self(sender), write(stdin, frames, stop))
    }

    /// Queues a message, in the order of calls, and resolves once it is written. Dropping the future withdraws a
    /// message whose first byte has not been written yet.
    pub(super) fn send(
        &self,
        message: &ClientJsonRpcMessage,
    ) -> impl Future<Output = Result<()>> + Send + use<> {
        let (written, outcome) = oneshot::channel();
        let queued = serde_json::to_vec(message)
            .map_err(|error| {
                Error::new(Code::Internal, format!("Cannot write the message: {error}"))
            })
            .and_then(|mut bytes| {
                bytes.push(b'\n');
                match self.0.try_send(Frame { bytes, written }) {
                    Ok(()) => Ok(None),
                    Err(TrySendError::Full(frame)) => Ok(Some((self.0.clone(), frame))),
                    Err(TrySendError::Closed(_)) => Err(gone()),
                }
            });
        async move {
            if let Some((sender, frame)) = queued? {
                sender.send(frame).await.map_err(|_| gone())?;
            }
            outcome.await.map_err(|_| gone())?
        }
    }
}

async fn write<W: AsyncWrite + Unpin>(
    mut stdin: W,
    mut frames: mpsc::Receiver<Frame>,
    stop: CancellationToken,
) {
    loop {
        let next = tokio::select! {
            biased;
            next = frames.recv() => next,
            () = stop.cancelled(), if !frames.is_closed() => {
                frames.close();
                continue;
            }
        };
        let Some(frame) = next else { return };
        if frame.written.is_closed() {
            continue;
        }
        let outcome = async {
            stdin.write_all(&frame.bytes).await?;
            stdin.flush().await
        };
        match outcome.await {
            Ok(()) => {
                let _ = frame.written.send(Ok(()));
            }
            Err(error) => {
                let _ = frame.written.send(Err(broken(&error)));
                return;
            }
        }
    }
}

fn gone() -> Error {
    Error::new(
        Code::ConnectionLost,
        "The stdin of the MCP server process is closed",
    )
}

fn broken(error: &io::Error) -> Error {
    Error::new(
        Code::ConnectionLost,
        format!("Cannot write to the MCP server process: {error}"),
    )
}
