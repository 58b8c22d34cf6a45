//! Whose connection, to which server.

use std::sync::Arc;

/// Whose connection, to which server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    pub owner: Owner,
    pub server_name: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Owner {
    /// Shared by all users.
    App,
    User(Arc<str>),
    /// One user's, for one chat request, whose fields the connection depends on.
    Request {
        user: Arc<str>,
        id: u64,
    },
}

impl Key {
    #[must_use]
    pub fn new(owner: Owner, server_name: &str) -> Self {
        let server_name = Arc::from(server_name);
        Self { owner, server_name }
    }
}

impl Owner {
    #[must_use]
    pub fn user(id: &str) -> Self {
        Self::User(Arc::from(id))
    }

    #[must_use]
    pub fn user_id(&self) -> Option<&str> {
        match self {
            Self::App => None,
            Self::User(id) | Self::Request { user: id, .. } => Some(id),
        }
    }

    /// A user's requests end with the user.
    pub(crate) fn belongs_to(&self, owner: &Self) -> bool {
        self == owner || matches!(owner, Self::User(id) if self.user_id() == Some(id))
    }
}
