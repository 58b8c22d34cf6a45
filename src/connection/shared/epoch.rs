//! Epochs of a user's sessions at a server. A logout or login begins another, whichever process it comes to, and nobody goes
//! on with a session of before.

use std::time::Duration;

use super::key;
use super::record::unique;
use super::store::{SharedSession, Sharing, lifetime};
use crate::host::SessionStore;
use crate::log::Logger;

impl Sharing {
    /// Ends the sessions of a user at a server for all processes. `idle`: after which time without a call a connection ends.
    pub async fn begin_epoch(
        &self,
        store: &dyn SessionStore,
        (user_id, server_name): (&str, &str),
        idle: Duration,
        logger: &Logger,
    ) {
        let key = key::epoch(user_id, server_name);
        self.write_epoch(store, &key, idle, logger).await;
    }

    async fn write_epoch(
        &self,
        store: &dyn SessionStore,
        key: &str,
        idle: Duration,
        logger: &Logger,
    ) {
        let epoch = unique();
        // A use may be noted just after it, of a session that lasts as long again.
        let write = store.set(key, &epoch, lifetime(idle).saturating_mul(2));
        self.standing.ask("write", logger, write).await;
    }
}

impl SharedSession {
    /// Ends all sessions of the user at the server for all processes.
    pub async fn begin_epoch(&self) {
        if let Some(key) = &self.keys.epoch {
            let (store, logger) = (&*self.store, &self.logger);
            let writing = self.sharing.write_epoch(store, key, self.idle, logger);
            writing.await;
        }
    }
}
