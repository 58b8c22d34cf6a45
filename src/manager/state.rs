//! The manager: what all its parts work on, and how it ends.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::failure::Failure;
use super::hidden_tools::HiddenTools;
use super::key::{Key, Owner};
use super::names::KnownNames;
use super::pool::Pool;
use super::subscriber::Subscriber;
use crate::cancel::{until_cancelled, until_closed};
use crate::connection::{Breakers, Event, Known, KnownLists, Parting, ResultCache, Sharing};
use crate::error::Result;
use crate::flights::Flights;
use crate::governance::overflow::KeptResults;
use crate::governance::{SharedCalls, Turns};
use crate::grants::{AuthorizationServers, Enterprise, Grants};
use crate::host::Standing;
use crate::keyed_lock::KeyedLock;
use crate::lru_map::LruMap;
use crate::network::{HttpClient, Policy};
use crate::oauth::OAuth;
use crate::obo::{ExchangedTokens, Obo};
use crate::telemetry::Metrics;
use crate::trace::Tracer;
use crate::transport::stdio::Children;

/// Servers of which something is remembered.
const KNOWN_SERVERS: usize = 10_000;
/// Tasks of which the tool is remembered.
const KNOWN_TASKS: usize = 10_000;
/// How long a runtime that closes waits for the audit of calls: for as long as the host has, for the tenant and the record.
const AUDIT_LIMIT: Duration = Duration::from_secs(8);

/// All connections of one runtime. Cheap to clone.
#[derive(Clone)]
pub struct Manager(pub(super) Arc<Inner>);

/// A reference that keeps nothing open.
pub struct WeakManager(Weak<Inner>);

impl WeakManager {
    /// The manager, if it is still there.
    #[must_use]
    pub fn upgrade(&self) -> Option<Manager> {
        self.0.upgrade().map(Manager)
    }

    /// [`Manager::abandon`], if the manager is still there.
    pub fn abandon(&self) {
        if let Some(manager) = self.upgrade() {
            manager.abandon();
        }
    }
}

pub(super) struct Inner {
    pub(super) http: HttpClient,
    pub(super) children: Children,
    pub(super) pool: Mutex<Pool>,
    /// Held by calls with `forceNew`, so that each replaces the connection of the one before, and one is left.
    pub(super) replacing: KeyedLock<Key>,
    pub(super) breakers: Breakers<Key>,
    /// Breakers that are being cleared for all processes.
    pub(super) clearing: Flights<String, ()>,
    /// Whether the host's `limits` answer.
    pub(super) limits: Arc<Standing>,
    /// Limits of calls that processes share.
    pub(super) shared_calls: SharedCalls,
    /// By server.
    pub(super) failures: LruMap<Arc<str>, Failure>,
    /// By endpoint.
    pub(super) known: LruMap<String, Known>,
    /// Results that servers say are still valid.
    pub(super) results: ResultCache,
    /// Lists of tools that were read before.
    pub(super) lists: KnownLists,
    /// Of the connection made last. Most are made under the same rules, and share them.
    pub(super) policy: Mutex<Option<Policy>>,
    /// Those too large to be given whole.
    pub(super) kept_results: Arc<KeptResults>,
    pub(super) oauth: OAuth,
    pub(super) obo: Obo,
    pub(super) enterprise: Enterprise,
    pub(super) grants: Grants,
    pub(super) tool_names: KnownNames,
    /// There were any.
    pub(super) has_wire_names: AtomicBool,
    pub(super) hidden_tools: HiddenTools,
    /// Which tools the tasks are of that callers ask about by hand.
    pub(super) task_tools: LruMap<String, String>,
    pub(super) metrics: Arc<Metrics>,
    /// Of calls to servers with limits.
    pub(super) turns: Arc<Turns>,
    /// The last number that a request was given.
    pub(super) requests: AtomicU64,
    /// Attempts, closings and timers; the runtime is closed when they have ended.
    pub(super) tasks: TaskTracker,
    pub(super) closing: CancellationToken,
    /// Calls of JavaScript that have not ended. No more are taken once it is closed.
    pub(super) calls: TaskTracker,
    /// Calls whose end the audit has not heard of.
    pub(super) audits: TaskTracker,
    pub(super) keep_connections: bool,
    pub(super) sharing: Arc<Sharing>,
    /// Others are to go on with the sessions of those who are done with them.
    pub(super) hands_over: AtomicBool,
    pub(super) runtime: Handle,
    /// Connections whose tools are listed again, and whether they are to be listed once more after that.
    pub(super) refreshing: Mutex<HashMap<Key, bool>>,
    pub(super) subscriber: Mutex<Option<Arc<dyn Subscriber>>>,
    /// What is connected to in tests, in place of servers.
    #[cfg(test)]
    pub(super) in_memory: Mutex<Option<Arc<super::tests::Servers>>>,
}

impl Manager {
    /// `keep_connections: false` closes a connection as soon as no call uses it. `runtime` runs everything that no
    /// call waits for; leases may be dropped on threads that know no runtime.
    #[must_use]
    pub fn new(keep_connections: bool, runtime: Handle) -> Self {
        Self::traced(keep_connections, runtime, Tracer::default())
    }

