//! Deleting rows.

use super::rows::Kind;
use super::store::Storage;
use crate::error::Result;

impl Storage {
    /// `credential_set_id`: only a registration of that set.
    pub async fn delete_client(&self, credential_set_id: Option<&str>) -> Result<()> {
        self.delete_of_set(Kind::Client, credential_set_id).await?;
        let prefix = self.log_prefix();
        self.logger
            .debug(format!("{prefix} Cleared stored client registration"));
        Ok(())
    }

    /// After the server said that it does not know the client: its tokens are worth nothing either. What another login
    /// has stored meanwhile stays, where `credential_set_id` says which set was tried. A row that cannot be deleted is left
    /// for the next time.
    pub async fn forget_client(&self, credential_set_id: Option<&str>) {
        for outcome in [
            self.delete_client(credential_set_id).await,
            self.delete_of_set(Kind::Refresh, credential_set_id).await,
        ] {
            if let Err(error) = outcome {
                let prefix = self.log_prefix();
                self.logger.warn(format!(
                    "{prefix} Failed to clear stale token data: {error}"
                ));
            }
        }
    }

    pub async fn delete_all(&self) -> Result<()> {
        for kind in [Kind::Client, Kind::Access, Kind::Refresh, Kind::Key] {
            self.delete_of_set(kind, None).await?;
        }
        Ok(())
    }
}
