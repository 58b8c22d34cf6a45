//! What an `MCPConnection` object stands for, and for how long it is kept.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::call::Call;
use super::resource_updates::ResourceUpdates;
use crate::connection::{CallOptions, Caller, DEFAULT_INIT_TIMEOUT, Event, Params, Recipe};
use crate::error::{Code, Error, Result};
use crate::governance::PinScope;
use crate::host::Peer;
use crate::manager::{Acquire, ConnectionState, Key, Lease, Manager, Observation, Relisted};
use crate::node::engine::{JsRef, JsResult, JsThread, Scope, Value};

/// Bound on one request where the config has none.
pub const REQUEST_TIMEOUT: Duration = Duration::from_mins(1);

/// How an object is handed out.
pub struct Backing {
    pub key: Key,
    /// How to make the connection again.
    pub recipe: Arc<Recipe>,
    /// What tool calls send besides the headers of the connection.
    pub tool_headers: Option<Arc<HeaderMap>>,
    /// When the config of the connection was read, in milliseconds since the epoch.
    pub created_at: i64,
    /// Where the runtime keeps no connections, the object does.
    pub lease: Option<Lease>,
}

impl Backing {
    /// What the request has led to.
    pub fn new(manager: &Manager, request: Acquire<'_>, lease: Lease) -> Result<Self> {
        let recipe = request.recipe(manager)?;
        let headers = request.options.tool_headers;
        Ok(Self::of(manager, recipe, headers, lease))
    }

    /// What an object stands for whose connection exists already.
    pub fn existing(manager: &Manager, lease: Lease) -> Self {
        let recipe = Arc::clone(&lease.connection().recipe);
        Self::of(manager, recipe, None, lease)
    }

    fn of(
        manager: &Manager,
        recipe: Arc<Recipe>,
        tool_headers: Option<Arc<HeaderMap>>,
        lease: Lease,
    ) -> Self {
        Self {
            key: lease.key().clone(),
            recipe,
            tool_headers,
            created_at: lease.connection().recipe.made_at,
            lease: Some(lease).filter(|_| !manager.keeps_connections()),
        }
    }
}

/// What an `MCPConnection` object stands for.
pub struct Handle {
    pub key: Key,
    manager: Manager,
    thread: JsThread,
    backing: Mutex<Backing>,
    /// The last state that listeners were told.
    told: Mutex<ConnectionState>,
    /// What changed since listeners were told, a bit for each kind of [`Event`].
    changed: AtomicU16,
    /// What listeners of `toolsChanged` are told next.
    tools: Mutex<Option<Relisted>>,
    pub updates: ResourceUpdates,
    /// The object itself, where it is not left to JavaScript.
    kept: Mutex<Option<JsRef>>,
    _entry: Entry,
}

impl Handle {
    pub fn new(manager: &Manager, thread: &JsThread, backing: Backing, entry: Entry) -> Self {
        let key = backing.key.clone();
        Self {
            manager: manager.clone(),
            thread: thread.clone(),
            told: Mutex::new(manager.state(&key)),
            backing: Mutex::new(backing),
            changed: AtomicU16::new(0),
            tools: Mutex::default(),
            updates: ResourceUpdates::default(),
            kept: Mutex::default(),
            _entry: entry,
            key,
        }
    }

    pub const fn manager(&self) -> &Manager {
        &self.manager
    }

    /// The object is handed out again.
    pub fn renew(&self, backing: Backing) {
        let replaced = std::mem::replace(&mut *self.backing.lock(), backing);
        drop(replaced);
    }

