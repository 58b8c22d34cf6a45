//! How often storing is tried.

use super::store::Storage;
use crate::error::{Code, Error};
use crate::oauth::pause::PAUSE;

/// A refresh token that was rotated is lost for good when it is not stored, so storing is tried this often.
const ATTEMPTS: u32 = 3;

impl Storage {
    /// Whether another attempt may work, after a pause.
    pub(super) async fn tries_again(&self, attempt: u32, error: &Error) -> bool {
        let is_final = matches!(
            error.code,
            Code::Closed | Code::Aborted | Code::ReauthenticationRequired
        );
        if is_final || attempt >= ATTEMPTS {
            return false;
        }
        let prefix = self.log_prefix();
        self.logger.warn(format!(
            "{prefix} Failed to store tokens, trying again: {error}"
        ));
        tokio::time::sleep(PAUSE * attempt).await;
        true
    }
}
