//! The key that a user's tokens for a server are bound to (RFC 9449): one for all logins, in a row of its own beside those
//! that `LibreChat` knows.

use super::rows::Kind;
use super::store::Storage;
use crate::dpop::Prover;
use crate::error::{Code, Error, Result};
use crate::host::TokenData;
use crate::oauth::dpop::FlowKey;
use crate::oauth::lifetime::YEAR;

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

    async fn stored_key(&self) -> Result<Option<FlowKey>> {
        let Some(row) = self.row(Kind::Key).await? else {
            return Ok(None);
        };
        let prover = Prover::stored(&self.cipher()?.decrypt(&row.token)?)?;
        Ok(Some(FlowKey {
            prover,
            encrypted: row.token,
        }))
    }
}
