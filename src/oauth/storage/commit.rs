//! All rows of a change, or none.

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::rows::Kind;
use super::store::Storage;
use crate::clock::now_ms;
use crate::error::{Code, Result};
use crate::host::{CREDENTIAL_SET_ID, Expiry, TokenData, TokenRow, TokenUpdate};
use crate::oauth::documents::Tokens;
use crate::secret::Secret;

/// Who is told of a write. A failure undoes it.
#[async_trait]
pub trait Witness: Send + Sync {
    /// Before the first row is written.
    async fn preparing(&self) -> Result<()> {
        Ok(())
    }
    /// Of the sets of credentials before and after a refresh, when they are about to be written.
    fn renews(&self, _before: &str, _after: &str) {}
    /// When all are, and can still be put back.
    async fn committed(&self, _stored: &Tokens) -> Result<()> {
        Ok(())
    }
    /// After [`Self::preparing`], when the rows of a client that the server has forgotten are gone.
    async fn cleared(&self) -> Result<()> {
        Ok(())
    }
    /// Of tokens that another process has stored, which are used from now on.
    async fn adopted(&self, _stored: &Tokens) -> Result<()> {
        Ok(())
    }
}

/// Nobody wants to know.
pub struct Unwitnessed;

impl Witness for Unwitnessed {}

/// What becomes of one row.
pub(super) struct Change {
    pub kind: Kind,
    /// What it takes the place of.
    pub read: Option<TokenRow>,
    /// `None` keeps the row's.
    pub token: Option<Secret>,
    /// Seconds; `None` keeps the row's.
    pub expires_in: Option<i64>,
    pub metadata: Option<Map<String, Value>>,
}

impl Change {
    /// The encrypted text that the row has afterwards.
    fn token(&self) -> Option<&Secret> {
        self.token
            .as_ref()
            .or(self.read.as_ref().map(|read| &read.token))
    }

    fn credential_set_id(&self) -> Option<&str> {
        self.metadata.as_ref()?.get(CREDENTIAL_SET_ID)?.as_str()
    }

    /// Whether the row is as it was to become, by an attempt of before or by somebody who stores the same login.
    fn is_done(&self, now: &TokenRow) -> bool {
        match self.credential_set_id() {
            Some(id) => now.credential_set_id() == Some(id),
            None => Some(&now.token) == self.token(),
        }
    }
}

impl Storage {
    /// A row that is there is the first to be written, and the access token's before the others: of two writers it stops
    /// one. What was written is undone where not everything can be.
    pub(super) async fn commit(
        &self,
        mut changes: Vec<Change>,
        stored: Tokens,
        witness: &dyn Witness,
    ) -> Result<Tokens> {
        witness.preparing().await?;
        if let Some(at) = changes.iter().position(|change| change.read.is_some()) {
            changes[..=at].rotate_right(1);
        }
        for index in 0..changes.len() {
            if let Err(error) = self.apply(&mut changes[index]).await {
                // Whether a write that failed has happened all the same is not known, except where another was first.
                let lost = error.code == Code::ReauthenticationRequired;
                let done = if lost { index } else { index + 1 };
                self.undo_all(&changes[..done]).await;
                return Err(error);
            }
        }
        if let Err(error) = witness.committed(&stored).await {
            self.undo_all(&changes).await;
            return Err(error);
        }
        let prefix = self.log_prefix();
        self.logger.debug(format!("{prefix} Stored OAuth tokens"));
        Ok(stored)
    }

    async fn undo_all(&self, changes: &[Change]) {
        for change in changes.iter().rev() {
            self.undo(change).await;
        }
    }

    async fn apply(&self, change: &mut Change) -> Result<()> {
        let mut attempt = 1;
        loop {
            let replaced = match &change.read {
                Some(read) => self.replace(change, read).await,
                None => Ok(false),
            };
            let outcome = match replaced {
                Ok(false) => {
                    let again = attempt > 1 && change.read.is_none();
                    // An undo must not put back a row that has expired away: it would stand before one of another login.
                    if self.deletes() {
                        change.read = None;
                    }
                    self.create(change, again).await
                }
                replaced => replaced.map(drop),
            };
            match outcome {
                Err(error) if self.tries_again(attempt, &error).await => attempt += 1,
                outcome => return outcome,
            }
        }
    }

    /// Whether there still was a row to replace.
    async fn replace(&self, change: &Change, read: &TokenRow) -> Result<bool> {
        let kind = change.kind;
        let update = TokenUpdate {
            token: change.token.clone(),
            expiry: change.expires_in.map(Expiry::In),
            metadata: change.metadata.clone(),
        };
        let query = || self.exactly(kind, &read.token, read.credential_set_id());
        if self.store.update(&query(), &update).await?
            || (self.compares_no_sets(kind, read).await?
                && self.store.update(&query(), &update).await?)
        {
            return Ok(true);
        }
        match self.row(kind).await? {
            Some(now) if change.is_done(&now) => Ok(true),
            // Expired rows vanish by themselves, between looking and updating too.
            None if kind == Kind::Access && read.expires_at.is_some_and(|end| end <= now_ms()) => {
                Ok(false)
            }
            _ => Err(self.unbound()),
        }
    }

    /// `again`: an attempt of before may have worked.
    async fn create(&self, change: &Change, again: bool) -> Result<()> {
        let (Some(token), Some(expires_in)) = (change.token.clone(), change.expires_in) else {
            return Err(self.unbound());
        };
        if again
            && self.store.methods().update
            && let Some(now) = self.row(change.kind).await?
        {
            return if change.is_done(&now) {
                Ok(())
            } else {
                Err(self.unbound())
            };
        }
        let data = TokenData {
            token,
            expires_in,
            metadata: change.metadata.clone(),
        };
        self.store.create(&self.query(change.kind), &data).await
    }

    /// Puts the row back, unless it was replaced again.
    async fn undo(&self, change: &Change) {
        let kind = change.kind;
        let Some(token) = change.token() else {
            return;
        };
        let written = self.exactly(kind, token, change.credential_set_id());
        let undone = match &change.read {
            Some(read) => {
                let before = TokenUpdate {
                    token: Some(read.token.clone()),
                    expiry: read.expires_at.map(Expiry::At),
                    metadata: Some(read.metadata.clone().unwrap_or_default()),
                };
                self.store.update(&written, &before).await
            }
            None if self.deletes() => self.store.delete(&written).await,
            None => return,
        };
        let (prefix, name) = (self.log_prefix(), kind.name());
        match undone {
            Ok(true) => {}
            Ok(false) => self.logger.warn(format!(
                "{prefix} Skipped OAuth rollback for {name}; the record was superseded"
            )),
            Err(error) => self.logger.warn(format!(
                "{prefix} Failed to roll back a partial OAuth credential write: {error}"
            )),
        }
    }
}
