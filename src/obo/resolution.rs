//! A token for a server: who may have one, from which of the user's tokens, and what people are told when there is
//! none (the reference's `resolveOboToken`, and its callers in `MCPConnectionFactory` and `MCPManager`).

use tokio::time::Instant;

use super::answer::check;
use super::exchange::on_behalf_of;
use super::exchanges::{Exchange, Obo, exchange_failed};
use crate::error::{Code, Error, OboFailure, OboReason, Result};
use crate::host::{Host, TokenResolver};
use crate::log::{Level, LogMeta};
use crate::secret::Secret;
use crate::server_config::{OpenIdTokenInfo, ServerConfig};
use crate::user::{OpenIdTokens, User};

/// JSON-RPC "internal error", the code of the reference's `McpError`s.
const INTERNAL_ERROR: i64 = -32603;

/// What the token is for.
#[derive(Debug, Clone, Copy)]
pub enum TokenUse<'a> {
    Connection,
    /// A call of this tool.
    ToolCall(&'a str),
}

/// Which server wants a token, for whom.
#[derive(Clone, Copy)]
pub struct ServerToken<'a> {
    pub host: &'a Host,
    pub user: &'a User,
    pub server_name: &'a str,
    pub config: &'a ServerConfig,
    /// The prefix of log lines and of a tool call's errors.
    pub log_prefix: &'a str,
    pub purpose: TokenUse<'a>,
    /// A token that the server did not take, whatever the caches think of it.
    pub rejected: Option<&'a Secret>,
    pub deadline: Instant,
}

impl Obo {
    /// The token for a server, `None` where its config has no `obo`. Asked again for each call: a cache answers.
    ///
    /// # Errors
    /// [`Code::OboNotTrusted`], [`Code::OboMissingUpstreamToken`], [`Code::OboExchangeFailed`] or
    /// [`Code::OboClaimsChallenge`], with the reference's text for the purpose. The cause is what the reference calls
    /// an `OboTokenResolutionError`, and its cause what went wrong with the exchange.
    pub async fn token(&self, request: &ServerToken<'_>) -> Result<Option<Secret>> {
        let Some(scopes) = request.config.obo_scopes.as_deref() else {
            return Ok(None);
        };
        request.check_trust().await?;
        let logger = &request.host.logger;
        logger.info(format!(
            "{} Resolving OBO token for scopes: {scopes}",
            request.log_prefix
        ));
        match self.resolve(request, scopes).await {
            Ok(token) => Ok(Some(token)),
            Err(error) if matches!(error.code, Code::Aborted | Code::Closed) => Err(error),
            Err(error) => Err(request.refusal(error)),
        }
    }

    /// `resolveOboToken`.
    async fn resolve(&self, request: &ServerToken<'_>, scopes: &str) -> Result<Secret> {
        let (host, user) = (request.host, request.user);
        let logger = &host.logger;
        let (info, is_live) = request.login_tokens(scopes, false).await?;
        let had_live_session = match &host.upstream_tokens {
            Some(_) => format!(", hadLiveSession: {is_live}"),
            None => String::new(),
        };
        let info = info.filter(OpenIdTokenInfo::is_valid);
        let Some(access_token) = info.and_then(|info| info.access_token) else {
            let provider = user.fields.get("provider").map_or("undefined", |name| name);
            logger.warn(format!(
                "[OBO] No valid OpenID token available for OBO exchange (provider: {provider}, hasOpenidId: {}, \
                 hasFederatedTokens: {}{had_live_session})",
                user.openid_id().is_some(),
                user.federated_tokens.is_some()
            ));
            let missing = OboFailure::new(OboReason::MissingUpstreamToken);
            return Err(resolution_error(missing, None));
        };
        let exchange = Exchange {
            host,
            user,
            server_name: Some(request.server_name),
            access_token: &access_token,
            scopes,
            from_cache: true,
            rejected: request.rejected,
            deadline: request.deadline,
        };
        let outcome = self.resolved(TokenResolver::OnBehalfOf, &exchange).await;
        outcome.map_err(|error| {
            if matches!(error.code, Code::Aborted | Code::Closed) {
                return error;
            }
            let failure = error.obo.as_deref().cloned();
            let failure = failure.unwrap_or_else(|| OboFailure::new(OboReason::ExchangeFailed));
            if failure.reason == OboReason::EmptyExchangeResponse {
                logger.warn("[OBO] Token exchange did not return an access token");
            } else {
                let message = "[OBO] Failed to exchange token:";
                logger.with(Level::Error, message, LogMeta::Error(error.clone()));
            }
            resolution_error(failure, Some(error))
        })
    }

