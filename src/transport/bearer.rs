//! The access token of a connection, which may change while the connection is open.

use std::sync::Arc;

use http::HeaderValue;
use parking_lot::RwLock;

use crate::secret::Secret;

/// A token that whoever refreshes it replaces for every request that follows. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Bearer {
    token: Arc<RwLock<Option<Secret>>>,
    /// What stands before and after the token, where that is not `Bearer ` alone.
    frame: Option<Arc<(String, String)>>,
}

impl Bearer {
    /// One whose header a config describes.
    #[must_use]
    pub fn framed(prefix: String, suffix: String) -> Self {
        Self {
            token: Arc::default(),
            frame: Some(Arc::new((prefix, suffix))),
        }
    }

    #[must_use]
    pub fn get(&self) -> Option<Secret> {
        self.token.read().clone()
    }

    pub fn set(&self, token: Secret) {
        *self.token.write() = Some(token);
    }

    /// `Authorization`. Tokens were checked to fit a header when they came.
    pub(super) fn authorization(&self) -> Option<HeaderValue> {
        let token = self.token.read();
        let token = token.as_ref()?.expose();
        let text = match self.frame.as_deref() {
            Some((prefix, suffix)) => format!("{prefix}{token}{suffix}"),
            None => format!("Bearer {token}"),
        };
        let mut value = HeaderValue::from_str(text.trim()).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}
