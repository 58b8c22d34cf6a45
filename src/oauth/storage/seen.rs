//! Rows as somebody saw them before another process may have refreshed.

use super::rows::{Kind, is_same};
use super::store::Storage;
use crate::error::{Code, Error, Result};
use crate::host::TokenRow;
use crate::secret::Secret;

#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// `None`: nobody has looked.
    pub access: Option<SeenAccess>,
    pub refresh: Option<TokenRow>,
    /// The set of the token that the server has refused, as far as the caller knows which that was.
    pub refused: Option<Option<String>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeenAccess {
    Missing,
    OfSet(Option<String>),
}

impl SeenAccess {
    #[must_use]
    pub fn of(row: Option<&TokenRow>) -> Self {
        row.map_or(Self::Missing, |row| {
            Self::OfSet(row.credential_set_id().map(str::to_owned))
        })
    }
}

impl Storage {
    /// The row of the refresh token, also where it cannot be read.
    pub async fn refresh_row(&self) -> Result<Option<TokenRow>> {
        let Some(row) = self.row(Kind::Refresh).await? else {
            return Ok(None);
        };
        Ok(match self.stored_refresh(&row) {
            Err(error) if error.code == Code::TokenStore => Some(row),
            token => token?.map(|_: Secret| row),
        })
    }

    /// Whether another process has stored other tokens than those seen, which can be used. Says nothing of the time
    /// after it unless the caller has the right to refresh.
    ///
    /// Fails where there are others, and they are of no use.
    pub async fn is_rotated(&self, seen: &Seen) -> Result<bool> {
        let Some(now) = self.row(Kind::Refresh).await? else {
            return Ok(false);
        };
        if seen.refresh.is_none() && seen.refused.is_none() {
            return Ok(false);
        }
        let set = now.credential_set_id();
        let rotated = seen.refused.as_ref().is_some_and(|it| it.as_deref() != set)
            || seen.refresh.as_ref().is_some_and(|it| !is_same(it, &now))
            || matches!(&seen.access, Some(SeenAccess::OfSet(it)) if it.as_deref() != set);
        if !rotated && seen.access != Some(SeenAccess::Missing) {
            return Ok(false);
        }
        let access = self.row(Kind::Access).await?;
        let has_expired = |row: &TokenRow| {
            row.expires_at
                .is_some_and(|end| end <= crate::clock::now_ms())
        };
        match access {
            Some(access) if access.credential_set_id() == set && !has_expired(&access) => Ok(true),
            _ if !rotated => Ok(false),
            Some(access) if access.credential_set_id() == set => {
                Err(Error::timeout("Peer credential already expired"))
            }
            _ => Err(Error::timeout("Peer credential is not coherent")),
        }
    }

    /// Whether the refresh token is of another set than the access token that was seen.
    pub async fn has_changed_since(&self, seen: &Seen) -> Result<bool> {
        let Some(SeenAccess::OfSet(set)) = &seen.access else {
            return Ok(false);
        };
        let now = self.row(Kind::Refresh).await?;
        Ok(now.is_some_and(|now| now.credential_set_id() != set.as_deref()))
    }
}
