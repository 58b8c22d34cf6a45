//! `runtime.MCPManager` and `runtime.MCPConnection`: the static functions that LibreChat calls, bound to one runtime.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::call::Call;
use super::catalog_recovery::InstanceOptions;
use super::initialize::{Configured, initialize};
use super::methods::{Method, set_methods};
use super::state::RuntimeState;
use crate::error::Code;
use crate::manager::{Key, Manager, Owner};
use crate::node::engine::{JsRef, JsResult, Scope, Thrown, Value};
use crate::node::marshal::convert::text_argument;
use crate::node::marshal::to_js::WithMembers;

/// `runtime.MCPManager`: the statics, bound to this runtime. `createInstance` brings the registry to what is configured.
pub fn manager_statics<'env>(
    scope: Scope<'env>,
    shared: &Arc<RuntimeState>,
    manager: Value<'env>,
) -> JsResult<'env> {
    let object = scope.object()?;
    let manager = Arc::new(JsRef::new(&shared.thread, manager)?);
    let created = Arc::new(AtomicBool::new(false));
    let (instance, first) = (Arc::clone(&manager), Arc::clone(&created));
    let all = Arc::clone(shared);
    object.with_function("createInstance", move |scope, _, arguments| {
        let prepared = (|| {
            if first.load(Ordering::Relaxed) {
                return Err(already_initialized(scope)?);
            }
            let options = InstanceOptions::read(arguments.get(1).copied())?;
            let configured = Configured::read(&all.thread, arguments.first().copied())?;
            // Not before: a call that is refused for its arguments may be made again with right ones.
            first.store(true, Ordering::Relaxed);
            all.catalog_recovery.begin(&options);
            let work =
                |_: Manager, call: Arc<Call>| async move { initialize(&call, configured).await };
            Ok((all.call(scope, None)?, work))
        })();
        let instance = Arc::clone(&instance);
        all.run(scope, prepared, move |scope, _, ()| Ok(instance.get(scope)))
    })?;
    object.with_function("getInstance", move |scope, _, _| {
        if created.load(Ordering::Relaxed) {
            return Ok(manager.get(scope));
        }
        Err(Thrown(
            scope.error("Error", "MCPManager has not been initialized."),
        ))
    })?;
    Ok(object)
}

/// LibreChat's text, with the `code` that every error has.
fn already_initialized(scope: Scope<'_>) -> JsResult<'_, Thrown<'_>> {
    let error = scope.error("Error", "MCPManager has already been initialized.");
    let error = error.with("code", Code::InvalidArgument.as_str())?;
    error.with("retryable", false).map(Thrown)
}

/// `runtime.MCPConnection`: the statics that LibreChat calls.
pub fn connection_statics<'env>(scope: Scope<'env>, shared: &Arc<RuntimeState>) -> JsResult<'env> {
    let object = scope.object()?;
    set_methods(
        object,
        shared,
        &[
            Method::new("clearCooldown", clear_cooldown),
            Method::new("decrementCycleCount", decrement_cycle_count),
        ],
    )?;
    Ok(object)
}

/// `(serverName, userId?)`; without a user the breaker of the shared connection only.
fn breaker_key(arguments: &[Value<'_>]) -> Option<Key> {
    let text = |index| text_argument(arguments, index);
    let owner = text(1).map_or(Owner::App, |user_id| Owner::User(Arc::from(user_id)));
    Some(Key {
        owner,
        server_name: Arc::from(text(0)?),
    })
}

#[expect(clippy::unnecessary_wraps, reason = "the body of a `Method`")]
fn clear_cooldown<'env>(
    shared: &Arc<RuntimeState>,
    scope: Scope<'env>,
    arguments: &[Value<'env>],
) -> JsResult<'env> {
    if let Some(key) = breaker_key(arguments) {
        shared.manager.clear_cooldown(&key);
    }
    Ok(scope.undefined())
}

#[expect(clippy::unnecessary_wraps, reason = "the body of a `Method`")]
fn decrement_cycle_count<'env>(
    shared: &Arc<RuntimeState>,
    scope: Scope<'env>,
    arguments: &[Value<'env>],
) -> JsResult<'env> {
    if let Some(key) = breaker_key(arguments) {
        shared.manager.decrement_cycle_count(&key);
    }
    Ok(scope.undefined())
}
