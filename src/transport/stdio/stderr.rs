//! A child's stderr on its way to the log.

use std::sync::Arc;

use tokio::io::AsyncRead;
use tokio::task::coop::consume_budget;
use tokio::time::sleep_until;
use tokio_util::io::InspectReader;

use super::ending::Ending;
use super::lines::Lines;
use super::process::Process;
use super::supervisor::past_end;
use crate::log::Logger;
use crate::transport::log_limit::LogLimit;
use crate::transport::oversized::{HEAD_BYTES, Text};

/// How much of a line is logged.
const SHOWN_BYTES: usize = 1024;

/// Logs line by line, to the end of the stream or shortly past the end of the process. All of it is read, so that the
/// child never waits; of a flood little is logged.
pub(super) async fn log_stderr<R: AsyncRead + Unpin>(
    stderr: R,
    process: Arc<Process>,
    ending: Ending,
    logger: Logger,
) {
    let mut limit = LogLimit::default();
    let tell = |dropped: Option<u64>| {
        if let Some(dropped) = dropped {
            logger.warn(format!("{dropped} lines of stderr were dropped"));
        }
    };
    let read = async {
        let stderr = InspectReader::new(stderr, |bytes: &[u8]| process.wrote(bytes.len()));
        let mut lines = Lines::new(stderr, HEAD_BYTES);
        loop {
            // Others get their turn between the lines of a flood.
            consume_budget().await;
            tell(limit.dropped());
            let line = tokio::select! {
                biased;
                line = lines.next() => line,
                () = sleep_until(limit.due()), if limit.has_dropped() => continue,
            };
            let text = match line {
                Ok(Some(Text::Whole(text) | Text::TooLarge { head: text, .. })) => text,
                Ok(Some(Text::TooLargeEnd { .. })) => continue,
                Ok(None) | Err(_) => return,
            };
            if text.trim_ascii().is_empty() {
                continue;
            }
            if limit.admits() {
                // The logger is one for texts of others, and cuts out what is secret.
                let shown = &text[..text.len().min(SHOWN_BYTES)];
                let shown = String::from_utf8_lossy(shown);
                logger.debug(format!("stderr: {shown}"));
            }
            ending.heard(text);
        }
    };
    tokio::select! {
        () = read => {}
        () = past_end(&process.over) => {}
    }
    tell(limit.rest());
    ending.stderr_is_over();
}
