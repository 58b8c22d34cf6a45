//! Frames to a server over one stream of bytes. One task writes, so that a server that does not read holds up only
//! itself.

use std::future::Future;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::error::{Code, Error, Result};

/// Frames that may wait for the server to read.
const CAPACITY: usize = 32;

struct Frame {
    bytes: Vec<u8>,
    written: oneshot::Sender<Result<()>>,
}

#[derive(Clone)]
pub(super) struct Outbox {
    frames: mpsc::Sender<Frame>,
    /// Who reads, for messages.
    reader: &'static str,
}

impl Outbox {
    /// The outbox and the task that empties it. The task ends, and closes `writer`, once `stop` is cancelled and what
    /// was queued is written.
    pub(super) fn new<W>(
        writer: W,
        stop: CancellationToken,
        reader: &'static str,
    ) -> (Self, impl Future<Output = ()> + Send + 'static)
    where
        W: AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, frames) = mpsc::channel(CAPACITY);
        let outbox = Self {
            frames: sender,
            reader,
        };
        (outbox, write(writer, frames, stop, reader))
    }

    /// Queues a frame, in the order of calls, and resolves once it is written. Dropping the future withdraws a frame
    /// whose first byte has not been written yet.
    pub(super) fn send(&self, bytes: Vec<u8>) -> impl Future<Output = Result<()>> + Send + use<> {
        let (written, outcome) = oneshot::channel();
        let reader = self.reader;
        let queued = match self.frames.try_send(Frame { bytes, written }) {
            Ok(()) => Ok(None),
            Err(TrySendError::Full(frame)) => Ok(Some((self.frames.clone(), frame))),
            Err(TrySendError::Closed(_)) => Err(gone(reader)),
        };
        async move {
            if let Some((sender, frame)) = queued? {
                sender.send(frame).await.map_err(|_| gone(reader))?;
            }
            outcome.await.map_err(|_| gone(reader))?
        }
    }
}

async fn write<W: AsyncWrite + Unpin>(
    mut writer: W,
    mut frames: mpsc::Receiver<Frame>,
    stop: CancellationToken,
    reader: &'static str,
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
        let written = async {
            writer.write_all(&frame.bytes).await?;
            writer.flush().await
        };
        let outcome = written.await.map_err(|error| {
            let message = format!("Cannot write to {reader}: {error}");
            Error::new(Code::ConnectionLost, message)
        });
        let is_broken = outcome.is_err();
        let _ = frame.written.send(outcome);
        if is_broken {
            return;
        }
    }
}

fn gone(reader: &str) -> Error {
    Error::new(
        Code::ConnectionLost,
        format!("Nothing can be written to {reader} any more"),
    )
}
