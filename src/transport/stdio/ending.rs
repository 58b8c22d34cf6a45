//! How a server's process ended, and what it said last: for the log, and for the errors of those who waited for it.

use std::collections::VecDeque;
use std::process::ExitStatus;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::platform;
use crate::error::{Code, Error};
use crate::foreign_text::{LONGEST, SentSecrets, foreign_text, foreign_words};

/// What is kept of stderr.
const LAST_LINES: usize = 20;
const LAST_BYTES: usize = 8 * 1024;
const SEPARATOR: &str = " | ";

/// Streams that outlive the process belong to somebody who left the group.
pub(super) const DRAIN: Duration = Duration::from_millis(250);

/// How long an error waits for the end of a process whose streams have ended: it is about to be reaped, and then its
/// stderr may have something left.
const KNOWN_SOON: Duration = DRAIN.saturating_mul(2);

/// Cheap to clone.
#[derive(Clone)]
pub struct Ending(Arc<Inner>);

struct Inner {
    /// What the child must not repeat.
    secrets: SentSecrets,
    /// `exited with status 3`; absent as long as it lives, and where it was ended on purpose.
    how: OnceLock<String>,
    last: Mutex<Last>,
    no_message: OnceLock<Vec<u8>>,
    stderr_over: CancellationToken,
    /// Cancelled when nothing more will be known.
    known: CancellationToken,
}

/// Lines of stderr, in order.
#[derive(Default)]
struct Last {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
}

impl Ending {
    pub(super) fn new(secrets: SentSecrets) -> Self {
        Self(Arc::new(Inner {
            secrets,
            how: OnceLock::new(),
            last: Mutex::default(),
            no_message: OnceLock::new(),
            stderr_over: CancellationToken::new(),
            known: CancellationToken::new(),
        }))
    }

    /// The child has written a line to stderr.
    pub(super) fn heard(&self, line: Vec<u8>) {
        let mut last = self.0.last.lock();
        last.bytes += line.len();
        last.lines.push_back(line);
        while last.lines.len() > LAST_LINES || (last.bytes > LAST_BYTES && last.lines.len() > 1) {
            let gone = last.lines.pop_front().map_or(0, |line| line.len());
            last.bytes -= gone;
        }
    }

    /// The child has written a line to stdout that is no message. The first is kept.
    pub(super) fn wrote(&self, mut line: Vec<u8>) {
        line.truncate(LAST_BYTES);
        let _ = self.0.no_message.set(line);
    }

    /// Nothing more comes from stderr, or nothing of it comes here.
    pub(super) fn stderr_is_over(&self) {
        self.0.stderr_over.cancel();
    }

    /// The process has ended by itself. Resolves when what it had left to say is here too.
    pub(super) async fn ended(&self, status: ExitStatus) {
        let _ = self.0.how.set(platform::how(status));
        let _ = timeout(DRAIN, self.0.stderr_over.cancelled()).await;
    }

    pub(super) fn is_known(&self) {
        self.0.known.cancel();
    }

    /// Resolves when nothing more will be known, or does not come soon.
    pub(super) async fn known(&self) {
        let _ = timeout(KNOWN_SOON, self.0.known.cancelled()).await;
    }

    /// `exited with status 3; last lines of its stderr: …`, of a process that ended by itself.
    pub(super) fn words(&self) -> Option<String> {
        Some(format!("{}{}", self.0.how.get()?, self.output()))
    }

    /// What the process has said, to follow another text: `; last lines of its stderr: …`.
    #[must_use]
    pub fn output(&self) -> String {
        let mut output = String::new();
        let last = self.last_lines();
        if !last.is_empty() {
            output = format!("; last lines of its stderr: {last}");
        }
        if let Some(line) = self.0.no_message.get() {
            output += "; it wrote to stdout what is no message: ";
            output += &foreign_words(&String::from_utf8_lossy(line), &self.0.secrets);
        }
        output
    }

    /// As many of the last lines as an error may carry.
    fn last_lines(&self) -> String {
        let last = self.0.last.lock();
        let mut bytes = 0;
        let fitting = last.lines.iter().rev().take_while(|line| {
            bytes += line.len() + SEPARATOR.len();
            bytes <= LONGEST
        });
        let count = fitting.count().max(1);
        let first = last.lines.len().saturating_sub(count);
        let lines: Vec<_> = last
            .lines
            .range(first..)
            .map(|line| String::from_utf8_lossy(line))
            .collect();
        foreign_text(&lines.join(SEPARATOR), &self.0.secrets)
    }

    /// An error of a connection that is lost, with what became of the process.
    pub async fn explain(&self, mut error: Error, cancel: &CancellationToken) -> Error {
        if error.code != Code::ConnectionLost {
            return error;
        }
        if cancel.run_until_cancelled(self.known()).await.is_none() {
            return Error::aborted();
        }
        if let Some(words) = self.words() {
            error.message = format!("{}: its process {words}", error.message);
        }
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ending() -> Ending {
        Ending::new(SentSecrets::from(vec!["s3cret-of-the-child".into()]))
    }

    #[test]
    fn the_last_lines_are_kept() {
        let ending = ending();
        for number in 0..50 {
            ending.heard(format!("line {number}").into_bytes());
        }
        let told = ending.last_lines();
        assert!(told.starts_with("line 30 | line 31 | "), "{told}");
        assert!(told.ends_with(" | line 49"), "{told}");
    }

    #[test]
    fn long_lines_leave_room_for_fewer() {
        let ending = ending();
        for letter in ["a", "b", "c", "d"] {
            ending.heard(letter.repeat(4000).into_bytes());
        }
        assert!(ending.0.last.lock().bytes <= LAST_BYTES);
        let told = ending.last_lines();
        assert!(
            told.starts_with("ddd") && told.len() <= LONGEST + 3,
            "{told}"
        );
        ending.heard(b"the end".to_vec());
        assert_eq!(ending.last_lines(), "the end");
    }

    #[test]
    fn lines_are_the_text_of_others() {
        let ending = ending();
        ending.heard(b"key s3cret-of-the-child".to_vec());
        ending.heard(b"\x1b[31m\xff\x00".to_vec());
        assert_eq!(ending.last_lines(), "key *** | \\u{1b}[31m\u{fffd}\\u{0}");
    }

    #[test]
    fn output_is_told_of_both_streams() {
        let ending = ending();
        assert_eq!(ending.output(), "");
        ending.wrote(b"Usage: server s3cret-of-the-child".to_vec());
        ending.wrote(b"more".to_vec());
        ending.heard(b"waiting".to_vec());
        assert_eq!(
            ending.output(),
            "; last lines of its stderr: waiting; it wrote to stdout what is no message: Usage: server ***"
        );
    }

    #[tokio::test]
    async fn nothing_is_told_of_a_process_that_lives_or_was_ended() {
        let ending = ending();
        ending.heard(b"starting".to_vec());
        ending.is_known();
        let error = Error::new(Code::ConnectionLost, "lost");
        assert_eq!(
            ending
                .explain(error, &CancellationToken::new())
                .await
                .message,
            "lost"
        );
    }
}
