//! A tool call that may become a task, and what outlives the connection that it was made over.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use rmcp::model::{InputResponses, NumberOrString, ProgressNotificationParam, ProgressToken};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::handle::TaskHandle;
use super::kept::KeptRequest;
use super::state::{INTERVAL, Task, invalid};
use crate::clock::now_ms;
use crate::connection::caller::Unanswered;
use crate::connection::options::{CallOptions, ProgressSink};
use crate::connection::rounds::Questions;
use crate::error::{Code, Error, Result};

/// Hears of a call's task, once.
pub type TaskSink = Arc<dyn Fn(&TaskHandle) + Send + Sync>;

/// What a server may ask in the life of one task.
const MOST_QUESTIONS: usize = 1000;
/// Bytes of the key of a question, which is kept as long as the task.
const LONGEST_KEY: usize = 1024;

/// The host's answers to what a server asks for its task.
pub(super) type Answering = BoxFuture<'static, std::result::Result<InputResponses, Unanswered>>;

/// One tool call: not a task as far as is known, or the task that it has become.
#[derive(Default)]
pub struct TaskCall {
    handed_out: Option<HandedOut>,
    pub(super) running: Option<Box<Running>>,
    /// Goes on whatever becomes of the connection.
    pub(super) answering: Option<Answering>,
}

/// Somebody else may wait for the task, now or later.
struct HandedOut {
    sink: Option<TaskSink>,
    /// One of them is cancelled when what the call belongs to closes.
    closing: Vec<CancellationToken>,
}

impl HandedOut {
    fn is_closing(&self) -> bool {
        self.closing.iter().any(CancellationToken::is_cancelled)
    }
}

impl TaskCall {
    /// For a caller who wants the handle of the task. `closing`: what closes aborts its calls, and leaves their tasks alone.
    #[must_use]
    pub fn handing_out(sink: TaskSink, closing: Vec<CancellationToken>) -> Self {
        Self {
            handed_out: Some(HandedOut {
                sink: Some(sink),
                closing,
            }),
            ..Self::default()
        }
    }

    /// For a task that was begun by another call.
    #[must_use]
    pub fn resuming(handle: TaskHandle, closing: Vec<CancellationToken>) -> Self {
        Self {
            running: Some(Box::new(Running::new(handle))),
            handed_out: Some(HandedOut {
                sink: None,
                closing,
            }),
            answering: None,
        }
    }

    #[must_use]
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Whether the server has told how the task is doing since this was asked last.
    pub fn was_heard(&mut self) -> bool {
        let running = self.running.as_mut();
        running.is_some_and(|running| std::mem::take(&mut running.was_heard))
    }

    /// Whether the caller would rather have a task than wait for one answer.
    pub(super) fn wants_task(&self) -> bool {
        self.handed_out.is_some()
    }

    /// The server has begun a task.
    pub(super) fn begin(&mut self, handle: TaskHandle, task: &Task, request: Option<KeptRequest>) {
        if let Some(sink) = self.handed_out.as_ref().and_then(|it| it.sink.as_ref()) {
            sink(&handle);
        }
        let mut running = Running::new(handle);
        running.request = request;
        running.set_times(task);
        self.running = Some(Box::new(running));
    }

    /// The id of a task that the server is to stop: nobody waits for it any more, and nobody else has its handle. A caller who
    /// aborts means the task, whoever has its handle; what closes does not.
    pub(super) fn unwanted(&self, error: &Error) -> Option<String> {
        let running = self.running.as_ref()?;
        let is_aborted = error.code == Code::Aborted;
        let is_unwanted = match &self.handed_out {
            Some(handed_out) => is_aborted && !handed_out.is_closing(),
            None => is_aborted || running.is_given_up && !running.has_ended,
        };
        is_unwanted.then(|| running.handle.task_id.clone())
    }

    /// Waits until the task is to be asked after once more although that has failed with `error`: for a reason that may pass,
    /// and not for as long as nothing may be heard. Fails with what the call ends with otherwise.
    pub async fn try_again(&mut self, error: Error, options: &CallOptions) -> Result<()> {
        let Some(running) = &mut self.running else {
            return Err(error);
        };
        running.silent_since.get_or_insert_with(Instant::now);
        let is_over = running.is_silent(options) || !error.retryable || error.wants_user();
        if running.is_given_up || is_over {
            return Err(error);
        }
        // A server that is away does not come back sooner for it.
        running.is_due_at = Instant::now() + running.interval.max(INTERVAL);
        tokio::select! {
            () = options.cancel.cancelled() => {}
            () = sleep_until(running.is_due_at.min(options.deadline)) => {}
        }
        Ok(())
    }
}

