//! Who exchanges the tokens of users' logins for those of a server.

use std::borrow::Borrow;
use std::sync::Arc;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::scope::{CallScope, ServerScope};
use super::state::Manager;
use crate::error::{Code, Error, Result};
use crate::grants::{Enterprise, Explained, Target};
use crate::log::log_prefix;
use crate::obo::{EXCHANGE_TIMEOUT, Obo, ServerToken, TokenUse};
use crate::secret::Secret;
use crate::server_config::{ResolvedConfig, resolve};
use crate::user::User;

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
    /// Makes both exchanges of an enterprise grant anew, as the call's user.
    ///
    /// Fails with [`Code::InvalidArgument`] for a server with another grant, and as the exchanges do.
    pub async fn explain_enterprise_token(
        &self,
        call: &CallScope<'_>,
        server_name: &str,
        cancel: &CancellationToken,
    ) -> Result<Explained> {
        let server = self.server(call, server_name, None, cancel).await?;
        let owner = &server.key.owner;
        let resolved = || resolve(&server.config, &call.context(owner));
        let Some(Exchanger::Enterprise(enterprise, target)) =
            self.exchanger(call, &server, resolved)?
        else {
            let message = format!("MCP server \"{server_name}\" has no `oauth.grant: enterprise`");
            return Err(Error::new(Code::InvalidArgument, message));
        };
        let nobody = User::default();
        let request = ServerToken {
            host: call.host,
            user: call.user.unwrap_or(&nobody),
            server_name,
            config: &server.config,
            log_prefix: &log_prefix(owner.user_id(), server_name),
            purpose: TokenUse::Connection,
            rejected: None,
            deadline: Instant::now() + EXCHANGE_TIMEOUT,
        };
        let explained = Box::pin(enterprise.explain(&request, target));
        self.until_cancelled(cancel, explained).await?
    }

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
        let user_id = call.user.and_then(|user| user.id.as_deref());
        let target = target.told_of(&server.key.server_name, user_id);
        Ok(Some(Exchanger::Enterprise(
            self.enterprise().clone(),
            Arc::new(target),
        )))
    }
}
