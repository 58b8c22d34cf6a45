//! Where a redirect leads.

use http::StatusCode;
use http::header::LOCATION;
use url::Url;

use super::failure::sanitize_url;
use super::response::Response;
use crate::error::{Code, Error, Result};

pub(super) const MAX_REDIRECTS: usize = 5;

/// Where a 307 or 308 leads; without `Location` it is an ordinary answer.
pub(super) fn redirect_target(response: &Response, url: &Url) -> Result<Option<Url>> {
    if !matches!(
        response.status,
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
    ) {
        return Ok(None);
    }
    let Some(location) = response.headers.get(LOCATION) else {
        return Ok(None);
    };
    location
        .to_str()
        .ok()
        .and_then(|location| url.join(location).ok())
        .map(Some)
        .ok_or_else(|| {
            Error::new(
                Code::InvalidResponse,
                format!("{} redirected to no valid URL", sanitize_url(url)),
            )
            .with_status(response.status.as_u16())
        })
}

pub(super) fn too_many_redirects(url: &Url, status: StatusCode) -> Error {
    Error::new(
        Code::HttpStatus,
        format!(
            "{} redirected more than {MAX_REDIRECTS} times",
            sanitize_url(url)
        ),
    )
    .with_status(status.as_u16())
}
