//! The key that a user's tokens for a server are bound to (RFC 9449): one for all logins, in a row of its own beside those
//! that `LibreChat` knows.

use serde_json::{Map, Value};

use super::commit::Change;
use super::rows::Kind;
use super::store::Storage;
use crate::dpop::Prover;
use crate::error::{Code, Error, Result};
use crate::host::TokenData;
use crate::oauth::documents::{Tokens, text};
use crate::oauth::dpop::{FLOW_KEY, FlowKey, THUMBPRINT};
use crate::oauth::lifetime::YEAR;
use crate::secret::Secret;

/// Refresh tokens that are bound to the key may go on for as long as somebody uses them.
const KEY_LIFETIME: i64 = 10 * YEAR;

impl Storage {
    /// The key with that thumbprint; `known` may be it.
    ///
    /// Fails with [`Code::ReauthenticationRequired`] where there is none: tokens without their key are none.
    pub async fn prover(&self, thumbprint: &str, known: Option<Prover>) -> Result<Prover> {
        let is_it = |prover: &Prover| prover.thumbprint() == thumbprint;
        if let Some(prover) = known.filter(is_it) {
            return Ok(prover);
        }
        let stored = self.stored_key().await?;
        let stored = stored.map(|stored| stored.prover).filter(is_it);
        stored.ok_or_else(|| self.unbound())
    }

    /// The user's key, made where there is none.
    ///
    /// Fails with [`Code::TokenStore`] where it cannot be stored, or be read again.
    pub(in crate::oauth) async fn key_of_flow(storage: Option<&Self>) -> Result<FlowKey> {
        let no_store = || {
            let problem =
                "A DPoP key cannot be stored: the flow is begun without a store of tokens";
            Error::new(Code::TokenStore, problem)
        };
        storage.ok_or_else(no_store)?.key_or_new().await
    }

    async fn key_or_new(&self) -> Result<FlowKey> {
        match self.stored_key().await {
            // Nobody can use it any more, nor the tokens that are bound to it.
            Err(error) if error.code == Code::TokenStore && self.deletes() => {
                self.delete_of_set(Kind::Key, None).await?;
            }
            stored => {
                if let Some(stored) = stored? {
                    return Ok(stored);
                }
            }
        }
        let problem = |problem: &str| {
            let message = format!("A DPoP key for {} {problem}", self.server_name);
            Error::new(Code::TokenStore, message)
        };
        if !self.store.methods().create {
            return Err(problem("cannot be stored: there is no createToken"));
        }
        let (_, text) = Prover::generate()?;
        let data = TokenData {
            token: self.cipher()?.encrypt(text.expose()),
            expires_in: KEY_LIFETIME,
            metadata: None,
        };
        self.store.create(&self.query(Kind::Key), &data).await?;
        // Another process may have been first, and its key counts for both.
        let stored = self.stored_key().await?;
        stored.ok_or_else(|| problem("was stored and is not there"))
    }

    /// Has the key stored that the tokens of a login are bound to, by what the client's row will say. Since its flow
    /// began, another process may have put another one there, or a logout have deleted it.
    pub(super) async fn key_change(
        &self,
        tokens: &Tokens,
        client: Option<&Map<String, Value>>,
    ) -> Result<Option<Change>> {
        let thumbprint = client.and_then(|row| text(row, THUMBPRINT));
        let (Some(key), Some(thumbprint)) = (text(&tokens.0, FLOW_KEY), thumbprint) else {
            return Ok(None);
        };
        let key = Secret::from(key);
        let is_it = |key: &Secret| {
            let prover = self.read_key(key);
            prover.is_ok_and(|prover| prover.thumbprint() == thumbprint)
        };
        let read = self.row(Kind::Key).await?;
        if !is_it(&key) || read.as_ref().is_some_and(|row| is_it(&row.token)) {
            return Ok(None);
        }
        Ok(Some(Change {
            kind: Kind::Key,
            read: read.filter(|_| self.store.methods().update),
            token: Some(key),
            expires_in: Some(KEY_LIFETIME),
            metadata: None,
        }))
    }

    async fn stored_key(&self) -> Result<Option<FlowKey>> {
        let Some(row) = self.row(Kind::Key).await? else {
            return Ok(None);
        };
        Ok(Some(FlowKey {
            prover: self.read_key(&row.token)?,
            encrypted: row.token,
        }))
    }

    fn read_key(&self, encrypted: &Secret) -> Result<Prover> {
        Prover::stored(&self.cipher()?.decrypt(encrypted)?)
    }
}
