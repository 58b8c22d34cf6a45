//! The user's own `OpenID` token, for servers whose config hands it on (the reference's `resolveDirectOpenIDBearerConfig`).
//!
//! The login session is asked for it at each call, and asked to refresh it once where the server answers 401. No OAuth
//! flow helps here, and nobody is sent to one.

use std::sync::Arc;

use async_trait::async_trait;
use http::HeaderValue;
use parking_lot::Mutex;

use super::scope::{CallScope, ServerScope};
use super::state::Manager;
use super::token_request::TokenRequest;
use crate::connection::{Access, AccessTokens, Recipe};
use crate::error::{Code, Error, Result};
use crate::host::{Host, UpstreamTokens};
use crate::obo::EXCHANGE_TIMEOUT;
use crate::secret::Secret;
use crate::server_config::{OpenIdTokenInfo, Transport};
use crate::transport::Bearer;
use crate::user::User;

/// The user's token for the connection that one call makes.
struct SessionTokens {
    host: Host,
    user: User,
    server_name: Arc<str>,
    /// The connection's, which each call gives its own token.
    bearer: Bearer,
    /// The token that came in place of a refused one; that one is not replaced again.
    replacement: Mutex<Option<Secret>>,
}

#[async_trait]
impl AccessTokens for SessionTokens {
    async fn current(&self) -> Result<Option<Access>> {
        let token = match self.bearer.get() {
            Some(token) => token,
            None => session_token(&self.host, &self.user, false).await?,
        };
        Ok(Some(token.into()))
    }

    fn is_due(&self) -> bool {
        true
    }

    fn is_required(&self) -> bool {
        true
    }

    fn final_refusal(&self, refusal: &Error, _refused: Option<&Secret>) -> Option<Error> {
        // A 403 is about what the user may do, which another token does not change.
        (refusal.status == Some(403)).then(|| rejected(&self.server_name, refusal))
    }

    fn replacement(&self) -> Option<Secret> {
        self.replacement.lock().clone()
    }

    async fn replace(&self, refused: &Secret) -> Result<Option<Access>> {
        let is_over = self
            .host
            .upstream_tokens
            .as_ref()
            .is_none_or(|it| it.is_over());
        if is_over {
            return Ok(None);
        }
        let refusal = Error::http_status(401, "The server refused the token");
        if self.replacement.lock().as_ref() == Some(refused) {
            return Err(rejected(&self.server_name, &refusal));
        }
        let token = session_token(&self.host, &self.user, true).await?;
        if token == *refused {
            return Err(rejected(&self.server_name, &refusal));
        }
        *self.replacement.lock() = Some(token.clone());
        Ok(Some(token.into()))
    }
}

/// Where a connection gets the user's token from, and how it sends it; nothing where the config hands none on, or
/// the call brings no session.
pub(super) fn forward_token(call: &CallScope<'_>, server: &ServerScope, recipe: &mut Recipe) {
    let context = call.context(&server.key.owner);
    let is_remote = matches!(recipe.config.transport, Transport::Http { .. });
    let frame = server.config.forwarding(&context, false);
    let (Some(frame), true, true) = (frame, is_remote, session(call.host).is_some()) else {
        return;
    };
    recipe.bearer = Bearer::framed(frame.prefix, frame.suffix);
    recipe.tokens = Some(Arc::new(SessionTokens {
        host: call.host.clone(),
        user: call.user.cloned().unwrap_or_default(),
        server_name: Arc::clone(&server.key.server_name),
        bearer: recipe.bearer.clone(),
        replacement: Mutex::default(),
    }));
}

impl Manager {
    /// The user's token for the requests of one call; `None` where they carry none. `force` refreshes the session.
    pub(super) async fn forwarded_token(
        &self,
        scope: &CallScope<'_>,
        server: &ServerScope,
        call: TokenRequest<'_>,
        force: bool,
    ) -> Result<Option<Secret>> {
        let context = scope.context(&server.key.owner);
        let forwards = server.config.forwarding(&context, call.of_tool_call);
        if forwards.is_none() || session(scope.host).is_none() {
            return Ok(None);
        }
        let nobody = User::default();
        let user = scope.user.unwrap_or(&nobody);
        let token = session_token(scope.host, user, force);
        self.until_cancelled(call.cancel, token).await?.map(Some)
    }
}

/// The session that has the user's token, while the call lasts.
fn session(host: &Host) -> Option<&dyn UpstreamTokens> {
    let upstream = host.upstream_tokens.as_deref();
    upstream.filter(|upstream| upstream.can_forward())
}

/// The token as the session has it now. One that the user object carries will do where the session has none, unless the
/// server has refused it already.
async fn session_token(host: &Host, user: &User, force: bool) -> Result<Secret> {
    let asked = async {
        match session(host) {
            Some(session) => session.to_forward(force).await,
            None => Ok(None),
        }
    };
    let outcome = tokio::time::timeout(EXCHANGE_TIMEOUT, asked).await;
    let outcome = outcome.unwrap_or_else(|_| Err(Error::timeout("The session timed out")));
    let tokens = outcome.map_err(|error| match error.code {
        Code::Aborted | Code::Closed => error,
        _ if error.retryable => Error::new(
            Code::AuthenticationRefreshFailed,
            "The OpenID session could not refresh the MCP bearer credential temporarily.",
        )
        .with_retryable(true)
        .caused_by(error),
        _ => sign_in_again(
            "The OpenID session could not refresh the MCP bearer credential. Please sign in again.",
        )
        .caused_by(error),
    })?;
    let token = tokens.and_then(|tokens| tokens.access_token);
    let token = token.filter(|token| !token.expose().is_empty());
    let token = match token {
        None if force => {
            return Err(sign_in_again(
                "The OpenID session has no usable MCP bearer credential. Please sign in again.",
            ));
        }
        None => {
            let info = OpenIdTokenInfo::of(user).filter(OpenIdTokenInfo::is_valid);
            info.and_then(|info| info.access_token)
        }
        token => token,
    };
    let token = token.ok_or_else(|| {
        sign_in_again(
            "OpenID token is expired or unavailable; re-authentication is required to resolve \
             {{LIBRECHAT_OPENID_ACCESS_TOKEN}}",
        )
    })?;
    if HeaderValue::from_str(token.expose()).is_err() {
        return Err(sign_in_again(
            "The OpenID session has an MCP bearer credential that cannot be sent. Please sign in again.",
        ));
    }
    Ok(token)
}

/// The reference's `OpenIDReauthRequiredError`.
fn sign_in_again(message: &str) -> Error {
    Error::new(Code::AuthenticationRefreshFailed, message)
}

/// The reference's `MCPAuthenticationRejectedError`, for a server that takes no token of the session.
pub(super) fn rejected(server_name: &str, refusal: &Error) -> Error {
    let message = format!(
        "MCP server \"{server_name}\" rejected the bearer credential. Please sign in again."
    );
    let mut error = Error::new(Code::AuthenticationRejected, message).caused_by(refusal.clone());
    error.status = refusal.status;
    error
}
