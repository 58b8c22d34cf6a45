//! The access token of a connection, which may change while the connection is open.

use std::sync::Arc;

use http::HeaderValue;
use parking_lot::RwLock;

use crate::dpop::{self, Proof, Prover};
use crate::secret::Secret;

/// A token that whoever refreshes it replaces for every request that follows. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Bearer {
    token: Arc<RwLock<Option<Presented>>>,
    /// What stands before and after the token, where that is not `Bearer ` alone.
    frame: Option<Arc<(String, String)>>,
}

#[derive(Debug)]
struct Presented {
    token: Secret,
    /// That of a token which is bound to a key (RFC 9449).
    prover: Option<Prover>,
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
        let presented = self.token.read();
        presented.as_ref().map(|presented| presented.token.clone())
    }

    pub fn set(&self, token: Secret) {
        self.set_bound(token, None);
    }

    /// A token, and what proves that it is ours where it is bound to a key.
    pub fn set_bound(&self, token: Secret, prover: Option<Prover>) {
        *self.token.write() = Some(Presented { token, prover });
    }

    /// `Authorization`, and what the request has to prove. Tokens were checked to fit a header when they came.
    pub(super) fn authorization(&self) -> Option<(HeaderValue, Option<Box<Proof>>)> {
        let presented = self.token.read();
        let Presented { token, prover } = presented.as_ref()?;
        let text = match (prover, self.frame.as_deref()) {
            (Some(_), _) => format!("{} {}", dpop::SCHEME, token.expose()),
            (None, Some((prefix, suffix))) => format!("{prefix}{}{suffix}", token.expose()),
            (None, None) => format!("Bearer {}", token.expose()),
        };
        let mut value = HeaderValue::from_str(text.trim()).ok()?;
        value.set_sensitive(true);
        let prover = prover.as_ref();
        Some((
            value,
            prover.map(|prover| prover.proof(Some(token.clone()))),
        ))
    }
}
