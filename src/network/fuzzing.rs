//! What fuzz targets reach of the decoders.

use bytes::Bytes;
use futures::stream::{self, StreamExt};
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderValue};

use super::coding::{self, codings};
use crate::error::Result;

/// A body that arrives in pieces, decoded up to `limit`, as a response with that `Content-Encoding` is.
///
/// # Errors
/// Where the body is not in that coding.
pub async fn decoded(
    pieces: impl Iterator<Item = &[u8]>,
    content_encoding: &str,
    limit: usize,
) -> Result<Vec<u8>> {
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(content_encoding) {
        headers.insert(CONTENT_ENCODING, value);
    }
    let codings = codings(&headers).unwrap_or_default();
    let pieces: Vec<_> = pieces
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect();
    let broken = |error: &std::io::Error| coding::undecodable("http://host", error);
    let mut chunks = coding::decoded(stream::iter(pieces).boxed(), &codings, broken);
    let mut body = Vec::new();
    while let Some(chunk) = chunks.next().await {
        body.extend_from_slice(&chunk?);
        if body.len() > limit {
            body.truncate(limit);
            break;
        }
    }
    Ok(body)
}
