//! Configs as the host's own objects, for callbacks that compare or store them, and what the registry can do beside
//! giving them.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::node::engine::{JsRef, JsResult, Value};
use crate::node::marshal::context::CallContext;

/// Whether a config is the operator's own, which users share.
pub const IS_APP_CONFIG: &str = "isAppServerConfig";

/// What one call has seen of the registry.
#[derive(Default)]
pub struct Configs(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    /// The caller's own, of the one server that the call concerns.
    given: Option<Arc<JsRef>>,
    /// By server. A call concerns few.
    found: Vec<(Box<str>, Arc<JsRef>)>,
    /// Whether the registry says which configs are the operator's; `None` before anybody has looked at it.
    tells_operators: Option<bool>,
}

impl Seen {
    fn found(&mut self, server_name: &str) -> Option<&mut Arc<JsRef>> {
        let mut found = self.found.iter_mut();
        found
            .find(|(known, _)| **known == *server_name)
            .map(|(_, config)| config)
    }

    fn add(&mut self, server_name: &str, config: Arc<JsRef>) {
        // A connection keeps what its call has found, mostly one.
        self.found.reserve_exact(1);
        self.found.push((server_name.into(), config));
    }
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
        if seen.found(server_name).is_none() {
            seen.add(server_name, config);
        }
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
            let given = seen.given.take();
            let found = if let Some(known) = seen.found(server_name) {
                Some(std::mem::replace(known, config))
            } else {
                seen.add(server_name, config);
                None
            };
            let replaced = (given, found);
            drop(seen);
            drop(replaced);
        }
        Ok(())
    }

    pub fn find(&self, server_name: &str) -> Option<Arc<JsRef>> {
        let mut seen = self.0.lock();
        let given = seen.given.clone();
        given.or_else(|| seen.found(server_name).cloned())
    }
}
