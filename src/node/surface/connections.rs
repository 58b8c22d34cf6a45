//! The `MCPConnection` objects that are handed out, and what their listeners hear.

use std::sync::Arc;

use super::connection;
use super::handle::{Backing, Connections, Handle};
use super::resource_subscriptions::subscribe_again;
use super::resource_updates::Noted;
use super::state::RuntimeState;
use crate::connection::Event;
use crate::manager::{ConnectionState, Key, Relisted, Subscriber};
use crate::node::engine::{JsRef, JsResult, JsThread, Scope, Value};
use crate::node::marshal::context::{CallContext, JsEnvironment};
use crate::node::marshal::to_js::WithMembers;

/// The object of a connection: the one that was handed out before, else a new one.
pub fn object<'env>(
    shared: &Arc<RuntimeState>,
    scope: Scope<'env>,
    backing: Backing,
) -> JsResult<'env> {
    let objects = &shared.connections;
    if let Some((object, handle)) = objects.known(scope, &backing.key) {
        connection::describe(object, &backing)?;
        handle.renew(backing);
        handle.keep(object)?;
        return Ok(object);
    }
    let entry = objects.entry(&backing.key);
    let handle = Arc::new(Handle::new(&shared.manager, &shared.thread, backing, entry));
    let object = connection::create(scope, shared, &handle)?;
    objects.add(&handle, object)?;
    handle.keep(object)?;
    shared.manager.hear_lists(&handle.key);
    Ok(object)
}

/// A `Map` of the open connections among these.
pub fn connection_map<'env>(
    shared: &Arc<RuntimeState>,
    scope: Scope<'env>,
    keys: &[Key],
) -> JsResult<'env> {
    let manager = &shared.manager;
    let open = keys.iter().filter_map(|key| {
        let lease = manager.existing(key)?;
        Some(Backing::existing(manager, lease))
    });
    map_of(shared, scope, open)
}

/// A real `Map` of objects by server name.
pub fn map_of<'env>(
    shared: &Arc<RuntimeState>,
    scope: Scope<'env>,
    found: impl IntoIterator<Item = Backing>,
) -> JsResult<'env> {
    let map = scope.global()?.get("Map")?.construct(&[])?;
    let set = map.get("set")?;
    for backing in found {
        let name = scope.string(&backing.key.server_name)?;
        let object = object(shared, scope, backing)?;
        set.call(map, &[name, object])?;
    }
    Ok(map)
}

/// Emits what happens to connections on their objects.
pub fn watch(shared: &RuntimeState) {
    shared.manager.subscribe(Arc::new(Emitter {
        objects: shared.connections.clone(),
        thread: shared.thread.clone(),
        realm: Arc::clone(&shared.realm),
        host: Arc::clone(&shared.host),
    }));
}

/// Hears of everything that happens to connections.
struct Emitter {
    objects: Connections,
    thread: JsThread,
    realm: Arc<JsEnvironment>,
    host: Arc<JsRef>,
}

impl Emitter {
    fn emit(&self, handle: &Arc<Handle>, event: Event, is_news: bool) {
        let handle = Arc::clone(handle);
        let objects = self.objects.clone();
        let (realm, host) = (Arc::clone(&self.realm), Arc::clone(&self.host));
        let own = self.thread.clone();
        self.thread.post(move |scope| {
            let tools = handle.heard(event);
            let Some((object, handle)) = objects.known(scope, &handle.key) else {
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
        let Some(handle) = self.objects.handle(key) else {
            return;
        };
        match event {
            Event::Connected => subscribe_again(&handle),
            Event::Closed => handle.updates.end_subscriptions(),
            _ => {}
        }
        let is_news = match state_after(event) {
            Some(state) => handle.note(state),
            // A server may announce changes faster than listeners hear of them.
            None if handle.changes(event) => true,
            None => return,
        };
        self.emit(&handle, event, is_news);
    }

    fn hears_tools(&self, key: &Key) -> bool {
        self.objects.handle(key).is_some()
    }

    fn tools(&self, key: &Key, tools: Relisted) {
        if let Some(handle) = self.objects.handle(key)
            && handle.relisted(tools)
        {
            self.emit(&handle, Event::ToolsChanged, true);
        }
    }

    fn resource_updated(&self, key: &Key, uri: &str) {
        let Some(handle) = self.objects.handle(key) else {
            return;
        };
        match handle.updates.note(uri) {
            Noted::First => {}
            Noted::Waiting | Noted::Dropped(None) => return,
            Noted::Dropped(Some(dropped)) => {
                let (prefix, logger) = handle.recipe(|it| (it.log_prefix(), it.logger.clone()));
                return logger.warn(format!(
                    "{prefix} The server tells of updated resources faster than listeners hear of them; dropped: {dropped}"
                ));
            }
        }
        let objects = self.objects.clone();
        let (realm, host) = (Arc::clone(&self.realm), Arc::clone(&self.host));
        let own = self.thread.clone();
        self.thread.post(move |scope| {
            let updated = handle.updates.heard();
            let known = objects.known(scope, &handle.key);
            let context = CallContext::new(&own, &realm, &host, scope);
            if let (Some((object, _)), Ok(context)) = (known, context) {
                let context = Arc::new(context);
                for uri in updated {
                    let argument = || Ok(vec![scope.object()?.with("uri", &uri)?]);
                    inform(&context, object, "resourceUpdated", argument);
                }
            }
        });
    }
}

const fn state_after(event: Event) -> Option<ConnectionState> {
    match event {
        Event::Connecting => Some(ConnectionState::Connecting),
        Event::Connected => Some(ConnectionState::Connected),
        Event::Failed | Event::Lost | Event::Conflicted => Some(ConnectionState::Error),
        Event::Closed => Some(ConnectionState::Disconnected),
        Event::ToolsChanged
        | Event::ResourcesChanged
        | Event::PromptsChanged
        | Event::Superseded => None,
    }
}

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
    inform(context, object, name, arguments);
}

/// Calls the listeners one by one: `emit` ends with the first that throws, and does not hear of one that rejects.
fn inform<'env>(
    context: &Arc<CallContext>,
    object: Value<'env>,
    name: &'static str,
    arguments: impl Fn() -> JsResult<'env, Vec<Value<'env>>>,
) {
    let scope = object.scope();
    let listeners = || {
        let listeners = object.get("rawListeners")?;
        listeners.call(object, &[scope.string(name)?])?.elements()
    };
    // Whoever has made the object another than it was hears nothing.
    for listener in listeners().unwrap_or_default() {
        context.inform(scope, name, || listener.call(object, &arguments()?));
    }
}
