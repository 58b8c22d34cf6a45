//! The key that a user's tokens for a server are bound to (RFC 9449): one for all logins, in a row of its own beside those
//! that `LibreChat` knows.

use super::rows::Kind;
use super::store::Storage;
use crate::dpop::Prover;
use crate::error::{Code, Error, Result};
use crate::host::TokenData;
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
        let stored = self.stored_prover().await?;
        let stored = stored.map(|(prover, _)| prover).filter(is_it);
        stored.ok_or_else(|| self.unbound())
    }

    /// The user's key, made where there is none, and its encrypted text.
    ///
    /// Fails with [`Code::TokenStore`] where it cannot be stored, or be read again.
    pub async fn prover_or_new(&self) -> Result<(Prover, Secret)> {
        if let Some(stored) = self.stored_prover().await? {
            return Ok(stored);
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
        let stored = self.stored_prover().await?;
        stored.ok_or_else(|| problem("was stored and is not there"))
    }

    async fn stored_prover(&self) -> Result<Option<(Prover, Secret)>> {
        let Some(row) = self.row(Kind::Key).await? else {
            return Ok(None);
        };
        let prover = Prover::stored(&self.cipher()?.decrypt(&row.token)?)?;
        Ok(Some((prover, row.token)))
    }
}
