//! What came back.

use std::fmt;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::future;
use futures::stream::{self, Stream, StreamExt};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use url::Url;

use super::coding::{self, Coding, codings};
use super::failure::{body_failure, sanitize_url};
use super::of_url;
use crate::dpop;
use crate::error::{Code, Error, Result};
use crate::trace::Exchange;

/// How long the words of a failure may take.
const SOON: Duration = Duration::from_millis(500);

/// An answer whose body has not been read. `Debug` shows header names only, and no query.
pub struct Response {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// Where the answer came from, after redirects, without user and password.
    pub url: Url,
    /// Why a resource refuses the request's proof, where that has nothing to do with its token.
    pub refused_proof: Option<&'static str>,
    inner: http::Response<Incoming>,
    timeout: Option<Duration>,
    /// How the body is coded; the name of a coding that is not known.
    codings: Result<Vec<Coding>, String>,
    /// The exchange, where it is traced.
    pub(super) trace: Option<Box<Exchange>>,
}

impl Response {
    /// `url` is what was asked for, under the name that the caller knows it by.
    pub(super) fn new(
        mut inner: http::Response<Incoming>,
        url: &Url,
        timeout: Option<Duration>,
    ) -> Self {
        let mut headers = std::mem::take(inner.headers_mut());
        let codings = codings(&headers);
        if headers.remove(CONTENT_ENCODING).is_some() && codings != Ok(Vec::new()) {
            // That of the coded body.
            headers.remove(CONTENT_LENGTH);
        }
        Self {
            status: inner.status(),
            headers,
            url: of_url::bare(url).into_owned(),
            refused_proof: None,
            inner,
            timeout,
            codings,
            trace: None,
        }
    }

    /// The whole body, at most `limit` bytes (0 = no limit), within the request's timeout.
    ///
    /// Fails with [`Code::ResponseTooLarge`], [`Code::Timeout`] or [`Code::ConnectionLost`].
    pub async fn bytes(self, limit: usize) -> Result<Bytes> {
        let Some(timeout) = self.timeout else {
            return self.collect(limit).await;
        };
        let url = sanitize_url(&self.url);
        tokio::time::timeout(timeout, self.collect(limit))
            .await
            .unwrap_or_else(|_| {
                Err(Error::timeout(format!(
                    "The response body of {url} took longer than {} ms",
                    timeout.as_millis()
                )))
            })
    }

    /// What comes of the body soon and fits into `limit` bytes, for the words of a failure: an answer that does not end, or
    /// breaks off, must not keep anybody from its status.
    pub async fn beginning(self, limit: usize) -> Vec<u8> {
        let mut body = Vec::new();
        let read = async {
            let mut chunks = self.stream();
            while let Some(Ok(chunk)) = chunks.next().await {
                let room = limit - body.len();
                body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if body.len() == limit {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(SOON, read).await;
        body
    }

    async fn collect(self, limit: usize) -> Result<Bytes> {
        let url = self.url.clone();
        let too_large = || {
            Error::new(
                Code::ResponseTooLarge,
                format!(
                    "The response body of {} exceeded {limit} bytes",
                    sanitize_url(&url)
                ),
            )
        };
        let exceeds =
            |size: u64| limit != 0 && u64::try_from(limit).is_ok_and(|limit| size > limit);
        if self.codings == Ok(Vec::new()) && self.inner.size_hint().exact().is_some_and(exceeds) {
            return Err(too_large());
        }
        let mut body = BytesMut::new();
        let mut chunks = self.stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk?;
            if limit != 0 && body.len() + chunk.len() > limit {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    /// The body as it arrives, without a bound in bytes or time. Dropping the stream ends the response.
    pub fn stream(self) -> impl Stream<Item = Result<Bytes>> + Send + Unpin + 'static {
        let url = self.url;
        let codings = match self.codings {
            Ok(codings) => codings,
            Err(name) => {
                let error = coding::unknown(&sanitize_url(&url), &name);
                return stream::once(future::ready(Err(error))).boxed();
            }
        };
        // Only what is decoded can fail to be.
        let shown = if codings.is_empty() {
            String::new()
        } else {
            sanitize_url(&url)
        };
        let chunks = self.inner.into_body().into_data_stream();
        let chunks = chunks.map(move |chunk| chunk.map_err(|error| body_failure(&error, &url)));
        let chunks = coding::decoded(chunks.boxed(), &codings, move |error| {
            coding::undecodable(&shown, error)
        });
        match self.trace {
            None => chunks,
            Some(exchange) => exchange.follow(chunks),
        }
    }

    /// The number of the exchange in the trace, 0 where there is none.
    #[must_use]
    pub fn exchange(&self) -> u64 {
        self.trace.as_ref().map_or(0, |exchange| exchange.id)
    }

    /// All challenges of a refusal (RFC 9110, section 11.6.1), as one header.
    #[must_use]
    pub fn challenges(&self) -> Option<String> {
        let challenges: Vec<_> = self
            .headers
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect();
        (!challenges.is_empty()).then(|| challenges.join(", "))
    }

    /// Of a request that had a proof. Whether it is to be sent again, with a nonce in that.
    pub(super) fn judge_proof(&mut self) -> bool {
        let challenges = self.challenges();
        let refused = challenges.and_then(|it| dpop::refusal_of(self.status, &it));
        self.refused_proof = refused;
        refused.is_some_and(|error| dpop::wants_nonce(error, &self.headers))
    }

    /// The raw connection after 101 Switching Protocols.
    ///
    /// Fails with [`Code::InvalidResponse`] when the answer is none.
    pub async fn upgrade(self) -> Result<impl AsyncRead + AsyncWrite + Unpin + Send + 'static> {
        let refused = || {
            Error::new(
                Code::InvalidResponse,
                format!("{} did not switch protocols", sanitize_url(&self.url)),
            )
            .with_status(self.status.as_u16())
        };
        if self.status != StatusCode::SWITCHING_PROTOCOLS {
            return Err(refused());
        }
        let refused = refused();
        let upgraded = hyper::upgrade::on(self.inner).await;
        upgraded.map(TokioIo::new).map_err(|_| refused)
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Response")
            .field("status", &self.status)
            .field("url", &sanitize_url(&self.url))
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
