//! Access tokens of a connection: where they come from.

use async_trait::async_trait;

use super::login::Login;
use crate::dpop::Prover;
use crate::error::{Error, Result};
use crate::secret::Secret;

/// A token, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    pub token: Secret,
    pub login: Login,
    /// What requests with the token prove, where it is bound to a key (RFC 9449).
    pub prover: Option<Prover>,
}

impl From<Secret> for Access {
    /// That of the one login that the user has.
    fn from(token: Secret) -> Self {
        Self {
            token,
            login: Login::User,
            prover: None,
        }
    }
}

/// One user's tokens for one server. What it does, it does without asking the user.
#[async_trait]
pub trait AccessTokens: Send + Sync {
    /// The token to use now, refreshed where that is due; `None` where the user has to authorize.
    async fn current(&self) -> Result<Option<Access>>;

    /// Whether the token in use should be replaced before the next request.
    fn is_due(&self) -> bool;

    /// Whether no request may go out with a token of before. A call that brings a token of its own needs none of these.
    fn is_required(&self) -> bool {
        false
    }

    /// What a refusal comes to that no other token can help with; `refused` is the token that the request carried, where
    /// that is known.
    fn final_refusal(&self, _refusal: &Error, _refused: Option<&Secret>) -> Option<Error> {
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
    async fn replace(&self, refused: &Secret) -> Result<Option<Access>>;
}

/// 403 says that the token is good, but not for this.
pub(super) fn is_refused_token(error: &Error) -> bool {
    error.wants_authorization() && error.status == Some(401)
}
