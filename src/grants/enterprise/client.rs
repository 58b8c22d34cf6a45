//! Asking a token endpoint, as a client that was registered there.

use http::StatusCode;
use serde_json::{Map, Value};
use url::Url;

use super::diagnosis::configuration;
use crate::error::Result;
use crate::oauth::{AuthMethod, Endpoints, Form, authenticate};
use crate::obo::{Failure, read};
use crate::secret::Secret;

/// A client of a config.
pub(super) struct Client<'a> {
    pub id: Option<&'a str>,
    pub secret: Option<&'a Secret>,
    pub forced: Option<AuthMethod>,
}

impl Client<'_> {
    /// Puts the client's credentials where they belong; what it returns is the `Authorization` header. `supported` are the
    /// endpoint's methods, where known.
    pub fn authenticate(
        &self,
        form: &mut Form,
        supported: Option<&[String]>,
    ) -> Result<Option<Secret>> {
        let id = self
            .id
            .ok_or_else(|| configuration("`client_id` is missing"))?;
        let supported: Vec<&str> = supported.into_iter().flatten().map(String::as_str).collect();
        let method = match self.secret {
            Some(_) => AuthMethod::for_secret(self.forced, None, &supported),
            None => AuthMethod::None,
        };
        Ok(authenticate(form, method, id, self.secret))
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
