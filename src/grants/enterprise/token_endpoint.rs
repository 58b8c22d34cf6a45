//! Asking a token endpoint, whose failures say whether asking once more may help.

use http::StatusCode;
use serde_json::{Map, Value};
use url::Url;

use crate::oauth::{Endpoints, Form};
use crate::obo::{Failure, read};
use crate::secret::Secret;

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
