//! Who exchanges the tokens of users' logins for those of a server.

use std::borrow::Borrow;
use std::sync::Arc;

use super::scope::{CallScope, ServerScope};
use super::state::Manager;
use crate::error::Result;
use crate::grants::{Enterprise, Target};
use crate::obo::{Obo, ServerToken};
use crate::secret::Secret;
use crate::server_config::ResolvedConfig;

#[derive(Clone)]
pub(super) enum Exchanger {
    OnBehalf(Obo),
    Enterprise(Enterprise, Arc<Target>),
}

impl Exchanger {
    /// As errors call it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::OnBehalf(_) => "OBO",
            Self::Enterprise(..) => "oauth.grant: enterprise",
        }
    }

    /// Boxed, because each call to any server would carry the sizes of exchanges.
    pub async fn token(&self, request: &ServerToken<'_>) -> Result<Option<Secret>> {
        match self {
            Self::OnBehalf(obo) => Box::pin(obo.token(request)).await,
            Self::Enterprise(enterprise, target) => {
                let token = Box::pin(enterprise.token(request, Arc::clone(target)));
                token.await.map(Some)
            }
        }
    }
}

impl Manager {
    /// `None` for servers that get no such tokens. `resolved` is the server's config with everything filled in, which only
    /// some need.
    pub(super) fn exchanger<C: Borrow<ResolvedConfig>>(
        &self,
        call: &CallScope<'_>,
        server: &ServerScope,
        resolved: impl FnOnce() -> Result<C>,
    ) -> Result<Option<Exchanger>> {
        if server.config.obo_scopes.is_some() {
            return Ok(Some(Exchanger::OnBehalf(self.obo().clone())));
        }
        if !server.config.exchanges_tokens() {
            return Ok(None);
        }
        let (config, http) = (resolved()?, self.http().clone());
        let (environment, settings) = (&call.host.environment, Arc::clone(call.settings));
        let target = Target::new(config.borrow(), &server.rules, environment, settings, http)?;
        Ok(Some(Exchanger::Enterprise(
            self.enterprise().clone(),
            Arc::new(target),
        )))
    }
}