/// A task that has not ended, as far as is known.
pub(super) struct Running {
    pub handle: TaskHandle,
    /// When it is asked after next.
    pub is_due_at: Instant,
    interval: Duration,
    started: Instant,
    /// How old it was then.
    age: Duration,
    ttl: Option<Duration>,
    /// Since when it was asked after in vain.
    pub silent_since: Option<Instant>,
    was_heard: bool,
    /// The call has ended, and the task may not have.
    is_given_up: bool,
    /// The server has said how the task has ended.
    pub has_ended: bool,
    /// Keys of what the host was asked.
    asked: HashSet<String>,
    /// What the host has answered, and the server has not taken yet.
    pub unsent: InputResponses,
    messages: u32,
    message: Option<String>,
    request: Option<KeptRequest>,
}

impl Running {
    fn new(handle: TaskHandle) -> Self {
        // Who has stored the handle may have another clock.
        let age = u64::try_from(now_ms().saturating_sub(handle.created_at)).unwrap_or_default();
        let now = Instant::now();
        Self {
            handle,
            is_due_at: now,
            interval: INTERVAL,
            started: now,
            age: Duration::from_millis(age),
            ttl: None,
            silent_since: None,
            was_heard: false,
            is_given_up: false,
            has_ended: false,
            asked: HashSet::new(),
            unsent: InputResponses::new(),
            messages: 0,
            message: None,
            request: None,
        }
    }

    /// The call ends with this, whatever the task does.
    pub fn given_up(&mut self, error: Error) -> Error {
        self.is_given_up = true;
        error
    }

    /// Gives the call up where it is not to go on after `error`: with its connection, or because another look could tell no
    /// more. What wants the user may go on with another token.
    pub fn judge(&mut self, error: &Error, is_ending: bool, options: &CallOptions) {
        let wants_user = error.wants_user() || error.refusal().is_some();
        let is_over = !error.retryable || self.is_silent(options);
        self.is_given_up |= is_ending || is_over && !wants_user;
    }

    /// Whether nothing was heard for as long as that may be.
    fn is_silent(&self, options: &CallOptions) -> bool {
        let patience = options.progress.as_ref().map(|it| it.timeout);
        self.silent_since
            .is_some_and(|since| since.elapsed() >= patience.unwrap_or_default())
    }

    fn set_times(&mut self, task: &Task) {
        self.interval = task.interval();
        self.is_due_at = Instant::now() + self.interval;
        self.ttl = task.ttl();
    }

    /// The server tells how the task is doing. A message of it is progress, which has no number.
    pub fn note(&mut self, task: &Task, sink: Option<&ProgressSink>) {
        self.silent_since = None;
        self.was_heard = true;
        self.set_times(task);
        if task.status_message.is_none() || task.status_message == self.message {
            return;
        }
        self.message.clone_from(&task.status_message);
        self.messages += 1;
        if let Some(sink) = sink {
            let token = ProgressToken(NumberOrString::Number(0));
            let mut progress = ProgressNotificationParam::new(token, f64::from(self.messages));
            progress.message.clone_from(&self.message);
            sink(&progress);
        }
    }

    /// Fails where the server may have forgotten the task by now, without having said how it ended.
    pub fn check_age(&mut self) -> Result<()> {
        let age = self.age.saturating_add(self.started.elapsed());
        match self.ttl.filter(|ttl| age >= *ttl) {
            None => Ok(()),
            Some(ttl) => Err(self.given_up(Error::timeout(format!(
                "The task has not ended within the {} ms that the server keeps it",
                ttl.as_millis()
            )))),
        }
    }

    /// What of all that the server wants to know nobody was asked yet.
    pub fn news(&mut self, wanted: Option<Questions>) -> Result<Option<Questions>> {
        let mut wanted = wanted.unwrap_or_default();
        wanted.retain(|key, _| !self.asked.contains(key));
        self.asked.extend(wanted.keys().cloned());
        if self.asked.len() > MOST_QUESTIONS || wanted.keys().any(|key| key.len() > LONGEST_KEY) {
            let error = invalid("The task wants to know more than anybody could answer");
            return Err(self.given_up(error));
        }
        Ok((!wanted.is_empty()).then_some(wanted))
    }
}