    /// The same, telling what goes on.
    #[must_use]
    pub fn traced(keep_connections: bool, runtime: Handle, tracer: Tracer) -> Self {
        let http = HttpClient::traced(tracer);
        let metrics = Arc::<Metrics>::default();
        let (tasks, closing) = (TaskTracker::new(), CancellationToken::new());
        let limits = Arc::new(Standing::new("limits"));
        let exchanged = ExchangedTokens::new(tasks.clone(), closing.clone(), Arc::clone(&metrics));
        Self(Arc::new(Inner {
            sharing: Arc::new(Sharing::new(
                tasks.clone(),
                closing.clone(),
                runtime.clone(),
            )),
            hands_over: AtomicBool::new(false),
            enterprise: Enterprise::new(
                http.clone(),
                exchanged.clone(),
                AuthorizationServers::default(),
            ),
            obo: Obo::new(http.clone(), exchanged),
            grants: Grants::new(tasks.clone(), closing.clone()),
            http,
            children: Children::default(),
            policy: Mutex::default(),
            kept_results: Arc::default(),
            pool: Mutex::default(),
            replacing: KeyedLock::default(),
            breakers: Breakers::default(),
            clearing: Flights::new(tasks.clone(), "Internal error while clearing a breaker"),
            shared_calls: SharedCalls::new(
                Arc::clone(&limits),
                tasks.clone(),
                closing.clone(),
                runtime.clone(),
            ),
            limits,
            failures: LruMap::new(KNOWN_SERVERS),
            known: LruMap::new(KNOWN_SERVERS),
            results: ResultCache::default(),
            lists: KnownLists::default(),
            tool_names: LruMap::new(KNOWN_SERVERS),
            has_wire_names: AtomicBool::new(false),
            hidden_tools: HiddenTools::new(KNOWN_SERVERS),
            task_tools: LruMap::new(KNOWN_TASKS),
            oauth: OAuth::new(tasks.clone(), closing.clone(), Arc::clone(&metrics)),
            metrics,
            turns: Turns::new(closing.clone()),
            requests: AtomicU64::default(),
            tasks,
            closing,
            calls: TaskTracker::new(),
            audits: TaskTracker::new(),
            keep_connections,
            runtime,
            refreshing: Mutex::default(),
            subscriber: Mutex::default(),
            #[cfg(test)]
            in_memory: Mutex::default(),
        }))
    }

    #[must_use]
    pub fn downgrade(&self) -> WeakManager {
        WeakManager(Arc::downgrade(&self.0))
    }

    /// Cancelled when the runtime closes; calls in flight end with it.
    #[must_use]
    pub fn closing(&self) -> &CancellationToken {
        &self.0.closing
    }

    /// The HTTP client of the runtime.
    #[must_use]
    pub fn http(&self) -> &HttpClient {
        &self.0.http
    }

    /// Whether a user's own connection to a server is open.
    #[must_use]
    pub fn has_user_connection(&self, user_id: &str, server_name: &str) -> bool {
        let key = Key {
            owner: Owner::User(Arc::from(user_id)),
            server_name: Arc::from(server_name),
        };
        let pool = self.0.pool.lock();
        pool.slots
            .get(&key)
            .is_some_and(|slot| !slot.connection.is_closed())
    }

    /// Every wait of a call ends with the call's abort and with the runtime.
    pub(super) async fn until_cancelled<T>(
        &self,
        cancel: &CancellationToken,
        work: impl Future<Output = T>,
    ) -> Result<T> {
        until_cancelled(cancel, &self.0.closing, work).await
    }

    /// Work that outlives its caller; the runtime is closed when it has ended.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        // Boxed: one kind of task for all work.
        let work: BoxFuture<'static, ()> = Box::pin(work);
        self.0.tasks.spawn_on(work, &self.0.runtime);
    }

    /// Held by a call until it has ended; none for a call that comes too late.
    #[must_use]
    pub fn begin_call(&self) -> Option<TaskTrackerToken> {
        self.takes_calls().then(|| self.0.calls.token())
    }

    #[must_use]
    pub fn takes_calls(&self) -> bool {
        !self.0.calls.is_closed()
    }

    /// Takes no more calls.
    pub fn refuse_calls(&self) {
        self.0.calls.close();
    }

    /// Waits until the calls under way have ended, after the last has been taken, or for `limit`, or until somebody closes.
    pub async fn drain(&self, limit: Duration) {
        let ended = timeout(limit, self.0.calls.wait());
        let _ = until_closed(&self.0.closing, ended).await;
    }

    /// What the shared sessions of the runtime have in common.
    #[must_use]
    pub fn sharing(&self) -> &Arc<Sharing> {
        &self.0.sharing
    }

    /// Leaves shared sessions to other processes from now on.
    pub fn hand_over(&self) {
        self.0.hands_over.store(true, Ordering::Relaxed);
    }

    /// Disconnects everything and waits until no process, socket or timer is left. May be called again.
    pub async fn close(&self) {
        self.0.closing.cancel();
        let open = self.0.pool.lock().take_all();
        for slot in &open {
            self.tell(&slot.key, Event::Closed);
        }
        // Also those that somebody still uses: their requests end with the runtime.
        let ending = open.iter().map(|slot| self.end(slot, Parting::Left));
        futures::future::join_all(ending).await;
        self.0.audits.close();
        let _ = timeout(AUDIT_LIMIT, self.0.audits.wait()).await;
        self.0.kept_results.clear();
        self.0.tasks.close();
        self.0.tasks.wait().await;
        self.0.http.close().await;
        drop(open);
        self.0.http.tracer().flush().await;
    }

    /// Ends child processes and connections without waiting for anything else: the environment that owns the runtime goes
    /// away.
    pub fn abandon(&self) {
        self.0.closing.cancel();
        self.0.children.kill_all();
        self.0.http.abandon();
        let slots = self.0.pool.lock().take_all();
        drop(slots);
        self.0.http.tracer().finish();
    }
}
