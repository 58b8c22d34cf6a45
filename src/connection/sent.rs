//! What a connection has sent and nobody else may read: for the texts of whoever it was sent to.

use std::sync::Arc;

use http::HeaderMap;

use super::recipe::Recipe;
use crate::foreign_text::SentSecrets;
use crate::log::{Logger, foreign_log};
use crate::secret::Secret;

impl Recipe {
    /// The secrets of the configuration, of `bearer` and of a call's own headers.
    #[must_use]
    pub fn sent_secrets(&self, bearer: Option<Secret>, call: Option<&HeaderMap>) -> SentSecrets {
        let mut sent = self.config.secrets();
        // The token may have been replaced while the request was under way.
        for token in [bearer, self.bearer.get()].into_iter().flatten() {
            sent.add(token);
        }
        if let Some(headers) = call {
            sent.add_headers(headers);
        }
        sent
    }

    /// A logger for what the server says, with the connection's prefix. It holds nothing of its own, since every connection
    /// has one for as long as it lives.
    pub(super) fn server_log(self: &Arc<Self>) -> Logger {
        let (sending, named) = (Arc::clone(self), Arc::clone(self));
        let logger = foreign_log(self.logger.clone(), move || {
            sending.sent_secrets(None, None)
        });
        logger.prefixed(move || named.log_prefix())
    }
}