    /// Keeps the object while there is a connection, or one is on its way; else it is left to JavaScript. Where the
    /// runtime keeps no connections, it always is: the connection ends with it.
    pub fn keep<'env>(&self, object: Value<'env>) -> JsResult<'env, ()> {
        let is_wanted = self.manager.keeps_connections() && self.manager.is_active(&self.key);
        let mut kept = self.kept.lock();
        if is_wanted != kept.is_some() {
            *kept = is_wanted
                .then(|| JsRef::new(&self.thread, object))
                .transpose()?;
        }
        Ok(())
    }

    /// Notes a state, and says whether it is news. Another session is, also in the state of the one before.
    pub fn note(&self, state: ConnectionState) -> bool {
        let before = std::mem::replace(&mut *self.told.lock(), state);
        state == ConnectionState::Connected || before != state
    }

    /// Notes a change, and says whether listeners have heard of the one before.
    pub fn changes(&self, event: Event) -> bool {
        self.changed.fetch_or(bit(event), Ordering::AcqRel) & bit(event) == 0
    }

    /// The same for tools that were listed anew, the last of which count.
    pub fn relisted(&self, tools: Relisted) -> bool {
        *self.tools.lock() = Some(tools);
        self.changes(Event::ToolsChanged)
    }

    /// Listeners hear of it now, with the tools that changed.
    pub fn heard(&self, event: Event) -> Option<Relisted> {
        self.changed.fetch_and(!bit(event), Ordering::AcqRel);
        let mut tools = self.tools.lock();
        tools.take_if(|_| event == Event::ToolsChanged)
    }

    pub fn state(&self) -> ConnectionState {
        let told = *self.told.lock();
        match self.manager.state(&self.key) {
            ConnectionState::Disconnected if told == ConnectionState::Error => told,
            state => state,
        }
    }

    pub fn backing<T>(&self, read: impl FnOnce(&Backing) -> T) -> T {
        read(&self.backing.lock())
    }

    pub fn recipe<T>(&self, read: impl FnOnce(&Recipe) -> T) -> T {
        self.backing(|backing| read(&backing.recipe))
    }

    pub fn options(&self, call: &Call) -> CallOptions {
        let (timeout, peer, tool_headers, pins) = self.backing(|backing| {
            let recipe = &backing.recipe;
            let peer = Peer {
                server_name: recipe.server_name.clone(),
                user_id: recipe.user_id.clone(),
                tool_name: None,
            };
            let mut tool_headers = backing.tool_headers.clone();
            if let (Some(_), Some(headers)) = (&recipe.tokens, &mut tool_headers) {
                // The connection has a newer one.
                Arc::make_mut(headers).remove(AUTHORIZATION);
            }
            let pins = PinScope::of_call(&call.host, recipe.own_rules.as_deref());
            (recipe.config.timeout, peer, tool_headers, pins)
        });
        let host = call.host.server_requests.clone();
        CallOptions {
            deadline: Instant::now() + timeout.unwrap_or(REQUEST_TIMEOUT),
            cancel: call.cancel.clone(),
            headers: None,
            tool_headers,
            progress: None,
            caller: Some(Caller { peer, host }),
            kept: None,
            trace: call.host.trace.clone(),
            pins,
            sent_id: None,
        }
    }

    /// A request of the caller over the connection, for metrics and spans.
    pub fn observe(&self, call: &Call, method: &str, params: Params<'_>) -> Observation {
        let user_id = self.key.owner.user_id();
        let server_name = &self.key.server_name;
        Observation::begin((method, params), server_name, user_id, &call.host.logger)
    }

    pub fn lease(&self) -> Result<Lease> {
        self.manager
            .existing(&self.key)
            .ok_or_else(|| Error::new(Code::ConnectionLost, "Not connected"))
    }

    pub async fn connect(&self, call: &Call) -> Result<()> {
        // What is there was made later than this object was handed out, if from anything else.
        let recipe = match self.manager.existing(&self.key) {
            Some(lease) => Arc::clone(&lease.connection().recipe),
            None => self.backing(|backing| Arc::clone(&backing.recipe)),
        };
        let limit = recipe.config.init_timeout.unwrap_or(DEFAULT_INIT_TIMEOUT);
        let options = CallOptions::new(Instant::now() + limit, call.cancel.clone());
        let request = Acquire::new(self.key.clone(), recipe, options);
        let lease = self.manager.acquire(&request).await?;
        let kept = Some(lease).filter(|_| !self.manager.keeps_connections());
        let replaced = std::mem::replace(&mut self.backing.lock().lease, kept);
        drop(replaced);
        Ok(())
    }

    pub async fn disconnect(&self) {
        let lease = self.backing.lock().lease.take();
        self.manager.disconnect(&self.key).await;
        drop(lease);
    }
}

const fn bit(event: Event) -> u16 {
    1 << event as u16
}

/// One object for each owner and server. It is known for as long as JavaScript has it, and kept for its listeners while
/// there is a connection, or one is on its way.
#[derive(Clone, Default)]
pub struct Connections(Arc<KnownObjects>);

type KnownObjects = Mutex<HashMap<Key, Known>>;

struct Known {
    /// Weak.
    object: Arc<JsRef>,
    handle: Weak<Handle>,
}

/// Forgets an object when JavaScript has let go of it and of its functions.
pub struct Entry {
    key: Key,
    objects: Weak<KnownObjects>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let Some(objects) = self.objects.upgrade() else {
            return;
        };
        let mut known = objects.lock();
        // Another object may have taken the place.
        let is_gone = |known: &Known| known.handle.strong_count() == 0;
        let removed = known
            .get(&self.key)
            .is_some_and(is_gone)
            .then(|| known.remove(&self.key));
        drop(known);
        drop(removed);
    }
}

impl Connections {
    pub fn known<'env>(&self, scope: Scope<'env>, key: &Key) -> Option<(Value<'env>, Arc<Handle>)> {
        let (object, handle) = {
            let known = self.0.lock();
            let known = known.get(key)?;
            (Arc::clone(&known.object), known.handle.upgrade()?)
        };
        Some((object.get(scope).present()?, handle))
    }

    /// Which connection an object stands for, if it was handed out here.
    pub fn key_of(&self, object: Value<'_>) -> Option<Key> {
        let known: Vec<_> = {
            let known = self.0.lock();
            let known = known.iter();
            known
                .map(|(key, known)| (key.clone(), Arc::clone(&known.object)))
                .collect()
        };
        let object = object.present()?;
        let mut found = known
            .into_iter()
            .filter(|(_, known)| known.get(object.scope()).equals(object));
        found.next().map(|(key, _)| key)
    }

    /// The place of an object that is about to be made.
    pub fn entry(&self, key: &Key) -> Entry {
        Entry {
            key: key.clone(),
            objects: Arc::downgrade(&self.0),
        }
    }

    /// `object` is the one of the handle, and kept weakly.
    pub fn add<'env>(&self, handle: &Arc<Handle>, object: Value<'env>) -> JsResult<'env, ()> {
        let known = Known {
            object: Arc::new(JsRef::weak(&handle.thread, object)?),
            handle: Arc::downgrade(handle),
        };
        let replaced = self.0.lock().insert(handle.key.clone(), known);
        drop(replaced);
        Ok(())
    }

    pub fn handle(&self, key: &Key) -> Option<Arc<Handle>> {
        self.0.lock().get(key)?.handle.upgrade()
    }
}
