//! What LibreChat's catalog recovery remembers between requests: `manager.getCatalogRecoveryTracker` and
//! `clearCatalogRecoveryState`. The work itself, `loadMCPServerCatalogs`, is LibreChat's.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::node::engine::{JsRef, JsResult, Scope, Value};
use crate::node::marshal::services::describe;

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
    pub states: f64,
    /// Discoveries that may run on although nobody waits for them.
    pub detached: f64,
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
    /// An argument that is no object is none.
    pub fn read(options: Option<Value<'_>>) -> JsResult<'_, Self> {
        let mut read = Self {
            limits: Limits::default(),
            recovers_catalogs: false,
        };
        let Some(options) = options else {
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

    pub fn limits(&self) -> Limits {
        *self.limits.lock()
    }

    pub fn tracker(&self) -> &OnceLock<JsRef> {
        &self.tracker
    }

    /// Forgets what is known of a user's servers, where anybody has ever looked.
    pub fn clear<'env>(&self, scope: Scope<'env>, arguments: &[Value<'env>]) -> JsResult<'env, ()> {
        if let Some(tracker) = self.tracker.get() {
            let tracker = tracker.get(scope);
            tracker.call_method("clear", arguments)?;
        }
        Ok(())
    }
}

/// Whether somebody disconnects because what connections are made with has changed, as callers do unless they give
/// another reason.
pub fn is_mutation(options: Option<Value<'_>>) -> JsResult<'_, bool> {
    let Some(options) = options else {
        return Ok(true);
    };
    let reason = options.get("reason")?.as_string();
    Ok(reason.is_none_or(|reason| reason == "mutation"))
}
