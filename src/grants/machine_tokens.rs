//! The tokens of one connection, be it all users' or one's.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;

use super::issued::Issued;
use super::machine::Grants;
use super::machine_server::MachineServer;
use crate::connection::{Access, AccessTokens};
use crate::error::{Error, Result};
use crate::oauth::wants_only_dpop;
use crate::secret::Secret;

/// Where a connection's token comes from.
pub struct MachineTokens {
    grants: Grants,
    server: Arc<MachineServer>,
    /// What the connection got last.
    given: Mutex<Option<Issued>>,
}

impl MachineTokens {
    #[must_use]
    pub fn new(grants: &Grants, server: MachineServer) -> Self {
        Self {
            grants: grants.clone(),
            server: Arc::new(server),
            given: Mutex::default(),
        }
    }

    fn hand_out(&self, issued: Issued) -> Access {
        let access = Access {
            prover: issued.prover.clone(),
            ..Access::from(issued.token.clone())
        };
        *self.given.lock() = Some(issued);
        access
    }

    /// Whether another token would be of the same kind, which is not that of a key.
    fn is_unbound(&self, refused: Option<&Secret>) -> bool {
        let is_unbound = {
            let given = self.given.lock();
            given.as_ref().is_some_and(|it| it.prover.is_none())
        };
        is_unbound && (self.server.options.dpop.is_some() || self.settles_in(refused).is_some())
    }

    /// What a refusal comes to of a token that has just come in place of a refused one.
    fn unsettled(&self, refusal: &Error, refused: Option<&Secret>) -> Option<Error> {
        let seconds = self.settles_in(refused)?;
        let problem = format!(
            "the server refuses a token that was just issued. An operator has to check whose tokens it takes, and \
             `oauth.audience`. Another one is asked for in {seconds} s at the earliest. It said: {refusal}"
        );
        Some(self.server.refused(&problem).with_retryable(true))
    }

    /// Until when a refusal is final. Requests that were sent before the replacement came are refused later, for the token of
    /// before.
    fn settles_in(&self, refused: Option<&Secret>) -> Option<i64> {
        let given = self.given.lock();
        let given = given.as_ref()?;
        let is_given = refused.is_none_or(|refused| *refused == given.token);
        is_given.then(|| given.settles_in()).flatten()
    }
}

#[async_trait]
impl AccessTokens for MachineTokens {
    async fn current(&self) -> Result<Option<Access>> {
        let issued = self.grants.current(&self.server).await?;
        Ok(Some(self.hand_out(issued)))
    }

    fn is_due(&self) -> bool {
        let given = self.given.lock();
        given.as_ref().is_some_and(Issued::is_due)
    }

    fn final_refusal(&self, refusal: &Error, refused: Option<&Secret>) -> Option<Error> {
        let advice = match refusal.status {
            Some(403) => {
                "the token is not good for this. An operator has to check `oauth.scope`, and what the client may do"
            }
            _ if wants_only_dpop(refusal) && self.is_unbound(refused) => {
                "the server takes no tokens but those of a DPoP key. An operator has to set `oauth.dpop: true`"
            }
            _ => return self.unsettled(refusal, refused),
        };
        // Without the refusal as its cause: that would send the user to log in.
        Some(
            self.server
                .refused(&format!("{advice}. It said: {refusal}")),
        )
    }

    async fn replace(&self, refused: &Secret) -> Result<Option<Access>> {
        let issued = self.grants.replaced(&self.server, refused).await?;
        Ok(Some(self.hand_out(issued)))
    }
}
