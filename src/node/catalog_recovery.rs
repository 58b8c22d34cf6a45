//! What LibreChat's catalog recovery remembers between requests: `manager.getCatalogRecoveryTracker` and
//! `clearCatalogRecoveryState`. The work itself, `loadMCPServerCatalogs`, is LibreChat's.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use super::calls::Shared;
use super::js::{JsResult, Scope, Value};
use super::services::describe;
use super::thread::JsRef;

/// What the options of `createInstance` are called, and what holds without them.
const MAX_STATES: (&str, f64) = ("catalogRecoveryMaxStateEntries", 10_000.0);
const MAX_DETACHED: (&str, f64) = ("catalogRecoveryMaxDetachedDiscoveries", 3.0);

/// The tracker of one manager, made when somebody first asks for it.
#[derive(Default)]
pub struct CatalogRecovery {
    limits: Mutex<Limits>,
    is_used: AtomicBool,
    tracker: OnceLock<JsRef>,
}

#[derive(Clone, Copy)]
pub struct Limits {
    /// Servers of users that are remembered.
    states: f64,
    /// Discoveries that may run on although nobody waits for them.
    detached: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            states: MAX_STATES.1,
            detached: MAX_DETACHED.1,
        }
    }
}

/// The second argument of `createInstance`. Only a host whose catalogs can be recovered brings one.
pub struct InstanceOptions {
    limits: Limits,
    recovers_catalogs: bool,
}

impl InstanceOptions {
    pub fn read(options: Option<Value<'_>>) -> JsResult<'_, Self> {
        let mut read = Self {
            limits: Limits::default(),
            recovers_catalogs: false,
        };
        let Some(options) = options.filter(|options| options.is_object()) else {
            return Ok(read);
        };
        read.recovers_catalogs = options.has(MAX_STATES.0);
        for (limit, (name, _)) in [
            (&mut read.limits.states, MAX_STATES),
            (&mut read.limits.detached, MAX_DETACHED),
        ] {
            let Some(given) = options.get(name)?.present() else {
                continue;
            };
            let count = given
                .as_number()
                .filter(|it| it.fract() == 0.0 && *it > 0.0);
            *limit = count.ok_or_else(|| {
                let actual = describe(given);
                options.scope().type_error(&format!(
                    "createInstance: options.{name} must be a positive integer, got {actual}"
                ))
            })?;
        }
        Ok(read)
    }
}

impl CatalogRecovery {
    /// Before anybody has asked for the tracker.
    pub fn begin(&self, options: &InstanceOptions) {
        *self.limits.lock() = options.limits;
        let is_used = options.recovers_catalogs;
        self.is_used.store(is_used, Ordering::Relaxed);
    }

    /// Whether the host recovers catalogs.
    pub fn is_used(&self) -> bool {
        self.is_used.load(Ordering::Relaxed)
    }

    fn tracker<'env>(&self, shared: &Arc<Shared>, scope: Scope<'env>) -> JsResult<'env> {
        if let Some(tracker) = self.tracker.get() {
            return Ok(tracker.get(scope));
        }
        let limits = *self.limits.lock();
        // The tracker is the runtime's, so it must not keep the runtime.
        let runtime = Arc::downgrade(shared);
        let warn = scope.function("warn", move |scope, _, _| {
            if let Some(shared) = runtime.upgrade() {
                let call = shared.call(scope, None)?;
                let message = format!(
                    "[MCP catalog recovery] Released discoveries still running reached the limit of {}; starting no new discovery until one settles",
                    limits.detached
                );
                call.host.logger.warn(message);
                call.context().flush_log(scope);
            }
            Ok(scope.undefined())
        })?;
        let arguments = [
            scope.number(limits.states)?,
            scope.number(limits.detached)?,
            warn,
        ];
        let tracker = scope
            .run_script(include_str!("catalog_recovery.js"))?
            .call(scope.undefined(), &arguments)?;
        let kept = JsRef::new(&shared.thread, tracker)?;
        self.tracker.get_or_init(|| kept);
        Ok(tracker)
    }

    /// Forgets what is known of a user's servers, where anybody has ever looked.
    pub fn clear<'env>(&self, scope: Scope<'env>, arguments: &[Value<'env>]) -> JsResult<'env, ()> {
        if let Some(tracker) = self.tracker.get() {
            let tracker = tracker.get(scope);
            tracker.get("clear")?.call(tracker, arguments)?;
        }
        Ok(())
    }
}

/// Whether somebody disconnects because what connections are made with has changed, as callers do unless they give
/// another reason.
pub fn is_mutation<'env>(options: Option<&Value<'env>>) -> JsResult<'env, bool> {
    let Some(options) = options.filter(|options| options.is_object()) else {
        return Ok(true);
    };
    let reason = options.get("reason")?.as_string();
    Ok(reason.is_none_or(|reason| reason == "mutation"))
}

/// The tracker, for LibreChat's `loadMCPServerCatalogs`.
pub fn get_catalog_recovery_tracker<'env>(
    shared: &Arc<Shared>,
    scope: Scope<'env>,
    _: &[Value<'env>],
) -> JsResult<'env> {
    shared.catalog_recovery.tracker(shared, scope)
}

/// `(userId, serverName?, generation?, capabilityProfile?)`.
pub fn clear_catalog_recovery_state<'env>(
    shared: &Arc<Shared>,
    scope: Scope<'env>,
    arguments: &[Value<'env>],
) -> JsResult<'env> {
    shared.catalog_recovery.clear(scope, arguments)?;
    Ok(scope.undefined())
}
