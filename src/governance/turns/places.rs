//! The places of all servers with limits, and the wait for them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::oneshot::{Receiver, channel};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::queue::{Call, Queue, Waiter};
use super::refusal;
use super::servers::name_of;
use crate::cancel::until_cancelled;
use crate::error::{Error, Result};
use crate::server_config::CallLimits;
use crate::telemetry::Queued;

/// Calls that share a queue. Tenants may have different limits for a server, and then have nothing to do with each other.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Shared {
    server: Box<str>,
    limits: CallLimits,
}

/// The queues of all servers with limits, as limits know them.
pub struct Turns {
    pub(super) queues: Mutex<HashMap<Arc<Shared>, Queue>>,
    numbers: AtomicU64,
    closing: CancellationToken,
}

/// A call that wants its turn.
#[derive(Clone, Copy)]
pub struct Applicant<'a> {
    /// By [`limited_as`].
    pub server: &'a str,
    /// Calls without a user are one user's.
    pub user_id: Option<&'a str>,
    pub limits: &'a CallLimits,
    /// Until when it waits.
    pub due: Instant,
    /// How much longer than others the call may hold a place for the same share: 1 is one share.
    pub weight: f64,
    /// The rates have counted it already: it is made again.
    pub is_counted: bool,
    pub cancel: &'a CancellationToken,
}

/// A call's place among those that its server answers at a time. It is the next call's when this is dropped.
pub struct Turn {
    turns: Arc<Turns>,
    shared: Arc<Shared>,
    call: Call,
    pub(super) started: Instant,
    is_left: bool,
}

impl Turn {
    /// How long the call has waited.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.started - self.call.since
    }

    /// Waits again, because other processes have used up what the user (`of_user`), or the server, is allowed until then. The
    /// rates of this process have not counted the call.
    pub async fn put_back(
        mut self,
        of_user: bool,
        until: Instant,
        cancel: &CancellationToken,
    ) -> Result<Self> {
        self.is_left = true;
        let turns = Arc::clone(&self.turns);
        turns.put_back(&self, of_user, until).turn(cancel).await
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.is_left {
            self.turns.change(&self.shared, |queue, now| {
                queue.end(&self.call, self.started, now);
            });
        }
    }
}

/// A call that waits, or hears next what has become of it. It waits no more when this is dropped.
struct Waiting {
    turns: Arc<Turns>,
    shared: Arc<Shared>,
    call: Call,
    reply: Receiver<Result<Instant>>,
    /// Told when a rate allows nothing for a while, after which one may have to look earlier.
    closed: Arc<Notify>,
    has_heard: bool,
}

impl Waiting {
    async fn turn(mut self, cancel: &CancellationToken) -> Result<Turn> {
        if let Ok(outcome) = self.reply.try_recv() {
            return self.hear(outcome);
        }
        let closing = self.turns.closing.clone();
        until_cancelled(cancel, &closing, self.wait()).await?
    }

    async fn wait(mut self) -> Result<Turn> {
        loop {
            let due = self.call.due;
            let closed = self.closed.notified();
            let look_again = self.turns.look_again(&self.shared, &self.call.user);
            tokio::select! {
                biased;
                outcome = &mut self.reply => {
                    return self.hear(outcome.unwrap_or_else(|_| Err(Error::internal())));
                }
                () = closed => {}
                () = sleep_until(look_again.map_or(due, |at| at.min(due))) => {}
            }
            if Instant::now() >= due {
                return Err(self.turns.late(&self.shared, &self.call));
            }
            self.turns.change(&self.shared, |_, _| {});
        }
    }

    /// `outcome` is since when the call has its place.
    fn hear(&mut self, outcome: Result<Instant>) -> Result<Turn> {
        self.has_heard = true;
        Ok(Turn {
            turns: Arc::clone(&self.turns),
            shared: Arc::clone(&self.shared),
            call: self.call.clone(),
            started: outcome?,
            is_left: false,
        })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.has_heard {
            return;
        }
        self.turns.change(&self.shared, |queue, now| {
            if queue.take(&self.call, now).is_some() {
                return;
            }
            // It has got a place that it does not know of.
            if let Ok(Ok(started)) = self.reply.try_recv() {
                queue.end(&self.call, started, now);
                queue.uncount(&self.call);
            }
        });
    }
}

/// Forgets what is over, which would else be kept until the next call to its server.
fn tidy(queues: &mut HashMap<Arc<Shared>, Queue>, now: Instant) {
    queues.retain(|_, queue| {
        queue.tidy(now);
        !queue.is_idle(now)
    });
}

/// Gives away the places that are free.
fn hand_out(queue: &mut Queue, now: Instant) {
    while let Some(Waiter { reply, .. }) = queue.next(now) {
        let _ = reply.send(Ok(now));
    }
}