    /// From the host's own resolver where it has one, else from here.
    pub(super) async fn resolved(
        &self,
        own: TokenResolver,
        exchange: &Exchange<'_>,
    ) -> Result<Secret> {
        let host = on_behalf_of(exchange.host)?;
        if host.has_resolver(own) {
            let from_cache = exchange.rejected.is_none();
            let answer = host.resolve(own, exchange.access_token, exchange.scopes, from_cache);
            return resolved_in_time(exchange.deadline, answer).await;
        }
        Ok(self.exchange(exchange).await?.access_token)
    }
}

/// What a host's own resolver answers, held to the same rules as an answer of the provider.
async fn resolved_in_time(
    deadline: Instant,
    resolved: impl Future<Output = Result<crate::host::ResolvedToken>>,
) -> Result<Secret> {
    let outcome = tokio::time::timeout_at(deadline, resolved).await;
    let outcome =
        outcome.unwrap_or_else(|_| Err(Error::timeout("The OBO token exchange timed out")));
    let token = outcome.map_err(exchange_failed)?.access_token;
    if token.expose().is_empty() {
        let message = "The host's resolver returned no access token";
        return Err(Error::new(Code::OboExchangeFailed, message)
            .with_obo(OboFailure::new(OboReason::EmptyExchangeResponse)));
    }
    check(&token)?;
    Ok(token)
}

impl ServerToken<'_> {
    /// The tokens of the login, and whether they are the session's: these outlive those that the user object was given when
    /// the request began. The user's where the call brings no session, or the session has nothing. `renewed`: the session
    /// refreshes them first.
    pub async fn login_tokens(
        &self,
        scopes: &str,
        renewed: bool,
    ) -> Result<(Option<OpenIdTokenInfo>, bool)> {
        let of_session = self.session_tokens(scopes, renewed).await?;
        let is_live = of_session.is_some();
        let info = of_session.map(OpenIdTokenInfo::of_session);
        Ok((info.or_else(|| OpenIdTokenInfo::of(self.user)), is_live))
    }

    async fn session_tokens(&self, scopes: &str, renewed: bool) -> Result<Option<OpenIdTokens>> {
        let upstream = self.host.upstream_tokens.as_deref();
        let Some(upstream) = upstream.filter(|upstream| !upstream.is_over()) else {
            return Ok(None);
        };
        let asked = upstream.to_exchange(self.server_name, scopes, renewed);
        let outcome = tokio::time::timeout_at(self.deadline, asked).await;
        let outcome = outcome.unwrap_or_else(|_| Err(Error::timeout("The session timed out")));
        outcome.map_err(|error| {
            if matches!(error.code, Code::Aborted | Code::Closed) {
                return error;
            }
            if error.code == Code::OboMissingUpstreamProvider {
                let missing = OboFailure::new(OboReason::MissingUpstreamProvider);
                return resolution_error(missing, None);
            }
            let message = "[OBO] Upstream session refresh failed:";
            let logger = &self.host.logger;
            logger.with(Level::Error, message, LogMeta::Error(error.clone()));
            let failure = OboFailure::new(OboReason::SessionRefreshFailed);
            resolution_error(failure, Some(error))
        })
    }

    /// A config that a user made counts only for as long as its author may configure on-behalf-of.
    pub async fn check_trust(&self) -> Result<()> {
        let config = self.config;
        let checked = on_behalf_of(self.host)?.is_trusted(
            config.source.as_deref(),
            config.author.as_deref(),
            config.db_id.as_deref(),
        );
        let checked = tokio::time::timeout_at(self.deadline, checked).await;
        let fault = match checked.unwrap_or_else(|_| Err(Error::timeout("The check timed out"))) {
            Ok(true) => return Ok(()),
            Ok(false) => None,
            Err(error) if matches!(error.code, Code::Aborted | Code::Closed) => return Err(error),
            Err(error) => Some(error),
        };
        let (prefix, name) = (self.log_prefix, self.server_name);
        let lacks = if let Some(error) = &fault {
            format!("OBO config not trusted (the check failed: {error})")
        } else {
            "OBO config not trusted (author lacks MCP_SERVERS.CONFIGURE_OBO permission)".to_owned()
        };
        let consequence = match self.purpose {
            TokenUse::Connection => "skipping OBO token exchange",
            TokenUse::ToolCall(_) => "refusing to mint a downstream token",
        };
        self.host
            .logger
            .warn(format!("{prefix} {lacks}; {consequence}"));
        let refusal = match self.purpose {
            TokenUse::Connection => Error::new(
                Code::OboNotTrusted,
                format!("OBO token exchange failed for \"{name}\"."),
            ),
            TokenUse::ToolCall(_) => Error::mcp(
                Code::OboNotTrusted,
                INTERNAL_ERROR,
                &format!(
                    "{prefix} OBO is not permitted for server \"{name}\". The user who configured it no longer has \
                     permission to use OBO."
                ),
            ),
        };
        Err(match fault {
            // Whoever could not be asked may answer the next time.
            Some(fault) => refusal.with_retryable(true).caused_by(fault),
            None => refusal,
        })
    }

    /// The error of the connection or the call, in the reference's words.
    fn refusal(&self, error: Error) -> Error {
        let Some(failure) = error.obo.as_deref() else {
            return error;
        };
        let hint = match (failure.reason, self.purpose) {
            _ if error.retryable => "Please retry.",
            (OboReason::ExchangeFailed, _) => {
                "Re-authenticate the user or verify the configured OBO scopes and retry."
            }
            (OboReason::MissingUpstreamProvider, _) => {
                "Configure a renewable upstream credential provider before retrying."
            }
            (OboReason::SessionRefreshFailed, TokenUse::ToolCall(_)) => "Please sign in again.",
            _ => "Re-authenticate the user and retry.",
        };
        self.framed(error, "OBO ", hint)
    }

    /// The error of the connection or the call: what went wrong with the token of a `kind` of server, and a hint.
    #[must_use]
    pub fn framed(&self, error: Error, kind: &str, hint: &str) -> Error {
        let Some(failure) = error.obo.as_deref() else {
            return error;
        };
        let (prefix, name) = (self.log_prefix, self.server_name);
        let refusal = match self.purpose {
            TokenUse::Connection => Error::new(
                error.code,
                format!("{error} Unable to connect to {kind}server \"{name}\". {hint}"),
            ),
            TokenUse::ToolCall(tool) => Error::mcp(
                error.code,
                INTERNAL_ERROR,
                &format!("{prefix} {error} Cannot execute tool {tool}. {hint}"),
            ),
        };
        let failure = OboFailure {
            user_message: None,
            ..failure.clone()
        };
        refusal
            .with_retryable(error.retryable)
            .with_obo(failure)
            .caused_by(error)
    }
}

