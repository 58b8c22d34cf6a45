//! Opening the stream, up to the event that names the endpoint.

use std::time::Duration;

use http::header::{ACCEPT, CACHE_CONTROL};
use http::{HeaderValue, Method, StatusCode};
use url::Url;

use crate::error::{Code, Error, Result};
use crate::network::EXPLANATION_BYTES;
use crate::server_config::sanitize_url_for_logging;
use crate::transport::events::{Events, Found, Progress};
use crate::transport::remote::{
    EVENT_STREAM, LAST_EVENT_ID, Remote, content_type, invalid, is_type, quoting, refusal,
    wrong_type,
};

/// Where messages are posted to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub url: Url,
    /// The stream was redirected to another origin than the configured one: what belongs to the configured origin is
    /// not sent there.
    pub elsewhere: bool,
    /// Where the stream is, after redirects.
    pub stream: Url,
}

impl Endpoint {
    /// What an `endpoint` event means: an absolute URL or one relative to the stream's, of the stream's origin. Posting
    /// elsewhere on a server's word would hand over credentials.
    pub fn new(reference: &str, stream: &Url, configured: &Url) -> Result<Self> {
        let shown = sanitize_url_for_logging(stream.as_str());
        let refused = |what: String| {
            Error::new(
                Code::InvalidResponse,
                format!("{shown} named {what} as its endpoint"),
            )
        };
        let url = stream
            .join(reference.trim())
            .map_err(|_| refused("no valid URL".to_owned()))?;
        if url.origin() != stream.origin() {
            let origin = url.origin().ascii_serialization();
            return Err(refused(format!("another origin ({origin})")));
        }
        Ok(Self {
            url,
            elsewhere: stream.origin() != configured.origin(),
            stream: stream.clone(),
        })
    }
}

/// Opens a stream where the last one has got to; the caller bounds the time. What precedes the endpoint is read for its
/// ids only.
pub(super) async fn open(remote: &Remote, progress: &mut Progress) -> Result<(Events, Endpoint)> {
    let mut request = remote.request(Method::GET, Url::clone(&remote.url), None);
    let headers = &mut request.headers;
    headers.insert(ACCEPT, HeaderValue::from_static(EVENT_STREAM));
    // The reference lets configured headers win over this one.
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-cache"));
    let last_event_id = progress.last_event_id.as_deref();
    if let Some(id) = last_event_id.and_then(|id| HeaderValue::from_str(id).ok()) {
        headers.insert(LAST_EVENT_ID, id);
    }
    request.timeout = None;
    let response = remote.send(request).await?;
    if !response.status.is_success() {
        return Err(refusal(response, &remote.sent(None)).await.error);
    }
    if response.status == StatusCode::NO_CONTENT {
        return Err(invalid(
            &response.url,
            response.status,
            "that there is no event stream",
        ));
    }
    if !is_type(&response, EVENT_STREAM) {
        let error = wrong_type(&response, EVENT_STREAM);
        let kind = content_type(&response).to_owned();
        let body = response.beginning(EXPLANATION_BYTES).await;
        return Err(quoting(error, &body, &kind, &remote.sent(None)));
    }
    let stream = response.url.clone();
    let mut events = Events::new(response.stream(), remote.event_limits());
    while let Some(found) = events.next().await {
        let Found::Event(event) = found? else {
            continue;
        };
        progress.note(event.id, event.retry);
        if let (Some("endpoint"), Some(reference)) = (event.event.as_deref(), &event.data) {
            return Ok((events, Endpoint::new(reference, &stream, &remote.url)?));
        }
    }
    let shown = sanitize_url_for_logging(stream.as_str());
    Err(Error::new(
        Code::ConnectionLost,
        format!("{shown} ended its event stream before it named an endpoint"),
    ))
}

/// Bounds the opening of a stream.
pub(super) async fn within<T>(limit: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        Err(Error::timeout(format!(
            "The server did not open its event stream within {} ms",
            limit.as_millis()
        )))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(reference: &str, stream: &str, configured: &str) -> Result<Endpoint> {
        let url = |url| Url::parse(url).unwrap();
        Endpoint::new(reference, &url(stream), &url(configured))
    }

    #[test]
    fn endpoints_are_of_the_same_origin() {
        let base = "https://mcp.test/v1/sse?key=1";
        for (reference, url) in [
            (
                "/messages?sessionId=1",
                "https://mcp.test/messages?sessionId=1",
            ),
            ("messages", "https://mcp.test/v1/messages"),
            ("?s=1", "https://mcp.test/v1/sse?s=1"),
            ("https://mcp.test:443/m", "https://mcp.test/m"),
            (" /m \n", "https://mcp.test/m"),
        ] {
            let endpoint = endpoint(reference, base, base).unwrap();
            assert_eq!((endpoint.url.as_str(), endpoint.elsewhere), (url, false));
        }
        for reference in [
            "https://other.test/m",
            "http://mcp.test/m",
            "https://mcp.test:8443/m",
            "//other.test/m",
            "\\\\other.test/m",
            "file:///etc/passwd",
            "data:text/plain,x",
            "https://[bad",
        ] {
            let error = endpoint(reference, base, base).unwrap_err();
            assert_eq!(error.code, Code::InvalidResponse, "{reference}");
            assert!(!error.message.contains("key"), "{error}");
        }
    }

    #[test]
    fn after_a_redirect_the_new_origin_counts() {
        let moved = endpoint("/m", "https://b.test/sse", "https://a.test/sse").unwrap();
        assert_eq!(moved.url.as_str(), "https://b.test/m");
        assert!(moved.elsewhere);
        assert!(
            endpoint(
                "https://a.test/m",
                "https://b.test/sse",
                "https://a.test/sse"
            )
            .is_err()
        );
    }
}
