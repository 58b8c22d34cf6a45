//! What is sent.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderName, Method};
use url::Url;

use super::failure::sanitize_url;
use crate::dpop::Proof;
use crate::trace::Tag;

pub(super) const MCP_SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");

/// What to do with a redirect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redirects {
    /// Never follow: a 3xx is returned as the answer it is.
    Refuse,
    /// Follow 307 and 308, which keep method and body, at most 5 times.
    Mcp,
}

/// One request. `Debug` shows header names only, and no query.
#[derive(Clone)]
pub struct Request {
    pub method: Method,
    /// `http`, `https`, `ws` or `wss`; the latter two are sent as the former.
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub redirects: Redirects,
    /// Configured and runtime headers, dropped when a redirect crosses origins, in addition to `authorization`,
    /// `proxy-authorization`, `cookie` and `mcp-session-id`.
    pub secret_headers: Vec<HeaderName>,
    /// How long the response headers may take, redirects included; the body gets as long again in
    /// [`Response::bytes`](super::Response::bytes). 60 s unless set.
    pub timeout: Option<Duration>,
    /// The server may be sent this twice. Where a kept connection turns out to have been closed before anything of an
    /// answer came, the request is sent again on a new one.
    pub is_repeatable: bool,
    /// For protocols that take over the connection.
    pub http1_only: bool,
    /// A server chose this URL, on another origin than the configured one: it is judged as a redirect to it, and
    /// [`Self::secret_headers`] stay behind.
    pub elsewhere: bool,
    /// Made anew each time that the request is sent, for its URL then; stays behind where [`Self::secret_headers`] do.
    pub proof: Option<Box<Proof>>,
    /// Whose the request is, where that is traced.
    pub trace: Option<Arc<Tag>>,
}

impl Request {
    /// A request without headers and body that follows no redirect.
    #[must_use]
    pub fn new(method: Method, url: Url) -> Self {
        let is_repeatable = method == Method::GET;
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            redirects: Redirects::Refuse,
            secret_headers: Vec::new(),
            timeout: Some(Duration::from_mins(1)),
            is_repeatable,
            http1_only: false,
            elsewhere: false,
            proof: None,
            trace: None,
        }
    }

    /// The number of the exchange in the trace, 0 where there is none.
    #[must_use]
    pub fn exchange(&self) -> u64 {
        self.trace.as_ref().map_or(0, |tag| tag.exchange)
    }

    /// What nobody but the configured origin gets.
    pub(super) fn drop_secrets(&mut self) {
        self.proof = None;
        for name in [
            &AUTHORIZATION,
            &PROXY_AUTHORIZATION,
            &COOKIE,
            &MCP_SESSION_ID,
        ]
        .into_iter()
        .chain(&self.secret_headers)
        {
            self.headers.remove(name);
        }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Request")
            .field("method", &self.method)
            .field("url", &sanitize_url(&self.url))
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// The URL as HTTP knows it: a WebSocket starts as an HTTP request (RFC 6455, section 3).
pub(super) fn wire_url(url: &Url) -> Cow<'_, Url> {
    let scheme = match url.scheme() {
        "ws" => "http",
        "wss" => "https",
        _ => return Cow::Borrowed(url),
    };
    let mut url = url.clone();
    // Cannot fail between schemes of this kind.
    let _ = url.set_scheme(scheme);
    Cow::Owned(url)
}
