//! One connection's part in a session that processes share.

use std::sync::{Arc, Weak};

use tokio::sync::Mutex;

use super::claim::Claim;
use super::record::unique;
use super::store::SharedSession;
use crate::connection::login::LoginInUse;

pub(in crate::connection) struct Share {
    pub session: Arc<SharedSession>,
    /// What the connection is called in what is written.
    pub name: String,
    pub login: LoginInUse,
    /// Held by whoever listens to the GET stream.
    pub stream: Arc<Mutex<Weak<Claim>>>,
}

impl Share {
    pub fn new(session: Arc<SharedSession>, login: LoginInUse) -> Self {
        Self {
            session,
            login,
            name: unique(),
            stream: Arc::default(),
        }
    }
}
