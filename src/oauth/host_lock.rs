//! The host's `lock`, which lets one process at a time refresh a user's tokens.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::flow_kind::CLAIM_KIND;
use crate::error::{Code, Error, Result};
use crate::host::{Lock, LockGuard, Standing};
use crate::log::Logger;

/// How long a lock lasts if its process dies. Longer than a refresh takes: the time until it is sent, the request's own limit, and
/// time to store what it brought.
pub const LOCK_TTL: Duration = Duration::from_secs(20);
/// Whoever has a token that is still good waits no longer for the lock.
pub const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Clone, Copy)]
pub struct HostLock<'a> {
    pub lock: &'a Arc<dyn Lock>,
    pub standing: &'a Standing,
    /// Whether it answers in time, which it may without giving the lock to anybody.
    pub answers: &'a Standing,
    pub logger: &'a Logger,
}

impl HostLock<'_> {
    /// What it fails to do, as the log calls it.
    const WHAT: &'static str = "keep refreshes of processes apart";
    const ANSWER: &'static str = "answer";
    const COME_FREE: &'static str = "come free";

    /// With the moment from which its time counts, which is before its holder hears of it. A process that was held up has
    /// not heard what came in time: where nothing `has_failed` just before, it asks twice.
    pub async fn acquire(
        self,
        flow_id: &str,
        has_failed: bool,
    ) -> Result<Option<(Box<dyn LockGuard>, Instant)>> {
        let key = key_of(flow_id);
        let mut may_ask_again = !has_failed && !self.standing.is_away();
        loop {
            let asked = Instant::now();
            let mut asking = self.lock.acquire(&key, LOCK_TTL);
            let answer = if let Ok(answer) = timeout(PATIENCE, &mut asking).await {
                answer
            } else {
                let problem = format!("no answer within {} s", PATIENCE.as_secs());
                self.answers.failed(Self::ANSWER, &problem, self.logger);
                asking.await
            };
            match answer {
                Ok(guard) => {
                    self.standing.succeeded(Self::WHAT, self.logger);
                    self.answers.succeeded(Self::ANSWER, self.logger);
                    if guard.is_some() {
                        self.answers.succeeded(Self::COME_FREE, self.logger);
                    }
                    return Ok(guard.map(|guard| (guard, asked)));
                }
                Err(error) if is_away(&error) && std::mem::take(&mut may_ask_again) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether it is away now. Others than who has it see it as taken meanwhile.
    pub async fn is_away(self, flow_id: &str) -> bool {
        let asked = self.lock.acquire(&key_of(flow_id), LOCK_TTL).await;
        asked.is_err_and(|error| is_away(&error))
    }

    /// It is done without. The log names the risk.
    pub fn do_without(self, error: &Error) {
        self.standing
            .failed(Self::WHAT, &error.to_string(), self.logger);
    }

    /// Another process has had it for longer than any refresh takes.
    pub fn is_kept(self) -> Error {
        let problem = "Another process holds the host's `lock`, and does not finish its refresh";
        self.answers.failed(Self::COME_FREE, problem, self.logger);
        Error::timeout(problem)
    }
}

fn key_of(flow_id: &str) -> String {
    format!("{CLAIM_KIND}:{flow_id}")
}

/// Whether a lock of the host has thrown or does not answer. One of this library's own lives with the tokens, and what it
/// fails with keeps them from being stored, too.
pub fn is_away(error: &Error) -> bool {
    matches!(error.code, Code::HostError | Code::HostTimeout)
}
