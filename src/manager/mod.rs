//! Whose connection is it: app-level connections that all users share, and each user's own.

mod acquire;
mod attempt;
mod authorize;
mod call_tool;
mod content;
mod directory;
mod discover;
mod format;
mod idle;
mod inspect;
mod instructions;
mod live;
mod names;
mod obo;
mod observe;
mod pool;
mod publish;
mod refresh;
mod renewal;
mod request;
mod schema;
mod scope;
mod watch;

pub use acquire::Acquire;
pub use authorize::{Asked, Consent, Issued};
pub use call_tool::CallTool;
pub use content::{Item, ToolContent, format_content};
pub use directory::{ConnectionState, ConnectionStats};
pub use discover::{Discover, Discovered};
pub use format::Lacking;
pub use inspect::{Inspect, Inspection, NotInspected};
pub use instructions::format_instructions;
pub use names::Naming;
pub use obo::{OboCall, with_bearer};
pub use pool::Lease;
pub use publish::{Publication, Reading, Snapshot, generation_of, publish_tools};
pub use refresh::Relisted;
pub use request::Disposal;
pub use scope::{CallScope, HeaderTokens, ServerScope, may_be_shared, registered_config, template};
pub use watch::Subscriber;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Weak};

use futures::future::BoxFuture;
use moka::sync::Cache;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connection::{Breakers, Event, Known};
use crate::network::{HttpClient, Policy};
use crate::oauth::OAuth;
use crate::obo::Obo;
use crate::telemetry::Metrics;
use crate::transport::stdio::Children;
use names::KnownNames;
use pool::Pool;

/// Servers whose protocol generation is remembered.
const KNOWN_SERVERS: u64 = 10_000;

/// Whose connection, to which server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    pub owner: Owner,
    pub server_name: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Owner {
    /// Shared by all users.
    App,
    User(Arc<str>),
    /// One user's, for one chat request, whose fields the connection depends on.
    Request {
        user: Arc<str>,
        id: u64,
    },
}

impl Owner {
    #[must_use]
    pub fn user_id(&self) -> Option<&str> {
        match self {
            Self::App => None,
            Self::User(id) | Self::Request { user: id, .. } => Some(id),
        }
    }
}

impl Owner {
    /// A user's requests end with the user.
    pub(crate) fn belongs_to(&self, owner: &Self) -> bool {
        self == owner || matches!(owner, Self::User(id) if self.user_id() == Some(id))
    }
}

/// All connections of one runtime. Cheap to clone.
#[derive(Clone)]
pub struct Manager(Arc<Inner>);

/// A reference that keeps nothing open.
pub struct WeakManager(Weak<Inner>);

impl WeakManager {
    /// [`Manager::abandon`], if the manager is still there.
    pub fn abandon(&self) {
        if let Some(inner) = self.0.upgrade() {
            Manager(inner).abandon();
        }
    }
}

struct Inner {
    http: HttpClient,
    children: Children,
    pool: Mutex<Pool>,
    breakers: Breakers<Key>,
    /// By endpoint.
    known: Cache<String, Known>,
    /// Of the connection made last. Most are made under the same rules, and share them.
    policy: Mutex<Option<Policy>>,
    oauth: OAuth,
    obo: Obo,
    tool_names: KnownNames,
    /// There were any.
    has_wire_names: AtomicBool,
    metrics: Arc<Metrics>,
    /// The last number that a request was given.
    requests: AtomicU64,
    /// Attempts, closings and timers; the runtime is closed when they have ended.
    tasks: TaskTracker,
    closing: CancellationToken,
    keep_connections: bool,
    runtime: Handle,
    /// Connections whose tools are listed again, and whether they are to be listed once more after that.
    refreshing: Mutex<HashMap<Key, bool>>,
    subscriber: Mutex<Option<Arc<dyn Subscriber>>>,
}

impl Manager {
    /// `keep_connections: false` closes a connection as soon as no call uses it. `runtime` runs everything that no
    /// call waits for; leases may be dropped on threads that know no runtime.
    #[must_use]
    pub fn new(keep_connections: bool, runtime: Handle) -> Self {
        let http = HttpClient::new();
        let metrics = Arc::<Metrics>::default();
        let (tasks, closing) = (TaskTracker::new(), CancellationToken::new());
        Self(Arc::new(Inner {
            obo: Obo::new(
                http.clone(),
                tasks.clone(),
                closing.clone(),
                Arc::clone(&metrics),
            ),
            http,
            children: Children::default(),
            policy: Mutex::default(),
            pool: Mutex::default(),
            breakers: Breakers::default(),
            known: Cache::new(KNOWN_SERVERS),
            tool_names: Cache::new(KNOWN_SERVERS),
            has_wire_names: AtomicBool::new(false),
            oauth: OAuth::new(tasks.clone(), closing.clone(), Arc::clone(&metrics)),
            metrics,
            requests: AtomicU64::default(),
            tasks,
            closing,
            keep_connections,
            runtime,
            refreshing: Mutex::default(),
            subscriber: Mutex::default(),
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

    /// Work that outlives its caller; the runtime is closed when it has ended.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        // Boxed: one kind of task for all work.
        let work: BoxFuture<'static, ()> = Box::pin(work);
        self.0.tasks.spawn_on(work, &self.0.runtime);
    }

    /// Disconnects everything and waits until no process, socket or timer is left. May be called again.
    pub async fn close(&self) {
        self.0.closing.cancel();
        let open = self.0.pool.lock().take_all();
        for slot in &open {
            self.tell(&slot.key, Event::Closed);
        }
        // Also those that somebody still uses: their requests end with the runtime.
        futures::future::join_all(open.iter().map(|slot| self.end(slot))).await;
        self.0.tasks.close();
        self.0.tasks.wait().await;
        self.0.http.close().await;
    }

    /// Ends child processes without waiting for anything else: the environment that owns the runtime goes away.
    pub fn abandon(&self) {
        self.0.closing.cancel();
        self.0.children.kill_all();
    }
}
