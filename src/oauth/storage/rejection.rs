//! Which credential set a server has refused: whoever has only that is not signed in.

use serde_json::json;

use super::records::REJECTED_SET_ID;
use super::rows::Kind;
use super::store::Storage;
use crate::error::Result;
use crate::host::{TokenRow, TokenUpdate};
use crate::oauth::documents::text;

impl Storage {
    /// Notes that a server refused this set, in the client's row. Another login or refresh has another set, and is left
    /// alone.
    pub async fn mark_rejected(&self, credential_set_id: &str) -> Result<()> {
        if !self.store.methods().update {
            return Ok(());
        }
        let Some(row) = self.row_of_set(credential_set_id).await? else {
            return Ok(());
        };
        if is_rejected(&row) {
            return Ok(());
        }
        let mut metadata = row.metadata.clone().unwrap_or_default();
        metadata.insert(REJECTED_SET_ID.to_owned(), json!(credential_set_id));
        let update = TokenUpdate {
            metadata: Some(metadata),
            ..TokenUpdate::default()
        };
        let query = self.exactly(Kind::Client, &row.token, Some(credential_set_id));
        self.store.update(&query, &update).await.map(drop)
    }

    async fn row_of_set(&self, credential_set_id: &str) -> Result<Option<TokenRow>> {
        let mut query = self.query(Kind::Client);
        if self.store.compares_sets() {
            query.credential_set = Some(super::rows::set(Some(credential_set_id)));
        }
        let row = self.store.find(&query).await?;
        Ok(row.filter(|row| row.credential_set_id() == Some(credential_set_id)))
    }
}

/// Whether the set that a client's row is of was refused.
pub(super) fn is_rejected(client: &TokenRow) -> bool {
    let rejected = client
        .metadata
        .as_ref()
        .and_then(|metadata| text(metadata, REJECTED_SET_ID));
    rejected.is_some() && rejected == client.credential_set_id()
}
