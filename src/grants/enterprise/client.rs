//! Asking a token endpoint, as a client that was registered there.

use http::StatusCode;
use serde_json::{Map, Value};
use url::Url;

use crate::oauth::{AuthMethod, Endpoints, Form, authenticate};
use crate::obo::{Failure, read};
use crate::secret::Secret;

/// A client of a config with a secret, or with nothing to prove itself.
pub(super) struct SecretClient<'a> {
    pub id: &'a str,
    pub secret: Option<&'a Secret>,
    pub forced: Option<AuthMethod>,
}

impl SecretClient<'_> {
    /// Puts the client's credentials where they belong; what it returns is the `Authorization` header. `supported` are the
    /// endpoint's methods, where known.
    pub fn authenticate(&self, form: &mut Form, supported: &[&str]) -> Option<Secret> {
        let method = match self.secret {
            Some(_) => AuthMethod::for_secret(self.forced, None, supported),
            None => AuthMethod::None,
        };
        authenticate(form, method, self.id, self.secret)
    }
}

/// The members of a successful answer.
pub(super) async fn ask(
    endpoints: &Endpoints,
    url: &Url,
    form: &Form,
    authorization: Option<&Secret>,
) -> Result<(StatusCode, Map<String, Value>), Failure> {
    let answer = endpoints.post_form(url, form, authorization).await?;
    let members = read(answer.status, &answer.headers, answer.body(), answer.sent())?;
    Ok((answer.status, members))
}
