//! Sending once more what a server refused to hear, with another token.

use super::forwarding::rejected;
use super::scope::{CallScope, HeaderTokens, ServerScope};
use super::state::Manager;
use super::token_request::TokenRequest;
use crate::connection::CallOptions;
use crate::error::{Error, Result};
use crate::secret::Secret;

/// What the requests of a call are sent with.
pub struct Credentials<'a> {
    pub scope: &'a CallScope<'a>,
    pub server: &'a ServerScope,
    pub tokens: HeaderTokens<'a>,
    /// How another access token is asked for.
    pub renewal: TokenRequest<'a>,
    pub is_renewed: bool,
    /// What has taken the place of the call's own.
    pub renewed: Option<Secret>,
}

impl Credentials<'_> {
    /// Has `options` carry another token where the server refused to hear a request with the call's own, once. Such a
    /// request was not done, so it may be sent again.
    ///
    /// Fails with what the call ends with.
    pub async fn renew(
        &mut self,
        manager: &Manager,
        error: Error,
        options: &mut CallOptions,
    ) -> Result<()> {
        let (scope, server) = (self.scope, self.server);
        let Some(access) = self.renewed.as_ref().or(self.tokens.access) else {
            return Err(error);
        };
        if !std::mem::replace(&mut self.is_renewed, true) {
            let renewed = manager.renewed_token(scope, server, self.renewal, access, &error);
            if let Some(renewed) = renewed.await? {
                let tokens = HeaderTokens {
                    access: Some(&renewed),
                    ..self.tokens
                };
                scope.set_headers(server, tokens, options)?;
                self.renewed = Some(renewed);
                return Ok(());
            }
        }
        // The server takes neither the token of the call nor another one.
        Err(match error.refusal() {
            Some(refusal) if !server.config.exchanges_tokens() => {
                rejected(&server.key.server_name, refusal)
            }
            _ => error,
        })
    }
}
