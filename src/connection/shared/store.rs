//! The host's store, as one session uses it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::key::{Keys, Subject};
use super::record::{Epoch, Found, Record};
use crate::error::Result;
use crate::host::{SessionStore, Standing};
use crate::log::Logger;
use crate::seal::Sealer;
use crate::secret::Secret;

/// How often a record is read again that somebody else has written meanwhile.
pub(super) const MAX_CONFLICTS: usize = 8;
const PURPOSE: &str = "librechat-mcp-native sessions v1";
/// How much longer than its users a session is kept: whoever notes a use may be late.
const GRACE: Duration = Duration::from_mins(1);

/// How long a session is kept after its last use.
pub(super) fn lifetime(idle: Duration) -> Duration {
    idle.saturating_add(GRACE)
}

/// How often the use of a session is noted, and its epoch asked for.
pub(super) fn note_interval(idle: Duration) -> Duration {
    const LONGEST: Duration = Duration::from_secs(30);
    LONGEST.min(idle / 4)
}

/// What the shared sessions of one runtime have in common.
pub struct Sharing {
    pub(super) standing: Standing,
    tasks: TaskTracker,
    pub(super) closing: CancellationToken,
    runtime: Handle,
}

impl Sharing {
    /// `tasks`: what the runtime waits for when it closes, after it has cancelled `closing`.
    #[must_use]
    pub fn new(tasks: TaskTracker, closing: CancellationToken, runtime: Handle) -> Self {
        Self {
            standing: Standing::new("sharedSessions"),
            tasks,
            closing,
            runtime,
        }
    }

    /// Work that outlives its caller; the runtime is closed when it has ended.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let work: BoxFuture<'static, ()> = Box::pin(work);
        self.tasks.spawn_on(work, &self.runtime);
    }
}

/// A session that processes share, as whoever connects finds it.
pub struct SharedSession {
    pub(super) store: Arc<dyn SessionStore>,
    pub(super) sharing: Arc<Sharing>,
    sealer: Sealer,
    pub(super) keys: Keys,
    /// After which time without a call a connection ends.
    pub(super) idle: Duration,
    pub(super) logger: Logger,
    /// Of a text that is of no use. It is replaced, and looked at more than once until then.
    has_warned: AtomicBool,
}

impl SharedSession {
    pub(super) fn new(
        subject: &Subject<'_>,
        credentials_key: &Secret,
        idle: Duration,
        (store, sharing): (&Arc<dyn SessionStore>, &Arc<Sharing>),
        logger: Logger,
    ) -> Result<Self> {
        Ok(Self {
            store: Arc::clone(store),
            sharing: Arc::clone(sharing),
            sealer: Sealer::new(credentials_key, PURPOSE)?,
            keys: Keys::new(subject, credentials_key)?,
            idle,
            logger,
            has_warned: AtomicBool::new(false),
        })
    }

    pub(super) fn lifetime_ms(&self) -> i64 {
        i64::try_from(self.lifetime().as_millis()).unwrap_or(i64::MAX)
    }

    fn lifetime(&self) -> Duration {
        lifetime(self.idle)
    }

    /// How often the use of a session is noted.
    pub fn note_interval(&self) -> Duration {
        note_interval(self.idle)
    }

    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.sharing.spawn(work);
    }

    pub(super) fn closing(&self) -> &CancellationToken {
        &self.sharing.closing
    }

    /// `None` where the store is away, as for all that follow.
    pub(super) async fn read(&self) -> Option<Found> {
        let (key, store) = (&self.keys.session, &self.store);
        let epoch = async {
            match &self.keys.epoch {
                Some(key) => store.get(key).await,
                None => Ok(None),
            }
        };
        let both = futures::future::try_join(store.get(key), epoch);
        let (text, epoch) = self.ask("read", both).await?;
        let record = text.as_ref().and_then(|text| self.open(text));
        if text.is_some() && record.is_none() && !self.has_warned.swap(true, Ordering::Relaxed) {
            let message = "[MCP] Ignoring an unreadable session of sharedSessions";
            self.logger.warn(message);
        }
        Some(Found {
            text,
            record,
            epoch: Epoch(epoch),
        })
    }

    fn open(&self, text: &str) -> Option<Record> {
        let sealed = STANDARD_NO_PAD.decode(text).ok()?;
        let plain = self.sealer.open(self.keys.session.as_bytes(), &sealed)?;
        Record::read(&plain)
    }

    fn seal(&self, record: &Record) -> Option<String> {
        let name = self.keys.session.as_bytes();
        let sealed = self.sealer.seal(name, record.to_text()?).ok()?;
        Some(STANDARD_NO_PAD.encode(sealed))
    }

    /// Writes in place of what was found; whether that was still there.
    pub(super) async fn replace(&self, found: &Found, record: &Record) -> Option<bool> {
        let (key, before) = (&self.keys.session, found.text.as_deref());
        let text = self.seal(record)?;
        let write = (self.store).compare_and_set(key, before, &text, self.lifetime());
        self.ask("write", write).await
    }

    /// Deletes what was found; whether it was still there.
    pub(super) async fn delete(&self, found: &Found) -> Option<bool> {
        self.delete_at(&self.keys.session, found.text.as_deref())
            .await
    }

    pub(super) async fn delete_at(&self, key: &str, expected: Option<&str>) -> Option<bool> {
        self.ask("delete", self.store.delete(key, expected)).await
    }

    /// Sets one text in place of another, or of nothing; whether that was there.
    pub(super) async fn claim_at(
        &self,
        key: &str,
        before: Option<&str>,
        value: &str,
        ttl: Duration,
    ) -> Option<bool> {
        let write = self.store.compare_and_set(key, before, value, ttl);
        self.ask("write", write).await
    }

    /// The sets of credentials that are known to be of the session's login.
    pub async fn logins(&self) -> Vec<String> {
        let found = self.read().await;
        match found.and_then(|found| found.record) {
            Some(Record::Live(live)) => live.logins,
            _ => Vec::new(),
        }
    }

    /// Notes, besides, that a refresh puts a set of credentials in place of another of the same login.
    pub fn renew_login(self: &Arc<Self>, before: &str, after: &str) {
        let shared = Arc::clone(self);
        let (before, after) = (before.to_owned(), after.to_owned());
        self.spawn(async move {
            for _ in 0..MAX_CONFLICTS {
                let Some(found) = shared.read().await else {
                    return;
                };
                let Some(Record::Live(live)) = &found.record else {
                    return;
                };
                let mut live = live.clone();
                if !live.renew_login(&before, &after) {
                    return;
                }
                if shared.replace(&found, &Record::Live(live)).await != Some(false) {
                    return;
                }
            }
        });
    }

    /// Has nobody go on with the session, whoever uses it now.
    pub async fn invalidate(&self) {
        let found = self.read().await.unwrap_or_default();
        let ended = Record::Ended {
            next_range: found.next_range(),
        };
        if let Some(text) = self.seal(&ended) {
            let write = self.store.set(&self.keys.session, &text, self.lifetime());
            self.ask("write", write).await;
        }
    }

    async fn ask<T>(&self, what: &str, work: impl Future<Output = Result<T>>) -> Option<T> {
        self.sharing.standing.ask(what, &self.logger, work).await
    }
}