impl Turns {
    /// No call waits longer than until `closing`.
    #[must_use]
    pub fn new(closing: CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            queues: Mutex::default(),
            numbers: AtomicU64::default(),
            closing,
        })
    }

    /// Waits for a place.
    ///
    /// # Errors
    /// [`Code::RateLimited`](crate::error::Code::RateLimited) where too many wait, where a rate does not allow the call before
    /// it is due, and when it is due; [`Code::Aborted`](crate::error::Code::Aborted) and
    /// [`Code::Closed`](crate::error::Code::Closed) at once.
    pub async fn enter(self: &Arc<Self>, applicant: &Applicant<'_>) -> Result<Turn> {
        self.line_up(applicant).turn(applicant.cancel).await
    }

    fn line_up(self: &Arc<Self>, applicant: &Applicant<'_>) -> Waiting {
        let now = Instant::now();
        let shared = Arc::new(Shared {
            server: Box::from(applicant.server),
            limits: applicant.limits.clone(),
        });
        let call = Call {
            user: Arc::from(applicant.user_id.unwrap_or_default()),
            due: applicant.due,
            number: self.numbers.fetch_add(1, Ordering::Relaxed),
            since: now,
            weight: applicant.weight,
            is_counted: applicant.is_counted,
        };
        let mut queues = self.queues.lock();
        if !queues.contains_key(&shared) {
            tidy(&mut queues, now);
        }
        let queue = queues.entry(Arc::clone(&shared));
        let queue = queue.or_insert_with(|| Queue::new(&shared.limits, now));
        self.join(&shared, queue, call, now)
    }

    /// Puts a call into a queue, and refuses what then is one too many.
    fn join(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        queue: &mut Queue,
        call: Call,
        now: Instant,
    ) -> Waiting {
        let (reply, receiver) = channel();
        let waiter = Waiter {
            call: call.clone(),
            reply,
        };
        queue.push(waiter, now);
        hand_out(queue, now);
        let is_late = !call.is_counted && queue.earliest(&call, now) > call.due;
        if is_late && let Some(waiter) = queue.take(&call, now) {
            let error = refusal::by_rate(&shared.server, queue, &call, now);
            let _ = waiter.reply.send(Err(error));
        } else if let Some(waiter) = queue.surplus(&call, now) {
            let is_newcomer = waiter.call.number == call.number;
            let error = refusal::full(&shared.server, queue, &waiter.call, is_newcomer, now);
            let _ = waiter.reply.send(Err(error));
        }
        Waiting {
            turns: Arc::clone(self),
            shared: Arc::clone(shared),
            call,
            reply: receiver,
            closed: Arc::clone(&queue.closed),
            has_heard: false,
        }
    }

    /// Changes a queue, and gives away the places that are free then. The queue is forgotten where nothing would be lost.
    fn change(&self, shared: &Arc<Shared>, change: impl FnOnce(&mut Queue, Instant)) {
        let now = Instant::now();
        let mut queues = self.queues.lock();
        let Some(queue) = queues.get_mut(shared) else {
            return;
        };
        change(queue, now);
        hand_out(queue, now);
        if queue.is_idle(now) {
            queues.remove(shared);
        }
    }

    fn put_back(self: &Arc<Self>, turn: &Turn, of_user: bool, until: Instant) -> Waiting {
        let now = Instant::now();
        let mut queues = self.queues.lock();
        let queue = queues.entry(Arc::clone(&turn.shared));
        let queue = queue.or_insert_with(|| Queue::new(&turn.shared.limits, now));
        queue.end(&turn.call, turn.started, now);
        queue.uncount(&turn.call);
        queue.close(of_user.then_some(&turn.call.user), until);
        self.join(&turn.shared, queue, turn.call.clone(), now)
    }

    fn look_again(&self, shared: &Arc<Shared>, user: &str) -> Option<Instant> {
        let queues = self.queues.lock();
        queues.get(shared)?.look_again(user, Instant::now())
    }

    /// The error of a call that has waited as long as it may.
    fn late(&self, shared: &Arc<Shared>, call: &Call) -> Error {
        let queues = self.queues.lock();
        refusal::late(&shared.server, queues.get(shared), call, Instant::now())
    }

    /// Shows the queues with calls, by the names of their servers. A server with different limits has several.
    pub fn each(&self, mut show: impl FnMut(&str, Queued)) {
        let now = Instant::now();
        let mut queues = self.queues.lock();
        tidy(&mut queues, now);
        for (shared, queue) in &*queues {
            let there = queue.now(now);
            if there.users > 0 {
                show(name_of(&shared.server), there);
            }
        }
    }
}
