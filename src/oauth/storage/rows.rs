//! Single rows: read, compared and set.

use super::store::Storage;
use crate::error::Result;
use crate::host::{CredentialSet, TokenQuery, TokenRow};
use crate::secret::Secret;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Access,
    Refresh,
    Client,
    /// That tokens are bound to (RFC 9449).
    Key,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Access => "mcp_oauth",
            Self::Refresh => "mcp_oauth_refresh",
            Self::Client => "mcp_oauth_client",
            Self::Key => "mcp_oauth_dpop",
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::Access => "",
            Self::Refresh => ":refresh",
            Self::Client => ":client",
            Self::Key => ":dpop",
        }
    }
}

/// Whether two rows are the same one, unchanged.
pub(super) fn is_same(one: &TokenRow, other: &TokenRow) -> bool {
    one.token == other.token && one.credential_set_id() == other.credential_set_id()
}

impl Storage {
    pub(super) async fn row(&self, kind: Kind) -> Result<Option<TokenRow>> {
        self.store.find(&self.query(kind)).await
    }

    pub(super) fn query(&self, kind: Kind) -> TokenQuery {
        TokenQuery {
            user_id: self.user_id.clone(),
            kind: kind.name().to_owned(),
            identifier: format!("mcp:{}{}", self.server_name, kind.suffix()),
            token: None,
            credential_set: None,
        }
    }

    /// The row while it has this token and is of this set.
    pub(super) fn exactly(
        &self,
        kind: Kind,
        token: &Secret,
        credential_set_id: Option<&str>,
    ) -> TokenQuery {
        TokenQuery {
            token: Some(token.clone()),
            credential_set: self.store.compares_sets().then(|| set(credential_set_id)),
            ..self.query(kind)
        }
    }

    /// Deletes the row that was read, and no other; whether it was there.
    pub(super) async fn delete_exactly(&self, kind: Kind, read: &TokenRow) -> Result<bool> {
        let query = || self.exactly(kind, &read.token, read.credential_set_id());
        if self.store.delete(&query()).await? {
            return Ok(true);
        }
        if !self.compares_no_sets(kind, read).await? {
            return Ok(false);
        }
        self.store.delete(&query()).await
    }

    pub(super) async fn delete_of_set(
        &self,
        kind: Kind,
        credential_set_id: Option<&str>,
    ) -> Result<()> {
        let mut query = self.query(kind);
        query.credential_set = credential_set_id.map(|id| set(Some(id)));
        self.store.delete(&query).await.map(drop)
    }

    /// After a row that was read was not found again: whether it is there all the same. Then the store does not know
    /// credential sets, is not asked for them any more, and the row's token alone says whether it has changed.
    pub(super) async fn compares_no_sets(&self, kind: Kind, read: &TokenRow) -> Result<bool> {
        if !self.store.compares_sets() || !self.store.methods().update {
            return Ok(false);
        }
        let now = self.row(kind).await?;
        let unchanged = now.is_some_and(|now| is_same(&now, read));
        if unchanged {
            self.store.ignore_sets();
        }
        Ok(unchanged)
    }
}

pub(super) fn set(credential_set_id: Option<&str>) -> CredentialSet {
    credential_set_id.map_or(CredentialSet::None, |id| CredentialSet::Id(id.to_owned()))
}
