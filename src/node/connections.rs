//! The `MCPConnection` objects that were handed out.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::call::{CallContext, Realm};
use super::calls::Shared;
use super::connection;
use super::handle::{Handle, Held};
use super::js::{JsResult, Scope, Value};
use super::thread::{JsRef, JsThread};
use crate::connection::Event;
use crate::manager::{ConnectionState, Key, Relisted, Subscriber};

/// One object for each owner and server. It is known for as long as JavaScript has it, and kept for its listeners while
/// there is a connection, or one is on its way.
#[derive(Default)]
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
    /// The object of a connection: the one that was handed out before, else a new one.
    pub fn object<'env>(
        &self,
        scope: Scope<'env>,
        shared: &Arc<Shared>,
        held: Held,
    ) -> JsResult<'env> {
        if let Some((object, handle)) = self.known(scope, &held.key) {
            connection::describe(object, &held)?;
            handle.renew(held);
            handle.keep(object)?;
            return Ok(object);
        }
        let key = held.key.clone();
        let entry = Entry {
            key: key.clone(),
            objects: Arc::downgrade(&self.0),
        };
        let handle = Arc::new(Handle::new(shared, held, entry));
        let object = connection::create(scope, shared, &handle)?;
        let known = Known {
            object: Arc::new(JsRef::weak(&shared.thread, object)?),
            handle: Arc::downgrade(&handle),
        };
        let replaced = self.0.lock().insert(key, known);
        drop(replaced);
        handle.keep(object)?;
        Ok(object)
    }

    fn known<'env>(&self, scope: Scope<'env>, key: &Key) -> Option<(Value<'env>, Arc<Handle>)> {
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

    /// Emits what happens to connections on their objects.
    pub fn watch(&self, shared: &Arc<Shared>) {
        shared.manager.subscribe(Arc::new(Emitter {
            objects: Arc::clone(&self.0),
            thread: shared.thread.clone(),
            realm: Arc::clone(&shared.realm),
            host: Arc::clone(&shared.host),
        }));
    }
}

/// Hears of everything that happens to connections.
struct Emitter {
    objects: Arc<KnownObjects>,
    thread: JsThread,
    realm: Arc<Realm>,
    host: Arc<JsRef>,
}

impl Emitter {
    fn handle(&self, key: &Key) -> Option<Arc<Handle>> {
        self.objects.lock().get(key)?.handle.upgrade()
    }

    fn emit(&self, handle: &Arc<Handle>, event: Event, is_news: bool) {
        let handle = Arc::clone(handle);
        let this = Connections(Arc::clone(&self.objects));
        let (realm, host) = (Arc::clone(&self.realm), Arc::clone(&self.host));
        let own = self.thread.clone();
        self.thread.post(move |scope| {
            let tools = handle.heard(event);
            let Some((object, handle)) = this.known(scope, &handle.key) else {
                return;
            };
            if is_news && let Ok(context) = CallContext::new(&own, &realm, &host, scope) {
                tell(&Arc::new(context), object, event, tools.as_ref());
            }
            // It cannot fail but at the end of the environment, where nothing is kept any more.
            let _ = handle.keep(object);
        });
    }
}

impl Subscriber for Emitter {
    fn notice(&self, key: &Key, event: Event) {
        let Some(handle) = self.handle(key) else {
            return;
        };
        let is_news = match state_after(event) {
            Some(state) => handle.note(state),
            // A server may announce changes faster than listeners hear of them.
            None if handle.changes(event) => true,
            None => return,
        };
        self.emit(&handle, event, is_news);
    }

    fn hears_tools(&self, key: &Key) -> bool {
        self.handle(key).is_some()
    }

    fn tools(&self, key: &Key, tools: Relisted) {
        if let Some(handle) = self.handle(key)
            && handle.relisted(tools)
        {
            self.emit(&handle, Event::ToolsChanged, true);
        }
    }
}

const fn state_after(event: Event) -> Option<ConnectionState> {
    match event {
        Event::Connecting => Some(ConnectionState::Connecting),
        Event::Connected => Some(ConnectionState::Connected),
        Event::Failed | Event::Lost | Event::Conflicted => Some(ConnectionState::Error),
        Event::Closed => Some(ConnectionState::Disconnected),
        Event::ToolsChanged | Event::ResourcesChanged | Event::PromptsChanged => None,
    }
}

/// Calls the listeners one by one: `emit` ends with the first that throws, and does not hear of one that rejects.
fn tell<'env>(
    context: &Arc<CallContext>,
    object: Value<'env>,
    event: Event,
    tools: Option<&Relisted>,
) {
    let scope = object.scope();
    let name = match event {
        Event::ToolsChanged => "toolsChanged",
        Event::ResourcesChanged => "resourcesChanged",
        Event::PromptsChanged => "promptsChanged",
        _ => "connectionChange",
    };
    let listeners = || {
        let listeners = object.get("rawListeners")?;
        listeners.call(object, &[scope.string(name)?])?.elements()
    };
    let arguments = || -> JsResult<'env, Vec<Value<'env>>> {
        Ok(match (state_after(event), tools) {
            (Some(state), _) => vec![scope.string(state.as_str())?],
            (None, Some(Relisted { tools, revision })) => vec![
                scope.tools(tools)?,
                scope.optional_string(revision.as_deref())?,
            ],
            (None, None) => Vec::new(),
        })
    };
    // Whoever has made the object another than it was hears nothing.
    for listener in listeners().unwrap_or_default() {
        context.inform(scope, name, || listener.call(object, &arguments()?));
    }
}
