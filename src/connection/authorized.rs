//! Connecting with the tokens of a user, with another one where the server refuses the first.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::access::is_refused_token;
use super::breaker::Breaker;
use super::connect::{LastFailure, connect};
use super::established::Connection;
use super::known::Known;
use super::recipe::Recipe;
use crate::error::{Code, Error, Result};
use crate::foreign_text::{SentSecrets, foreign_error};

/// How often the server may refuse a token before somebody has to authorize: once for the stored one, once for one
/// that another process stored meanwhile.
const REPLACEMENTS: usize = 2;

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
    if let Some(epoch) = &recipe.epoch {
        let begun = cancel.run_until_cancelled(epoch.begin()).await;
        begun.ok_or_else(Error::aborted)?;
    }
    let current = cancel.run_until_cancelled(tokens.current()).await;
    let Some(mut access) = current.unwrap_or_else(aborted)? else {
        return Err(Error::new(
            Code::AuthorizationRequired,
            "OAuth tokens missing before connection",
        ));
    };
    // The server may repeat a token that was replaced since.
    let mut sent = SentSecrets::default();
    let mut replacements = 0;
    loop {
        sent.add(access.token.clone());
        let (token, prover) = (access.token.clone(), access.prover.clone());
        recipe.bearer.set_bound(token, prover);
        recipe.login.begin(access.login);
        match connect(recipe, known, breaker, failure, cancel).await {
            Err(error)
                if error.wants_authorization()
                    && let Some(refusal) = tokens.final_refusal(&error, Some(&access.token)) =>
            {
                return Err(refusal);
            }
            Err(error) if replacements < REPLACEMENTS && is_refused_token(&error) => {
                let replaced = cancel
                    .run_until_cancelled(tokens.replace(&access.token))
                    .await;
                access = replaced.unwrap_or_else(aborted)?.ok_or(error)?;
                replacements += 1;
            }
            outcome => return outcome.map_err(|error| foreign_error(error, &sent)),
        }
    }
}
