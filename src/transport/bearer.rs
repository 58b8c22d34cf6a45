//! The access token of a connection, which may change while the connection is open.

use std::sync::Arc;

use parking_lot::RwLock;

use crate::secret::Secret;

/// A token that whoever refreshes it replaces for every request that follows. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Bearer(Arc<RwLock<Option<Secret>>>);

impl Bearer {
    #[must_use]
    pub fn get(&self) -> Option<Secret> {
        self.0.read().clone()
    }

    pub fn set(&self, token: Secret) {
        *self.0.write() = Some(token);
    }
}

impl From<Secret> for Bearer {
    fn from(token: Secret) -> Self {
        Self(Arc::new(RwLock::new(Some(token))))
    }
}
