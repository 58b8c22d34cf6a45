//! Access tokens of a connection: where they come from, and what happens when the server refuses one.

use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::breaker::Breaker;
use super::{Connection, Known, LastFailure, Recipe, connect};
use crate::error::{Code, Error, Result};
use crate::foreign_text::{SentSecrets, foreign_error};
use crate::secret::Secret;

/// How often the server may refuse a token before somebody has to authorize: once for the stored one, once for one
/// that another process stored meanwhile.
const REPLACEMENTS: usize = 2;

/// One user's tokens for one server. What it does, it does without asking the user.
#[async_trait]
pub trait AccessTokens: Send + Sync {
    /// The token to use now, refreshed where that is due; `None` where the user has to authorize.
    async fn current(&self) -> Result<Option<Secret>>;

    /// Whether the token in use should be replaced before the next request.
    fn is_due(&self) -> bool;

    /// Whether no request may go out with a token of before. A call that brings a token of its own needs none of these.
    fn is_required(&self) -> bool {
        false
    }

    /// What a refusal comes to that no other token can help with.
    fn final_refusal(&self, _refusal: &Error) -> Option<Error> {
        None
    }

    /// The token that came in place of a refused one, where these are of one login.
    fn replacement(&self) -> Option<Secret> {
        None
    }

    /// The generation that the host has published a change of these tokens under, since this was asked last.
    fn take_published(&self) -> Option<String> {
        None
    }

    /// Another token in place of one that the server refused; `None` where the user has to authorize.
    async fn replace(&self, refused: &Secret) -> Result<Option<Secret>>;
}

/// [`connect`] with the recipe's tokens, where it has some. A refused token is replaced and the handshake done again.
///
/// Fails with [`Code::AuthorizationRequired`] where the user has to authorize; without any token nothing is sent.
pub async fn connect_authorized(
    recipe: &Arc<Recipe>,
    known: &Known,
    breaker: &Breaker,
    failure: &LastFailure,
    cancel: &CancellationToken,
) -> Result<Connection> {
    let Some(tokens) = &recipe.tokens else {
        return connect(recipe, known, breaker, failure, cancel).await;
    };
    let aborted = || Err(Error::aborted());
    let current = cancel.run_until_cancelled(tokens.current()).await;
    let Some(mut token) = current.unwrap_or_else(aborted)? else {
        return Err(Error::new(
            Code::AuthorizationRequired,
            "OAuth tokens missing before connection",
        ));
    };
    // The server may repeat a token that was replaced since.
    let mut sent = SentSecrets::default();
    let mut replacements = 0;
    loop {
        sent.add(token.clone());
        recipe.bearer.set(token.clone());
        match connect(recipe, known, breaker, failure, cancel).await {
            Err(error) if replacements < REPLACEMENTS && is_refused_token(&error) => {
                if let Some(refusal) = tokens.final_refusal(&error) {
                    return Err(refusal);
                }
                let replaced = cancel.run_until_cancelled(tokens.replace(&token)).await;
                token = replaced.unwrap_or_else(aborted)?.ok_or(error)?;
                replacements += 1;
            }
            outcome => return outcome.map_err(|error| foreign_error(error, &sent)),
        }
    }
}

/// 403 says that the token is good, but not for this.
pub(super) fn is_refused_token(error: &Error) -> bool {
    error.wants_authorization() && error.status == Some(401)
}
