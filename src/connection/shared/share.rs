//! One connection's part in a session that processes share.

use std::sync::{Arc, Weak};

use tokio::sync::Mutex;

use super::claim::Claim;
use super::record::unique;
use super::store::SharedSession;

pub(in crate::connection) struct Share {
    pub session: Arc<SharedSession>,
    /// What the connection is called in what is written.
    pub name: String,
    /// Held by whoever listens to the GET stream.
    pub stream: Arc<Mutex<Weak<Claim>>>,
}

impl Share {
    pub fn new(session: Arc<SharedSession>) -> Self {
        Self {
            session,
            name: unique(),
            stream: Arc::default(),
        }
    }
}
