//! Requests of ours that are under way.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rmcp::model::ProgressNotificationParam;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::caller::Caller;
use super::options::{CallOptions, ProgressSink};
use crate::error::{Error, Result};
use crate::transport::{Reply, Waiting};

/// What the real answer gets to come after an error that names no request.
const SECOND_ANSWER: Duration = Duration::from_secs(1);

/// By id.
#[derive(Default)]
pub(super) struct Requests(Mutex<HashMap<u64, Arc<UnderWay>>>);

/// One request, from before it is sent until somebody has its answer, or wants it no more.
pub(super) struct UnderWay {
    pub id: u64,
    /// Who may be asked about it. Absent where no user has made it.
    pub caller: Option<Caller>,
    sink: Option<ProgressSink>,
    answer: Mutex<Answer>,
    answered: Notify,
    pub progressed: Notify,
    /// Cancelled with the request's end.
    pub ended: CancellationToken,
}

#[derive(Default)]
enum Answer {
    #[default]
    None,
    /// One that names no request, and is this one's unless a better one comes.
    Perhaps(Reply),
    Final(Result<Reply>),
    Taken,
}

impl Requests {
    pub fn add(self: &Arc<Self>, id: u64, options: &CallOptions) -> Registered {
        let sink = options.progress.as_ref().and_then(|it| it.sink.clone());
        let under_way = Arc::new(UnderWay {
            id,
            caller: options.caller.clone(),
            sink,
            answer: Mutex::default(),
            answered: Notify::new(),
            progressed: Notify::new(),
            ended: CancellationToken::new(),
        });
        self.0.lock().insert(id, Arc::clone(&under_way));
        Registered {
            requests: Arc::clone(self),
            under_way,
        }
    }

    pub fn get(&self, id: u64) -> Option<Arc<UnderWay>> {
        self.0.lock().get(&id).cloned()
    }

    pub fn waiting(&self) -> Waiting {
        let all = self.0.lock();
        let mut waiting = all.values().filter(|it| !it.has_answer());
        match (waiting.next(), waiting.next()) {
            (None, _) => Waiting::Nobody,
            (Some(only), None) => Waiting::One(only.id),
            _ => Waiting::Several,
        }
    }

    /// The ids of those that wait.
    pub fn awaited(&self) -> Vec<u64> {
        let all = self.0.lock();
        let waiting = all.values().filter(|it| !it.has_answer());
        waiting.map(|it| it.id).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }

    pub fn settle(&self, id: u64, outcome: Result<Reply>) {
        if let Some(under_way) = self.get(id) {
            under_way.settle(Answer::Final(outcome));
        }
    }

    /// An answer that names no request.
    pub fn settle_perhaps(&self, id: u64, reply: Reply) {
        if let Some(under_way) = self.get(id) {
            under_way.settle(Answer::Perhaps(reply));
        }
    }

    /// Fails all that wait.
    pub fn fail(&self, error: &Error) {
        let all: Vec<_> = self.0.lock().values().cloned().collect();
        for under_way in all {
            under_way.settle(Answer::Final(Err(error.clone())));
        }
    }
}

impl UnderWay {
    fn settle(&self, answer: Answer) {
        let mut settled = self.answer.lock();
        let is_better = match *settled {
            Answer::None => true,
            Answer::Perhaps(_) => matches!(answer, Answer::Final(_)),
            Answer::Final(_) | Answer::Taken => false,
        };
        if is_better {
            *settled = answer;
            drop(settled);
            self.answered.notify_one();
        }
    }

    pub fn has_answer(&self) -> bool {
        matches!(*self.answer.lock(), Answer::Final(_) | Answer::Taken)
    }

    /// The server tells how far it is.
    pub fn progress(&self, progress: &ProgressNotificationParam) {
        self.progressed.notify_one();
        if let Some(sink) = &self.sink {
            sink(progress);
        }
    }

    fn take(&self, perhaps: bool) -> Option<Result<Reply>> {
        let mut answer = self.answer.lock();
        match std::mem::replace(&mut *answer, Answer::Taken) {
            Answer::Final(outcome) => Some(outcome),
            Answer::Perhaps(reply) if perhaps => Some(Ok(reply)),
            other => {
                *answer = other;
                None
            }
        }
    }

    /// What is there, when nothing better can come.
    pub fn last_answer(&self) -> Option<Result<Reply>> {
        self.take(true)
    }

    /// Waits for the answer.
    pub async fn answer(&self) -> Result<Reply> {
        loop {
            if let Some(outcome) = self.take(false) {
                return outcome;
            }
            if matches!(*self.answer.lock(), Answer::Perhaps(_)) {
                let _ = timeout(SECOND_ANSWER, self.answered.notified()).await;
                if let Some(outcome) = self.last_answer() {
                    return outcome;
                }
            }
            self.answered.notified().await;
        }
    }
}

/// A request under way, until this is dropped.
pub(super) struct Registered {
    requests: Arc<Requests>,
    pub under_way: Arc<UnderWay>,
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut all = self.requests.0.lock();
        all.remove(&self.under_way.id);
        if all.is_empty() {
            // Most sessions are idle most of the time.
            all.shrink_to_fit();
        }
        drop(all);
        self.under_way.ended.cancel();
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::error::Code;

    fn options() -> CallOptions {
        CallOptions::new(Instant::now(), CancellationToken::new())
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_without_id_is_taken_unless_a_better_one_comes() {
        let requests = Arc::new(Requests::default());
        let one = requests.add(1, &options());
        requests.settle_perhaps(1, Reply::Empty);
        assert!(!one.under_way.has_answer());
        assert!(matches!(one.under_way.answer().await, Ok(Reply::Empty)));

        let two = requests.add(2, &options());
        requests.settle_perhaps(2, Reply::Empty);
        requests.settle(2, Err(Error::aborted()));
        requests.settle(2, Ok(Reply::Empty));
        let error = two.under_way.answer().await.err();
        assert_eq!(error.map(|error| error.code), Some(Code::Aborted));
    }

    #[tokio::test]
    async fn who_has_gone_waits_no_more() {
        let requests = Arc::new(Requests::default());
        let (one, two) = (requests.add(1, &options()), requests.add(2, &options()));
        assert_eq!(requests.waiting(), Waiting::Several);
        requests.settle(1, Ok(Reply::Empty));
        assert_eq!(requests.waiting(), Waiting::One(2));
        let ended = two.under_way.ended.clone();
        drop(two);
        assert!(ended.is_cancelled());
        assert_eq!(requests.waiting(), Waiting::Nobody);
        drop(one);
        assert!(requests.is_empty());
    }
}