/// The reference's `OboTokenResolutionError`.
fn resolution_error(failure: OboFailure, cause: Option<Error>) -> Error {
    let retryable = cause.as_ref().is_some_and(|cause| cause.retryable);
    let text = match failure.reason {
        OboReason::MissingUpstreamProvider => {
            "No renewable upstream credential provider is available for this MCP server."
        }
        OboReason::MissingUpstreamToken => {
            "No valid OpenID access token is available for OBO exchange."
        }
        OboReason::EmptyExchangeResponse => {
            "The identity provider returned no access token for the OBO exchange."
        }
        OboReason::ExchangeFailed if retryable => "Temporary OBO token exchange failure.",
        OboReason::ExchangeFailed => "The identity provider rejected the OBO token exchange.",
        OboReason::SessionRefreshFailed if retryable => {
            "Temporary sign-in session refresh failure."
        }
        OboReason::SessionRefreshFailed => {
            "Your sign-in session expired and could not be refreshed. Please sign in again."
        }
    };
    told(failure, text, cause)
}

/// The error of a token that is not to be had, with what the user is told.
#[must_use]
pub fn told(failure: OboFailure, text: &'static str, cause: Option<Error>) -> Error {
    let retryable = cause.as_ref().is_some_and(|cause| cause.retryable);
    let code = match failure.reason {
        OboReason::MissingUpstreamProvider => Code::OboMissingUpstreamProvider,
        OboReason::MissingUpstreamToken => Code::OboMissingUpstreamToken,
        OboReason::SessionRefreshFailed => Code::OboSessionRefreshFailed,
        _ if failure.claims.is_some() => Code::OboClaimsChallenge,
        _ => Code::OboExchangeFailed,
    };
    let error = Error::new(code, text)
        .with_retryable(retryable)
        .with_obo(OboFailure {
            user_message: Some(text),
            ..failure
        });
    match cause {
        Some(cause) => error.caused_by(cause),
        None => error,
    }
}
