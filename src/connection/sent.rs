//! What a connection has sent and nobody else may read: for the texts of whoever it was sent to.

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

    /// A logger for what the server says, with the connection's prefix. It holds little, since every connection has one for
    /// as long as it lives.
    pub(super) fn server_log(&self) -> Logger {
        let (configured, bearer) = (self.config.secrets(), self.bearer.clone());
        let logger = foreign_log(self.logger.clone(), move || {
            let mut sent = configured.clone();
            if let Some(token) = bearer.get() {
                sent.add(token);
            }
            sent
        });
        logger.prefixed(self.log_prefix())
    }
}
