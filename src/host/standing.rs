//! Stores that processes share only save work: while one is away, everything goes on without it.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

use crate::error::Result;
use crate::log::Logger;

/// Waiting longer for a store than for what it saves is no saving.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a store that has failed is not asked again: what needs it many times waits once.
pub const REST: Duration = Duration::from_secs(5);

/// What a store has failed with.
#[derive(Debug)]
struct Failure {
    what: String,
    /// When it is asked again.
    again: Instant,
}

/// Whether a store of the host answers, as one runtime has seen it.
#[derive(Debug)]
pub struct Standing {
    /// The member of the host's services, as log lines call it.
    name: &'static str,
    /// What the log says is done while it fails.
    meanwhile: &'static str,
    failure: Mutex<Option<Failure>>,
}

impl Standing {
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self::risking(name, "going on without it")
    }

    /// One without which something may go wrong, which `meanwhile` names.
    #[must_use]
    pub const fn risking(name: &'static str, meanwhile: &'static str) -> Self {
        Self {
            name,
            meanwhile,
            failure: Mutex::new(None),
        }
    }

    /// What the store answers. `None` where it fails or takes longer than two seconds, and for five seconds after that
    /// without asking; the log says so once, and once that it answers again. `what` it was to do, as in "failed to read".
    pub async fn ask<T>(
        &self,
        what: &str,
        logger: &Logger,
        work: impl Future<Output = Result<T>>,
    ) -> Option<T> {
        if self.rests() {
            return None;
        }
        match Self::insist(work).await {
            Ok(value) => {
                self.succeeded(what, logger);
                Some(value)
            }
            Err(problem) => {
                self.failed(what, &problem, logger);
                None
            }
        }
    }

    /// One that is full can be read, and is not well for that.
    pub fn succeeded(&self, what: &str, logger: &Logger) {
        let mended = self.failure.lock().take_if(|failure| failure.what == what);
        if mended.is_some() {
            logger.info(format!("[MCP] {} answers again", self.name));
        }
    }

    pub fn failed(&self, what: &str, problem: &str, logger: &Logger) {
        let failure = Failure {
            what: what.to_owned(),
            again: Instant::now() + REST,
        };
        if self.failure.lock().replace(failure).is_none() {
            let (name, meanwhile) = (self.name, self.meanwhile);
            logger.warn(format!(
                "[MCP] {name} failed to {what}, {meanwhile}: {problem}"
            ));
        }
    }

    /// Whether it was away when it was last asked.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.failure.lock().is_some()
    }

    /// The same for what must not be left out: asked also while the store is left alone. Fails with what the log may say.
    pub async fn insist<T>(work: impl Future<Output = Result<T>>) -> Result<T, String> {
        match timeout(ANSWER_TIMEOUT, work).await {
            Ok(outcome) => outcome.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {} s", ANSWER_TIMEOUT.as_secs())),
        }
    }

    fn rests(&self) -> bool {
        let failure = self.failure.lock();
        failure.as_ref().is_some_and(|it| Instant::now() < it.again)
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::Arc;

    use super::*;
    use crate::error::Error;
    use crate::log::{Level, Log, LogMeta};

    #[derive(Default)]
    struct Lines(Mutex<Vec<String>>);

    impl Log for Arc<Lines> {
        fn log(&self, level: Level, message: String, _: LogMeta) {
            self.0.lock().push(format!("{level:?} {message}"));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_away_is_waited_for_once() {
        let lines = Arc::<Lines>::default();
        let logger = Logger::new(Arc::new(Arc::clone(&lines)));
        let standing = Standing::new("store");
        let began = Instant::now();
        let never = || pending::<Result<()>>();
        for _ in 0..3 {
            assert_eq!(standing.ask("read", &logger, never()).await, None);
        }
        assert_eq!(began.elapsed(), ANSWER_TIMEOUT);

        tokio::time::advance(REST).await;
        let failing = async { Err::<(), _>(Error::timeout("too late")) };
        assert_eq!(standing.ask("read", &logger, failing).await, None);
        let answer = || async { Ok(1) };
        assert_eq!(standing.ask("read", &logger, answer()).await, None);
        tokio::time::advance(REST).await;
        for what in ["write", "read", "read"] {
            assert_eq!(standing.ask(what, &logger, answer()).await, Some(1));
        }
        assert_eq!(
            *lines.0.lock(),
            [
                "Warn [MCP] store failed to read, going on without it: no answer within 2 s",
                "Info [MCP] store answers again",
            ]
        );
    }
}
