//! From URLs to what HTTP has in their place.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::uri::InvalidUri;
use http::{HeaderValue, Uri};
use percent_encoding::percent_decode_str;
use url::Url;

use crate::secret::Secret;

/// A name and a password.
pub(super) type Credentials = (Secret, Secret);

/// The URL without user and password, which HTTP has in headers.
pub(super) fn bare(url: &Url) -> Cow<'_, Url> {
    if !has_credentials(url) {
        return Cow::Borrowed(url);
    }
    let mut bare = url.clone();
    // Neither fails for a URL that has them.
    let _ = bare.set_username("");
    let _ = bare.set_password(None);
    Cow::Owned(bare)
}

/// The same as HTTP writes it.
pub(super) fn uri(url: &Url) -> Result<Uri, InvalidUri> {
    bare(url).as_str().parse()
}

fn has_credentials(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// User and password of a URL, where these are text.
pub(super) fn credentials(url: &Url) -> Option<Credentials> {
    let decoded = |part| {
        let text = percent_decode_str(part).decode_utf8().ok()?;
        Some(Secret::from(&*text))
    };
    let name = decoded(url.username())?;
    let password = decoded(url.password().unwrap_or_default())?;
    has_credentials(url).then_some((name, password))
}

/// These as a header (RFC 7617).
pub(super) fn authorization(url: &Url) -> Option<HeaderValue> {
    let (name, password) = credentials(url)?;
    let pair = STANDARD.encode(format!("{}:{}", name.expose(), password.expose()));
    let mut value = HeaderValue::from_str(&format!("Basic {pair}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_become_a_header() {
        for (url, address, header) in [
            ("http://h.test/p?q", "http://h.test/p?q", None),
            ("http://h.test/p?q#f", "http://h.test/p?q", None),
            (
                "https://u:p%40ss@h.test:8443/",
                "https://h.test:8443/",
                Some("Basic dTpwQHNz"),
            ),
            ("http://u@h.test/", "http://h.test/", Some("Basic dTo=")),
            ("http://:p@h.test/", "http://h.test/", Some("Basic OnA=")),
        ] {
            let url = Url::parse(url).unwrap();
            assert_eq!(uri(&url).unwrap().to_string(), address);
            let found = authorization(&url);
            let found = found.as_ref().map(|value| value.to_str().unwrap());
            assert_eq!(found, header, "{url}");
            assert!(authorization(&url).is_none_or(|value| value.is_sensitive()));
        }
    }
}
