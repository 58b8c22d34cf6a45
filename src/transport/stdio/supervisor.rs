//! The task that owns a child from its start to its end. Neither a cancelled `close` nor a dropped transport can
//! interrupt it.

use std::future::pending;
use std::io;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncRead;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::lines::{Line, Lines};
use super::process::{Children, LOOK, Process};
use crate::host::Logger;
use crate::transport::oversized::HEAD_BYTES;

/// What the child gets to end after its stdin was closed, and again after `SIGTERM`.
const GRACE: Duration = Duration::from_secs(2);
/// What queued messages get to be written before stdin is closed.
const FLUSH: Duration = Duration::from_millis(500);
/// What the rest of the group gets after `SIGTERM` when its leader has ended.
const LEFTOVER_GRACE: Duration = Duration::from_millis(500);
/// Streams that outlive the process belong to somebody who left the group.
pub(super) const DRAIN: Duration = Duration::from_millis(250);

pub(super) struct Supervisor {
    pub(super) process: Arc<Process>,
    pub(super) children: Children,
    /// Ends the writer once its queue is empty.
    pub(super) stop_writing: CancellationToken,
    pub(super) writer: AbortHandle,
    pub(super) logger: Logger,
    pub(super) log_prefix: String,
}

impl Supervisor {
    /// Runs until the process is over. `stop` asks to end it and hands over its stdout.
    pub(super) async fn run<R: AsyncRead + Unpin>(self, stop: oneshot::Receiver<Option<R>>) {
        tokio::select! {
            () = self.process.over.cancelled() => {}
            () = self.watch(stop) => {}
        }
        self.writer.abort();
        self.children.remove(&self.process);
        self.process.over.cancel();
    }

    async fn watch<R: AsyncRead + Unpin>(&self, stop: oneshot::Receiver<Option<R>>) {
        let stdout = tokio::select! {
            biased;
            status = self.process.exited() => {
                self.log_exit(status);
                None
            }
            stdout = stop => stdout.ok().flatten(),
        };
        tokio::select! {
            () = self.end() => {}
            // A child that is stuck writing would not notice that its stdin was closed.
            () = drain(stdout) => {}
        }
    }

    fn log_exit(&self, status: io::Result<ExitStatus>) {
        let prefix = &self.log_prefix;
        match status {
            Ok(status) if status.success() => self
                .logger
                .info(format!("{prefix} MCP server process ended: {status}")),
            Ok(status) => self
                .logger
                .warn(format!("{prefix} MCP server process ended: {status}")),
            Err(error) => self
                .logger
                .warn(format!("{prefix} MCP server process was lost: {error}")),
        }
    }

    async fn end(&self) {
        let process = &self.process;
        if timeout(GRACE, self.close_stdin_and_wait()).await.is_err() {
            process.group.terminate();
            if timeout(GRACE, process.exited()).await.is_err() {
                process.group.kill();
                let _ = process.exited().await;
                return;
            }
        }
        if process.is_gone() {
            return;
        }
        process.group.terminate();
        if !self.is_gone_within(LEFTOVER_GRACE).await {
            process.group.kill();
        }
    }

    async fn close_stdin_and_wait(&self) {
        self.stop_writing.cancel();
        let written = async {
            while !self.writer.is_finished() {
                sleep(LOOK).await;
            }
        };
        tokio::select! {
            _ = self.process.exited() => return,
            _ = timeout(FLUSH, written) => self.writer.abort(),
        }
        let _ = self.process.exited().await;
    }

    async fn is_gone_within(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        loop {
            if self.process.is_gone() {
                return true;
            }
            if Instant::now() >= until {
                return false;
            }
            sleep(LOOK).await;
        }
    }
}

/// Never resolves.
async fn drain<R: AsyncRead + Unpin>(stdout: Option<R>) {
    if let Some(mut stdout) = stdout {
        let _ = tokio::io::copy(&mut stdout, &mut tokio::io::sink()).await;
    }
    pending::<()>().await;
}

/// Logs a child's stderr to its end, or shortly past the end of the process.
pub(super) async fn log_stderr<R: AsyncRead + Unpin>(
    stderr: R,
    over: CancellationToken,
    logger: Logger,
    log_prefix: String,
) {
    let mut lines = Lines::new(stderr, HEAD_BYTES);
    let log = async {
        loop {
            let text = match lines.next().await {
                Ok(Line::Whole(text)) => text,
                Ok(Line::TooLong { head, .. }) => head,
                Ok(Line::TooLongEnd { .. }) => continue,
                Ok(Line::End) | Err(_) => return,
            };
            let text = String::from_utf8_lossy(&text);
            if !text.trim().is_empty() {
                logger.debug(format!("{log_prefix} stderr: {text}"));
            }
        }
    };
    tokio::select! {
        () = log => {}
        () = async { over.cancelled().await; sleep(DRAIN).await } => {}
    }
}
