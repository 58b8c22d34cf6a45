//! `runtime.MCPManager` and `runtime.MCPConnection`: the static functions that LibreChat calls, bound to one runtime.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::call::Call;
use super::catalog_recovery::InstanceOptions;
use super::initialize::{Configured, initialize};
use super::methods::{Invocation, Method, set_methods};
use super::state::RuntimeState;
use crate::error::Code;
use crate::manager::{Key, Manager, Owner};
use crate::node::engine::{JsRef, JsResult, Scope, Thrown, Value};
use crate::node::marshal::to_js::WithMembers;

/// `runtime.MCPManager`: the statics, bound to this runtime. `createInstance` brings the registry to what is configured.
pub fn manager_statics<'env>(
    scope: Scope<'env>,
    shared: &Arc<RuntimeState>,
    manager: Value<'env>,
) -> JsResult<'env> {
    let instance = Arc::new(Instance {
        manager: JsRef::new(&shared.thread, manager)?,
        is_created: AtomicBool::new(false),
    });
    set_methods(scope.object()?, shared, &instance, MANAGER)
}

const MANAGER: &[Method<Arc<Instance>>] = &[
    Method::new("createInstance", create_instance),
    Method::new("getInstance", get_instance),
];

/// The one instance of `MCPManager`.
struct Instance {
    manager: JsRef,
    is_created: AtomicBool,
}

/// `(configs, options?)`
fn create_instance<'env>(invocation: &Invocation<'env, Arc<Instance>>) -> JsResult<'env> {
    let (runtime, scope) = (&invocation.runtime, invocation.scope);
    let instance = Arc::clone(&invocation.target);
    let prepared = (|| {
        if instance.is_created.load(Ordering::Relaxed) {
            return Err(already_initialized(scope)?);
        }
        let options = InstanceOptions::read(invocation.object(1))?;
        let configured = Configured::read(&runtime.thread, invocation.values.first().copied())?;
        // Not before: a call that is refused for its arguments may be made again with right ones.
        instance.is_created.store(true, Ordering::Relaxed);
        runtime.catalog_recovery.begin(&options);
        let work = |_: Manager, call: Arc<Call>| async move { initialize(&call, configured).await };
        Ok((invocation.call()?, work))
    })();
    invocation.run_with(prepared, move |scope, _, ()| {
        Ok(instance.manager.get(scope))
    })
}

fn get_instance<'env>(invocation: &Invocation<'env, Arc<Instance>>) -> JsResult<'env> {
    let (instance, scope) = (&invocation.target, invocation.scope);
    if instance.is_created.load(Ordering::Relaxed) {
        return Ok(instance.manager.get(scope));
    }
    Err(Thrown(
        scope.error("Error", "MCPManager has not been initialized."),
    ))
}

/// LibreChat's text, with the `code` that every error has.
fn already_initialized(scope: Scope<'_>) -> JsResult<'_, Thrown<'_>> {
    let error = scope.error("Error", "MCPManager has already been initialized.");
    let error = error.with("code", Code::InvalidArgument.as_str())?;
    error.with("retryable", false).map(Thrown)
}

/// `runtime.MCPConnection`: the statics that LibreChat calls.
pub fn connection_statics<'env>(scope: Scope<'env>, shared: &Arc<RuntimeState>) -> JsResult<'env> {
    set_methods(scope.object()?, shared, &(), CONNECTION)
}

const CONNECTION: &[Method] = &[
    Method::new("clearCooldown", |invocation| {
        if let Some(key) = breaker_key(invocation) {
            let host = invocation.call()?.host;
            let (manager, limits) = (&invocation.runtime.manager, host.limits.as_ref());
            manager.clear_cooldown(&key, limits, &host.logger);
        }
        Ok(invocation.scope.undefined())
    }),
    Method::new("decrementCycleCount", |invocation| {
        if let Some(key) = breaker_key(invocation) {
            invocation.runtime.manager.decrement_cycle_count(&key);
        }
        Ok(invocation.scope.undefined())
    }),
];

/// `(serverName, userId?)`; without a user the breaker of the shared connection only.
fn breaker_key(invocation: &Invocation<'_>) -> Option<Key> {
    let user_id = invocation.text(1);
    let owner = user_id.map_or(Owner::App, |user_id| Owner::user(&user_id));
    Some(Key::new(owner, &invocation.text(0)?))
}
