//! What is known of a server before a connection to it is made.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::generation::Generation;
use super::handshake::Described;
use crate::transport::StreamRefusal;

/// What earlier connections have told of a server.
#[derive(Debug, Clone, Default)]
pub struct Known {
    pub generation: Option<Generation>,
    pub stream: StreamRefusal,
    pub described: LastDescribed,
}

/// What a server said of itself last. It says the same to nearly all sessions, which share it for as long as one of them
/// lives.
#[derive(Debug, Clone, Default)]
pub struct LastDescribed(Arc<Mutex<Weak<Described>>>);

impl LastDescribed {
    /// The same as in the session before, where it is equal.
    pub(super) fn shared(&self, described: Described) -> Arc<Described> {
        let mut last = self.0.lock();
        match last.upgrade() {
            Some(known) if *known == described => known,
            _ => {
                let described = Arc::new(described);
                *last = Arc::downgrade(&described);
                described
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rmcp::model::{ProtocolVersion, ServerCapabilities};

    use super::*;

    fn described(instructions: &str) -> Described {
        Described {
            version: ProtocolVersion::LATEST,
            capabilities: ServerCapabilities::default(),
            instructions: Some(instructions.to_owned()),
            raw_capabilities: None,
            server_info: None,
        }
    }

    #[test]
    fn sessions_share_what_is_equal_and_nothing_is_kept_without_them() {
        let last = LastDescribed::default();
        let first = last.shared(described("one"));
        assert!(Arc::ptr_eq(&first, &last.shared(described("one"))));
        let other = last.shared(described("two"));
        assert_eq!(other.instructions.as_deref(), Some("two"));
        assert_eq!(first.instructions.as_deref(), Some("one"));
        drop(other);
        assert!(last.0.lock().upgrade().is_none());
    }
}
