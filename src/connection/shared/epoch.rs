//! Epochs of a user's sessions at a server. A logout or login begins another, whichever process it comes to, and nobody goes
//! on with a session of before.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use super::key;
use super::record::{Epoch, unique};
use super::store::{Sharing, lifetime, note_interval};
use crate::host::{REST, SessionStore, Standing};
use crate::log::{Logger, log_prefix};

/// In which epoch a connection has begun, once the store has said so.
pub(super) type BegunIn = Arc<Mutex<Option<Epoch>>>;

/// What tells the epoch of now, and in which one connection has begun, whatever its transport.
pub struct EpochMark {
    store: Arc<dyn SessionStore>,
    sharing: Arc<Sharing>,
    key: String,
    /// After which time without a call a connection ends.
    idle: Duration,
    prefix: String,
    logger: Logger,
    seen: Seen,
}

/// What one connection knows of it.
#[derive(Default)]
struct Seen {
    begun_in: BegunIn,
    read_at: Mutex<Option<Instant>>,
    /// Calls that come at once wait for one answer.
    reading: tokio::sync::Mutex<()>,
}

impl EpochMark {
    /// `idle`: after which time without a call a connection ends.
    #[must_use]
    pub fn new(
        store: &Arc<dyn SessionStore>,
        sharing: &Arc<Sharing>,
        (user_id, server_name): (&str, &str),
        idle: Duration,
        logger: &Logger,
    ) -> Arc<Self> {
        Arc::new(Self {
            store: Arc::clone(store),
            sharing: Arc::clone(sharing),
            key: key::epoch(user_id, server_name),
            idle,
            prefix: log_prefix(Some(user_id), server_name),
            logger: logger.clone(),
            seen: Seen::default(),
        })
    }

    /// For another connection.
    #[must_use]
    pub fn apart(&self) -> Arc<Self> {
        Arc::new(Self {
            store: Arc::clone(&self.store),
            sharing: Arc::clone(&self.sharing),
            key: self.key.clone(),
            idle: self.idle,
            prefix: self.prefix.clone(),
            logger: self.logger.clone(),
            seen: Seen::default(),
        })
    }

    pub(in crate::connection) fn begun_in(&self) -> BegunIn {
        Arc::clone(&self.seen.begun_in)
    }

    async fn read(&self) -> Option<Epoch> {
        let (standing, logger) = (&self.sharing.standing, &self.logger);
        let found = standing.ask("read", logger, self.store.get(&self.key));
        found.await.map(Epoch)
    }

    /// A connection begins in the epoch of now. Whoever asks for its tokens only then hears of each logout that they have
    /// not seen.
    pub async fn begin(&self) {
        let now = self.read().await;
        *self.seen.begun_in.lock() = now;
        *self.seen.read_at.lock() = Some(Instant::now());
    }

    /// Whether it was not read lately.
    pub fn is_due(&self) -> bool {
        let read_at = *self.seen.read_at.lock();
        read_at.is_none_or(|at| at.elapsed() >= note_interval(self.idle))
    }

    /// Whether the user has logged out or in since the connection began, as far as the store says; asked where it was not
    /// lately.
    pub async fn has_passed(&self) -> bool {
        let _one_at_a_time = self.seen.reading.lock().await;
        if !self.is_due() {
            return false;
        }
        let has_passed = self.is_same().await == Some(false);
        if !has_passed {
            *self.seen.read_at.lock() = Some(Instant::now());
        }
        has_passed
    }

    /// Whether it is still the epoch in which the connection has begun; `None` where the store is away.
    pub async fn is_same(&self) -> Option<bool> {
        let now = self.read().await?;
        let mut begun_in = self.seen.begun_in.lock();
        let is_same = now.has(begun_in.get_or_insert_with(|| now.clone()));
        Some(is_same)
    }

    /// Ends all sessions of the user at the server for all processes. Tried whatever the store has failed with before, and
    /// again a while after it has failed with this.
    pub async fn begin_epoch(self: &Arc<Self>) {
        let epoch = unique();
        let Err(problem) = self.write(&epoch).await else {
            return;
        };
        let (prefix, logger) = (&self.prefix, &self.logger);
        logger.warn(format!(
            "{prefix} sharedSessions failed to write that the user has signed in or out. Other processes may go on with the \
             session of before until its token is due or they hear of it, which is tried again in {} s: {problem}",
            REST.as_secs()
        ));
        let mark = Arc::clone(self);
        self.sharing.spawn(async move {
            let closing = mark.sharing.closing.clone();
            // The last chance of a runtime that is closed is now.
            let _ = closing.run_until_cancelled(sleep(REST)).await;
            if mark.write(&epoch).await.is_ok() {
                let (prefix, logger) = (&mark.prefix, &mark.logger);
                logger.info(format!(
                    "{prefix} sharedSessions has taken that the user has signed in or out"
                ));
            }
        });
    }

    async fn write(&self, epoch: &str) -> Result<(), String> {
        // A use may be noted just after it, of a session that lasts as long again.
        let ttl = lifetime(self.idle).saturating_mul(2);
        Standing::insist(self.store.set(&self.key, epoch, ttl)).await
    }
}
