//! One call into the runtime, seen from JavaScript: its `AsyncLocalStorage` context, its parameters, its log.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::listeners::Listeners;
use super::log_buffer::{LogBuffer, OF_RUNTIME};
use super::raw_configs::RawConfigs;
use crate::log_room::Room;
use crate::node::engine::{Helper, JsRef, JsResult, JsThread, Scope, Thrown, Value};
use crate::telemetry::Metrics;

/// What a runtime keeps of JavaScript's built-in objects. Taken at creation, so that later changes of globals do not
/// matter.
pub struct JsEnvironment {
    async_resource: JsRef,
    /// The `AsyncLocalStorage` context that the runtime was made in: no user's.
    pub outside: Context,
    pub abort_controller: JsRef,
    event_emitter: JsRef,
    /// The number of each `requestScopedConnections` that was seen.
    pub requests: JsRef,
    pub listeners: Listeners,
    /// Those of the runtime.
    pub metrics: Arc<Metrics>,
    /// What waits for the logger, of all calls.
    pub log: Room,
    /// Whether the host's token methods were seen not to know `metadataCredentialSetId`.
    pub ignores_credential_sets: Arc<AtomicBool>,
    /// What the registry gave.
    pub configs: RawConfigs,
}

impl JsEnvironment {
    pub fn new<'env>(
        thread: &JsThread,
        host: Value<'env>,
        metrics: Arc<Metrics>,
    ) -> JsResult<'env, Self> {
        let scope = host.scope();
        let global = scope.global()?;
        let process = global.get("process")?;
        let built_in = process.get("getBuiltinModule")?;
        if !built_in.is_function() {
            return Err(Thrown(scope.error(
                "Error",
                "librechat-mcp-native needs Node.js 20.19 or newer",
            )));
        }
        let hooks = built_in.call(process, &[scope.string("node:async_hooks")?])?;
        let events = built_in.call(process, &[scope.string("node:events")?])?;
        let async_resource = JsRef::new(thread, hooks.get("AsyncResource")?)?;
        let channels = built_in.call(process, &[scope.string("node:diagnostics_channel")?])?;
        Ok(Self {
            listeners: Listeners::new(thread, channels, host)?,
            log: Room::new(OF_RUNTIME),
            outside: Context::new(thread, scope, &async_resource)?,
            abort_controller: JsRef::new(thread, global.get("AbortController")?)?,
            async_resource,
            event_emitter: JsRef::new(thread, events)?,
            requests: JsRef::new(thread, global.get("WeakMap")?.construct(&[])?)?,
            metrics,
            ignores_credential_sets: Arc::default(),
            configs: RawConfigs::default(),
        })
    }

    /// The `AsyncLocalStorage` context of now.
    pub fn context<'env>(&self, thread: &JsThread, scope: Scope<'env>) -> JsResult<'env, Context> {
        Context::new(thread, scope, &self.async_resource)
    }

    /// A new `EventEmitter`.
    pub fn event_emitter<'env>(&self, scope: Scope<'env>) -> JsResult<'env> {
        self.event_emitter.get(scope).construct(&[])
    }
}

/// An `AsyncResource`, which costs half of what `AsyncLocalStorage.snapshot()` does.
pub struct Context(JsRef);

impl Context {
    fn new<'env>(thread: &JsThread, scope: Scope<'env>, class: &JsRef) -> JsResult<'env, Self> {
        let name = scope.string("librechat-mcp-native")?;
        let resource = class.get(scope).construct(&[name])?;
        Ok(Self(JsRef::new(thread, resource)?))
    }

    /// Calls a function there.
    pub fn apply<'env>(
        &self,
        function: Value<'env>,
        this: Value<'env>,
        arguments: &[Value<'env>],
    ) -> JsResult<'env> {
        let resource = self.0.get(function.scope());
        let run = function.scope().helper(Helper::RunInAsyncScope)?;
        run.call(resource, &[&[function, this], arguments].concat())
    }
}

/// Shared by everything that works for one call, or for the connection that the call created.
pub struct CallContext {
    pub thread: JsThread,
    pub log: LogBuffer,
    pub realm: Arc<JsEnvironment>,
    /// The host services, as given to `createMCPRuntime`.
    host: Arc<JsRef>,
    /// That of the call.
    local: Context,
}

impl CallContext {
    pub fn new<'env>(
        thread: &JsThread,
        realm: &Arc<JsEnvironment>,
        host: &Arc<JsRef>,
        scope: Scope<'env>,
    ) -> JsResult<'env, Self> {
        realm.listeners.look(scope);
        Ok(Self {
            thread: thread.clone(),
            log: LogBuffer::default(),
            realm: Arc::clone(realm),
            host: Arc::clone(host),
            local: realm.context(thread, scope)?,
        })
    }

    pub fn host<'env>(&self, scope: Scope<'env>) -> Value<'env> {
        self.host.get(scope)
    }

    pub fn keep<'env>(&self, value: Value<'env>) -> JsResult<'env, Arc<JsRef>> {
        JsRef::new(&self.thread, value).map(Arc::new)
    }

    pub fn keep_present<'env>(
        &self,
        value: Option<Value<'env>>,
    ) -> JsResult<'env, Option<Arc<JsRef>>> {
        value.map(|value| self.keep(value)).transpose()
    }

    /// Keeps a function; anything else is none.
    pub fn keep_function<'env>(&self, value: Value<'env>) -> JsResult<'env, Option<Arc<JsRef>>> {
        self.keep_present(value.is_function().then_some(value))
    }

    /// Calls a function of the host in the context of the call.
    pub fn apply<'env>(
        &self,
        function: Value<'env>,
        this: Value<'env>,
        arguments: &[Value<'env>],
    ) -> JsResult<'env> {
        self.local.apply(function, this, arguments)
    }
}
