//! Limits of calls that all processes of a host keep together, where the host has a place for them.
//!
//! They are asked for when the queue of this process has given a call its turn, and come beside its limits. A call that a rate
//! does not allow yet goes back into that queue, so that it keeps nobody else from a turn. For a place at the server calls wait
//! here, and only the first of them asks. Between processes whoever asks first is first.

mod lines;
mod place;
#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::json;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::place::SharedTurn;
use self::place::{Places, WHAT};
use super::turns::{Turn, name_of};
use crate::cancel::until_cancelled;
use crate::error::{Code, Error, Result};
use crate::host::{SharedLimits, Standing};
use crate::log::Logger;
use crate::server_config::{CallLimits, Rate};

/// Between two tries to get a place, at first and at last.
const SOONEST: Duration = Duration::from_millis(25);
const LATEST: Duration = Duration::from_millis(500);

/// A call as the limits that it stands under see it.
pub struct LimitedCall<'a> {
    pub store: &'a Arc<dyn SharedLimits>,
    pub limits: &'a CallLimits,
    /// Empty for calls without a user, which are one user's.
    pub user_id: &'a str,
    /// By [`limited_as`](super::limited_as).
    pub server: &'a str,
    /// When nobody waits for the call any more.
    pub due: Instant,
    pub cancel: &'a CancellationToken,
    pub logger: &'a Logger,
}

impl LimitedCall<'_> {
    /// Tenants whose limits differ do not count together: one's calls could use up what another's may make.
    fn server_key(&self, limit: &str) -> String {
        json!(["server-calls", "", self.server, limit]).to_string()
    }
}

/// Which rates have counted a call. One that is made again is not counted again.
#[derive(Default)]
pub struct Counted {
    of_user: bool,
    of_server: bool,
}

/// What all processes together allow.
enum Shared {
    /// The call. Where places are limited it has one.
    Now(Option<SharedTurn>),
    /// Nothing before `until`: to the user (`of_user`), or to anybody.
    Later { of_user: bool, until: Instant },
}

/// The limits that one runtime shares with others.
pub struct SharedCalls {
    standing: Arc<Standing>,
    places: Arc<Places>,
    /// Whether the host has what it takes.
    is_kept: OnceLock<bool>,
}

impl SharedCalls {
    /// `tasks`: what the runtime waits for when it closes, after it has cancelled `closing`.
    #[must_use]
    pub fn new(
        standing: Arc<Standing>,
        tasks: TaskTracker,
        closing: CancellationToken,
        runtime: Handle,
    ) -> Self {
        Self {
            places: Places::new(Arc::clone(&standing), tasks, closing, runtime),
            standing,
            is_kept: OnceLock::new(),
        }
    }

    /// For a call that has its turn in this process, waits for one among those of all. Where the store is away, this process is
    /// on its own.
    ///
    /// # Errors
    /// Those of [`Turns::enter`](super::Turns::enter).
    pub async fn agree(
        &self,
        mut turn: Turn,
        call: &LimitedCall<'_>,
        counted: &mut Counted,
    ) -> Result<(Turn, Option<SharedTurn>)> {
        loop {
            let asking = timeout_at(call.due, self.turn(call, counted));
            let asked = until_cancelled(call.cancel, &self.places.closing, asking).await?;
            match asked.map_err(|_| unanswered(call))?? {
                Shared::Now(shared) => return Ok((turn, shared)),
                Shared::Later { of_user, until } => {
                    turn = turn.put_back(of_user, until, call.cancel).await?;
                }
            }
        }
    }

    async fn turn(&self, call: &LimitedCall<'_>, counted: &mut Counted) -> Result<Shared> {
        let limits = call.limits;
        let is_limited = limits.per_user.is_some()
            || limits.per_server.is_some()
            || limits.concurrency.is_some();
        if !is_limited || !self.is_kept(call).await {
            return Ok(Shared::Now(None));
        }
        if let Some(rate) = limits.per_user.filter(|_| !counted.of_user) {
            let key = json!(["user-calls", call.user_id, call.server]).to_string();
            if let Some(until) = self.take(call, &key, rate).await {
                return Ok(Shared::Later {
                    of_user: true,
                    until,
                });
            }
            counted.of_user = true;
        }
        if let Some(rate) = limits.per_server.filter(|_| !counted.of_server) {
            let key = call.server_key(&format!("{}-{}", rate.calls, rate.per.as_secs()));
            if let Some(until) = self.take(call, &key, rate).await {
                return Ok(Shared::Later {
                    of_user: false,
                    until,
                });
            }
            counted.of_server = true;
        }
        match limits.concurrency {
            Some(most) => self.place(call, most).await.map(Shared::Now),
            None => Ok(Shared::Now(None)),
        }
    }

    /// Asked once; the host's services stay as they are.
    async fn is_kept(&self, call: &LimitedCall<'_>) -> bool {
        if let Some(is_kept) = self.is_kept.get() {
            return *is_kept;
        }
        let asking = call.store.has_turns();
        let Some(is_kept) = self.standing.ask(WHAT, call.logger, asking).await else {
            return false;
        };
        if self.is_kept.set(is_kept).is_ok() && !is_kept {
            call.logger.info(
                "[MCP] limits has no take, enter and leave: each process limits tool calls on its own",
            );
        }
        is_kept
    }

    /// Until when the rate allows nothing more; `None` where it has counted the call, or the store is away.
    async fn take(&self, call: &LimitedCall<'_>, key: &str, rate: Rate) -> Option<Instant> {
        let taking = call.store.take(key, rate);
        let wait = self.standing.ask(WHAT, call.logger, taking).await??;
        // No period is longer than that, whatever the store says.
        Some(Instant::now() + wait.min(rate.per))
    }

    /// Waits for a place. Who comes later does not come before those who wait, and these have the first of them ask.
    async fn place(&self, call: &LimitedCall<'_>, most: u32) -> Result<Option<SharedTurn>> {
        let key = call.server_key(&most.to_string());
        let mut place = self.places.wanted(call.store, key, most, call.logger);
        let lines = &self.places.lines;
        if !lines.is_empty(&place.key) || place.enter().await == Some(false) {
            let key = place.key.clone();
            let line = lines.join(&key);
            let first = timeout_at(call.due, line.first());
            let _first = first.await.map_err(|_| late(call, most))?;
            let mut pause = SOONEST;
            while place.enter().await == Some(false) {
                // Not all processes ask at the same time.
                let until = Instant::now() + pause.mul_f32(0.5 + 0.5 * rand::random::<f32>());
                tokio::select! {
                    () = sleep_until(until.min(call.due)) => pause = LATEST.min(pause * 2),
                    () = line.freed() => pause = SOONEST,
                }
                if Instant::now() >= call.due {
                    return Err(late(call, most));
                }
            }
        }
        Ok(place.is_held().then(|| self.places.keep(place)))
    }
}

fn unanswered(call: &LimitedCall<'_>) -> Error {
    let server = name_of(call.server);
    let message = format!("The call has had no turn at {server} in time: limits has not answered");
    Error::new(Code::RateLimited, message).with_retry_after(LATEST)
}

fn late(call: &LimitedCall<'_>, most: u32) -> Error {
    let server = name_of(call.server);
    let message = format!(
        "The call has had no turn at {server} in time: all processes together make {most} calls at a time \
         (limits.concurrency)"
    );
    Error::new(Code::RateLimited, message).with_retry_after(LATEST)
}
