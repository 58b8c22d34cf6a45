//! Configs as the host's own objects, for callbacks that compare or store them, and what the registry can do beside
//! giving them.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::node::engine::{JsRef, JsResult, Value};
use crate::node::marshal::context::CallContext;

/// Whether a config is the operator's own, which users share.
pub const IS_APP_CONFIG: &str = "isAppServerConfig";
/// The network rules of a user's tenant and role.
pub const RESOLVE_ALLOWLISTS: &str = "resolveAllowlists";

/// What one call has seen of the registry.
#[derive(Default)]
pub struct Configs(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    /// The caller's own, of the one server that the call concerns.
    given: Option<Arc<JsRef>>,
    found: HashMap<String, Arc<JsRef>>,
    /// Whether the registry says which configs are the operator's; `None` before anybody has looked at it.
    tells_operators: Option<bool>,
}

impl Configs {
    pub fn given(config: Option<Arc<JsRef>>) -> Self {
        Self(Mutex::new(Seen {
            given: config,
            ..Seen::default()
        }))
    }

    /// Looks at what the registry can do.
    pub fn look_at<'env>(&self, registry: Value<'env>) -> JsResult<'env, ()> {
        let tells = registry.is_object() && registry.get(IS_APP_CONFIG)?.is_function();
        self.0.lock().tells_operators = Some(tells);
        Ok(())
    }

    pub fn tells_operators(&self) -> Option<bool> {
        self.0.lock().tells_operators
    }

    /// Keeps a config that the registry gave. The first of a server is the one that its user sees.
    pub fn note<'env>(
        &self,
        context: &CallContext,
        server_name: &str,
        config: Value<'env>,
    ) -> JsResult<'env, ()> {
        if !config.is_object() || self.find(server_name).is_some() {
            return Ok(());
        }
        let config = context.keep(config)?;
        let mut seen = self.0.lock();
        seen.found.entry(server_name.to_owned()).or_insert(config);
        Ok(())
    }

    /// A config that takes the place of the one before.
    pub fn replace<'env>(
        &self,
        context: &CallContext,
        server_name: &str,
        config: Value<'env>,
    ) -> JsResult<'env, ()> {
        if config.is_object() {
            let config = context.keep(config)?;
            let mut seen = self.0.lock();
            let replaced = (
                seen.given.take(),
                seen.found.insert(server_name.to_owned(), config),
            );
            drop(seen);
            drop(replaced);
        }
        Ok(())
    }

    pub fn find(&self, server_name: &str) -> Option<Arc<JsRef>> {
        let seen = self.0.lock();
        let config = seen.given.as_ref().or_else(|| seen.found.get(server_name));
        config.cloned()
    }
}
