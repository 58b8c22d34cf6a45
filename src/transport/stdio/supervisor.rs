//! The task that owns a child from its start to its end. Neither a cancelled `close` nor a dropped transport can
//! interrupt it.

use std::io;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::ending::{DRAIN, Ending};
use super::process::{Children, LOOK, Process};
use crate::log::{Level, LogMeta, Logger};
use crate::trace::{Source, detail};

/// What the child gets to end after its stdin was closed, and again after `SIGTERM`.
const GRACE: Duration = Duration::from_secs(2);
/// What queued messages get to be written before stdin is closed.
const FLUSH: Duration = Duration::from_millis(500);
/// What the rest of the group gets after `SIGTERM` when its leader has ended.
const LEFTOVER_GRACE: Duration = Duration::from_millis(500);
/// A child that writes this much, in bytes, after it was asked to end does something else.
const FLOOD: usize = 1024 * 1024;

/// Resolves when nothing more has to be read of a process.
pub(super) async fn past_end(over: &CancellationToken) {
    over.cancelled().await;
    sleep(DRAIN).await;
}

pub(super) struct Supervisor {
    pub(super) process: Arc<Process>,
    pub(super) children: Children,
    /// Asks to end the process.
    pub(super) stopping: CancellationToken,
    /// Ends the writer once its queue is empty.
    pub(super) stop_writing: CancellationToken,
    pub(super) writer: AbortHandle,
    pub(super) ending: Ending,
    pub(super) logger: Logger,
    pub(super) source: Source,
}

impl Supervisor {
    /// Runs until the process is over.
    pub(super) async fn run(self) {
        let over = &self.process.over;
        over.run_until_cancelled(self.watch()).await;
        self.writer.abort();
        self.children.remove(&self.process);
        self.source.step("process-ended", || {
            // Without words it was ended on purpose.
            let words = self.ending.words();
            detail("status", &words.as_deref().unwrap_or("was ended"))
        });
        self.ending.is_known();
        self.process.over.cancel();
    }

    async fn watch(&self) {
        tokio::select! {
            biased;
            status = self.process.exited() => self.tell_exit(status).await,
            () = self.stopping.cancelled() => {
                // Whoever could not write any more, and stops for that, was faster than the end of the process is known.
                if self.writer.is_finished()
                    && let Ok(status) = timeout(DRAIN, self.process.exited()).await
                {
                    self.tell_exit(status).await;
                }
            }
        }
        self.end().await;
    }

    async fn tell_exit(&self, status: io::Result<ExitStatus>) {
        let status = match status {
            Ok(status) => status,
            Err(error) => {
                let message = format!("MCP server process was lost: {error}");
                return self.logger.warn(message);
            }
        };
        self.ending.ended(status).await;
        let level = if status.success() {
            Level::Info
        } else {
            Level::Warn
        };
        let words = self.ending.words().unwrap_or_default();
        let message = format!("MCP server process {words}");
        self.logger.with(level, message, LogMeta::None);
        self.ending.is_known();
    }

    async fn end(&self) {
        let process = &self.process;
        if !self.ends_itself(self.close_stdin_and_wait()).await {
            process.group.terminate();
            let exited = async { drop(process.exited().await) };
            if !self.ends_itself(exited).await {
                process.group.kill();
                let _ = process.exited().await;
                return;
            }
        }
        if process.is_gone() {
            return;
        }
        process.group.terminate();
        let gone = until(|| process.is_gone());
        if timeout(LEFTOVER_GRACE, gone).await.is_err() {
            process.group.kill();
        }
    }

    /// Whether `end` comes within the grace. A child that floods gets none: it has other things to do than to end.
    async fn ends_itself(&self, end: impl Future<Output = ()>) -> bool {
        let before = self.process.written();
        let floods = until(|| self.process.written() - before >= FLOOD);
        tokio::select! {
            biased;
            () = end => true,
            () = floods => false,
            () = sleep(GRACE) => false,
        }
    }

    async fn close_stdin_and_wait(&self) {
        self.stop_writing.cancel();
        let written = until(|| self.writer.is_finished());
        tokio::select! {
            _ = self.process.exited() => return,
            _ = timeout(FLUSH, written) => self.writer.abort(),
        }
        let _ = self.process.exited().await;
    }
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        sleep(LOOK).await;
    }
}
