//! One connection's part in a session that processes share.

use std::sync::{Arc, Weak};

use tokio::sync::Mutex;

use super::claim::Claim;
use super::record::unique;
use super::store::SharedSession;
use crate::connection::access::{AccessTokens, Login};

pub(in crate::connection) struct Share {
    pub session: Arc<SharedSession>,
    /// What the connection is called in what is written.
    pub name: String,
    tokens: Option<Arc<dyn AccessTokens>>,
    /// Held by whoever listens to the GET stream.
    pub stream: Arc<Mutex<Weak<Claim>>>,
}

impl Share {
    pub fn new(session: Arc<SharedSession>, tokens: Option<Arc<dyn AccessTokens>>) -> Self {
        Self {
            session,
            tokens,
            name: unique(),
            stream: Arc::default(),
        }
    }

    /// The set of credentials that is used now, where there are several logins of a user; `None` where nobody can tell them
    /// apart, so that nothing is shared.
    pub fn login(&self) -> Option<Vec<String>> {
        match self.tokens.as_ref().map(|tokens| tokens.login()) {
            None | Some(Login::User) => Some(Vec::new()),
            Some(Login::Set(id)) => Some(vec![id]),
            Some(Login::Unknown) => None,
        }
    }
}
