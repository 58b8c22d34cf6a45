//! The environment of the host process, as a call sees it.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

/// Environment variables as the host process saw them when the call started. Reading the C environment while Node
/// writes to it is a race, so values are copied here on the host's own thread. Clones share what is added to one.
#[derive(Clone, Default)]
pub struct Environment {
    /// What many calls have in common.
    common: Arc<HashMap<String, String>>,
    added: Arc<RwLock<HashMap<String, String>>>,
}

impl Environment {
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        let added = self.added.read().get(name).cloned();
        added.or_else(|| self.common.get(name).cloned())
    }

    pub fn set(&self, name: impl Into<String>, value: impl Into<String>) {
        self.added.write().insert(name.into(), value.into());
    }

    /// An environment with these variables, of which copies by [`Self::fork`] take no memory.
    #[must_use]
    pub fn of(common: HashMap<String, String>) -> Self {
        Self {
            common: Arc::new(common),
            added: Arc::default(),
        }
    }

    /// What is added to a fork is its own.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self {
            common: Arc::clone(&self.common),
            added: Arc::new(RwLock::new(self.added.read().clone())),
        }
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(pairs: [(&str, &str); N]) -> Self {
        let environment = Self::default();
        for (name, value) in pairs {
            environment.set(name, value);
        }
        environment
    }
}
