//! Whose connection is it: app-level connections that all users share, and each user's own.

mod acquire;
mod attempt;
mod call_tool;
mod content;
mod directory;
mod discover;
mod format;
mod idle;
mod obo;
mod pool;
mod scope;
mod watch;

pub use acquire::Acquire;
pub use call_tool::CallTool;
pub use content::{ToolContent, format_content};
pub use directory::{ConnectionState, ConnectionStats};
pub use discover::Discover;
pub use format::format_tools;
pub use obo::{OboCall, with_bearer};
pub use pool::Lease;
pub use scope::{CallScope, ServerScope};
pub use watch::Subscriber;

use std::collections::HashSet;
use std::sync::Arc;

use moka::sync::Cache;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connection::{Breakers, Generation};
use crate::network::HttpClient;
use crate::obo::Obo;
use crate::transport::stdio::Children;
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
}

impl Owner {
    #[must_use]
    pub fn user_id(&self) -> Option<&str> {
        match self {
            Self::App => None,
            Self::User(id) => Some(id),
        }
    }
}

/// All connections of one runtime. Cheap to clone.
#[derive(Clone)]
pub struct Manager(Arc<Inner>);

struct Inner {
    http: HttpClient,
    children: Children,
    pool: Mutex<Pool>,
    breakers: Breakers<Key>,
    generations: Cache<String, Generation>,
    obo: Obo,
    /// Attempts, closings and timers; the runtime is closed when they have ended.
    tasks: TaskTracker,
    closing: CancellationToken,
    keep_connections: bool,
    /// Connections whose tools are about to be listed again.
    refreshing: Mutex<HashSet<Key>>,
    subscriber: Mutex<Option<Subscriber>>,
}

impl Manager {
    /// `keep_connections: false` closes a connection as soon as no call uses it.
    #[must_use]
    pub fn new(keep_connections: bool) -> Self {
        let (http, tasks, closing) = (
            HttpClient::new(),
            TaskTracker::new(),
            CancellationToken::new(),
        );
        Self(Arc::new(Inner {
            obo: Obo::new(http.clone(), tasks.clone(), closing.clone()),
            http,
            children: Children::default(),
            pool: Mutex::default(),
            breakers: Breakers::default(),
            generations: Cache::new(KNOWN_SERVERS),
            tasks,
            closing,
            keep_connections,
            refreshing: Mutex::default(),
            subscriber: Mutex::default(),
        }))
    }

    /// Cancelled when the runtime closes; calls in flight end with it.
    #[must_use]
    pub fn closing(&self) -> &CancellationToken {
        &self.0.closing
    }

    /// Disconnects everything and waits until no process, socket or timer is left. May be called again.
    pub async fn close(&self) {
        self.0.closing.cancel();
        for slot in self.0.pool.lock().take_all() {
            self.retire(&slot);
        }
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
