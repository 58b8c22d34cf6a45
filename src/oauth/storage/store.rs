//! Whose rows they are, and where.

use std::sync::Arc;

use crate::error::{Code, Error, Result};
use crate::host::{Host, TokenStore};
use crate::log::{Logger, log_prefix};
use crate::oauth::cipher::Cipher;
use crate::secret::Secret;

/// The rows of one user and server.
#[derive(Clone)]
pub struct Storage {
    pub(super) store: Arc<dyn TokenStore>,
    pub(super) key: Option<Secret>,
    pub(super) user_id: String,
    pub(super) server_name: String,
    pub(super) logger: Logger,
    /// Whether rows are as `LibreChat` of August 2026 writes them, or without any credential set. Else one row without
    /// may stand beside others that have one: an older `LibreChat` that replaces a client's metadata drops it there,
    /// keeps it where it updates tokens, and writes none where it creates a row.
    pub(super) strict: bool,
}

impl Storage {
    #[must_use]
    pub fn new(
        store: Arc<dyn TokenStore>,
        key: Option<Secret>,
        user_id: &str,
        server_name: &str,
        logger: Logger,
    ) -> Self {
        Self {
            store,
            key,
            user_id: user_id.to_owned(),
            server_name: server_name.to_owned(),
            logger,
            strict: true,
        }
    }

    /// Fails with [`Code::TokenStore`] where the host cannot store tokens.
    pub fn of_host(host: &Host, user_id: &str, server_name: &str) -> Result<Self> {
        let store = host.tokens.clone().ok_or_else(|| {
            Error::new(
                Code::TokenStore,
                "OAuth tokens cannot be stored: the host has no tokenMethods",
            )
        })?;
        let key = host.credentials_key.key()?;
        Cipher::new(key.as_ref())?;
        let logger = host.logger.clone();
        Ok(Self {
            strict: false,
            ..Self::new(store, key, user_id, server_name, logger)
        })
    }

    /// Whether it is this library's own, in a file.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.store.is_own()
    }

    /// Whether this failure to read means that nothing can be stored either.
    pub(in crate::oauth) fn is_unusable(&self, error: &Error) -> bool {
        error.code == Code::TokenStore && self.store.is_own()
    }

    #[must_use]
    pub fn log_prefix(&self) -> String {
        // LibreChat's name for connections without a user.
        let user = Some(self.user_id.as_str()).filter(|user| *user != "system");
        log_prefix(user, &self.server_name)
    }

    #[must_use]
    pub fn user_id(&self) -> &str {
        &self.user_id
    }

    #[must_use]
    pub fn server_name(&self) -> &str {
        &self.server_name
    }

    /// Whether stale rows can be deleted.
    #[must_use]
    pub fn deletes(&self) -> bool {
        self.store.methods().delete
    }

    pub(super) fn cipher(&self) -> Result<Cipher> {
        Cipher::new(self.key.as_ref())
    }

    /// What is stored is not of one authorization, or somebody else has replaced it.
    pub(super) fn unbound(&self) -> Error {
        unbound(&self.server_name)
    }
}

/// `ReauthenticationRequiredError` with the reason `binding`.
#[must_use]
pub fn unbound(server_name: &str) -> Error {
    Error::new(
        Code::ReauthenticationRequired,
        format!(
            "Re-authentication required for \"{server_name}\": stored OAuth binding metadata is missing or no longer valid"
        ),
    )
}
