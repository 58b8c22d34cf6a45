//! A Microsoft Graph token for the placeholder `{{LIBRECHAT_GRAPH_ACCESS_TOKEN}}` (the reference's
//! `resolveGraphTokenPlaceholder`).

use tokio::time::Instant;

use super::exchanges::{Exchange, Obo};
use crate::host::{Host, TokenResolver};
use crate::log::{Level, LogMeta};
use crate::secret::Secret;
use crate::server_config::OpenIdTokenInfo;
use crate::user::User;

/// The operator's own choice of scopes.
const SCOPES_VARIABLE: &str = "GRAPH_API_SCOPES";
const DEFAULT_SCOPES: &str = "https://graph.microsoft.com/.default";

/// Who wants a Graph token.
#[derive(Clone, Copy)]
pub struct GraphToken<'a> {
    pub host: &'a Host,
    pub user: &'a User,
    pub deadline: Instant,
}

impl Obo {
    /// Variables that [`Obo::graph_token`] reads, for the host to copy.
    pub const GRAPH_VARIABLES: &'static [&'static str] = &[SCOPES_VARIABLE];

    /// `None`, with a line in the log, where there is no token to be had: the placeholder stays as it is written then,
    /// as in the reference.
    pub async fn graph_token(&self, request: &GraphToken<'_>) -> Option<Secret> {
        let logger = &request.host.logger;
        let info = OpenIdTokenInfo::of(request.user).filter(OpenIdTokenInfo::is_valid);
        let Some(access_token) = info.and_then(|info| info.access_token) else {
            logger.warn(
                "[resolveGraphTokenPlaceholder] No valid OpenID token available for Graph token exchange",
            );
            return None;
        };
        let scopes = request.host.environment.get(SCOPES_VARIABLE);
        let scopes = scopes
            .filter(|scopes| !scopes.is_empty())
            .unwrap_or_else(|| DEFAULT_SCOPES.to_owned());
        let exchange = Exchange {
            host: request.host,
            user: request.user,
            server_name: None,
            access_token: &access_token,
            scopes: &scopes,
            from_cache: true,
            rejected: None,
            deadline: request.deadline,
        };
        match self.resolved(TokenResolver::Graph, &exchange).await {
            Ok(token) => Some(token),
            Err(error) => {
                let message =
                    "[resolveGraphTokenPlaceholder] Failed to exchange token for Graph API:";
                logger.with(Level::Error, message, LogMeta::Error(error));
                None
            }
        }
    }
}
