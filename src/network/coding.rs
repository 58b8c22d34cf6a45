//! Content codings (RFC 9110, section 8.4): which are offered, and bodies decoded as they come, so that limits count what
//! was meant and not how it was packed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use async_compression::tokio::bufread::{
    BrotliDecoder, DeflateDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder,
};
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use futures::{future, ready};
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderValue};
use tokio::io::{AsyncBufRead, AsyncRead, BufReader, ReadBuf};
use tokio::task::coop::poll_proceed;
use tokio_util::io::{ReaderStream, StreamReader};

use crate::error::{Code, Error, Result};

/// For `Accept-Encoding`.
pub(super) const OFFERED: HeaderValue = HeaderValue::from_static("gzip, br, zstd, deflate");

/// More than one is already odd, and each costs memory.
const MOST: usize = 3;
/// What is decoded at a time: little of a body that is all packing is unpacked before a limit counts it.
const PIECE_BYTES: usize = 16 * 1024;
/// How much may come out of one coding without anything coming out of the next.
const MOST_WITHOUT_OUTPUT: usize = 16 * 1024 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    Brotli,
    Zstd,
    Deflate,
}

/// The codings of a body, in the order in which they were applied.
///
/// # Errors
/// The name of one that is not known.
pub(super) fn codings(headers: &HeaderMap) -> Result<Vec<Coding>, String> {
    let mut codings = Vec::new();
    for value in headers.get_all(CONTENT_ENCODING) {
        let value = value.to_str().map_err(|_| "an unreadable one".to_owned())?;
        for name in value.split(',').map(str::trim) {
            codings.push(match &*name.to_ascii_lowercase() {
                // The others are no codings. Servers name them, and mean that there is none.
                "" | "identity" | "none" | "utf-8" | "utf8" | "binary" | "chunked"
                | "aws-chunked" => continue,
                "gzip" | "x-gzip" => Coding::Gzip,
                "br" => Coding::Brotli,
                "zstd" => Coding::Zstd,
                "deflate" => Coding::Deflate,
                _ => return Err(name.chars().take(40).collect()),
            });
        }
    }
    if codings.len() > MOST {
        return Err(format!("{} of them", codings.len()));
    }
    Ok(codings)
}

type Chunks = BoxStream<'static, Result<Bytes>>;
type Reader = Pin<Box<dyn AsyncBufRead + Send>>;

/// The body as it was before its codings. `broken` is told of a body that cannot be decoded.
pub(super) fn decoded(
    chunks: Chunks,
    codings: &[Coding],
    broken: impl Fn(&io::Error) -> Error + Send + 'static,
) -> Chunks {
    if codings.is_empty() {
        return chunks;
    }
    let codings = codings.to_vec();
    // HTTP/2 may end a body with a frame that holds nothing.
    let is_empty = |chunk: &Result<Bytes>| matches!(chunk, Ok(chunk) if chunk.is_empty());
    let mut chunks = chunks.filter(move |chunk| future::ready(!is_empty(chunk)));
    let decoded = async move {
        // What has no body is in no coding, whatever it says.
        match chunks.next().await {
            None => stream::empty().boxed(),
            Some(first) => {
                let chunks = stream::once(future::ready(first)).chain(chunks);
                unpacked(chunks.boxed(), &codings, broken)
            }
        }
    };
    stream::once(decoded).flatten().boxed()
}

fn unpacked(
    chunks: Chunks,
    codings: &[Coding],
    broken: impl Fn(&io::Error) -> Error + Send + 'static,
) -> Chunks {
    let chunks = chunks.map(|chunk| chunk.map_err(io::Error::other));
    let mut reader: Reader = Box::pin(StreamReader::new(chunks));
    let without_output = Arc::new(AtomicUsize::new(0));
    for (level, coding) in codings.iter().rev().enumerate() {
        if level > 0 {
            reader = Box::pin(Between {
                reader,
                without_output: Arc::clone(&without_output),
            });
        }
        reader = match coding {
            Coding::Gzip => {
                let mut decoder = GzipDecoder::new(reader);
                decoder.multiple_members(true);
                buffered(decoder)
            }
            Coding::Brotli => buffered(BrotliDecoder::new(reader)),
            Coding::Zstd => {
                let mut decoder = ZstdDecoder::new(reader);
                decoder.multiple_members(true);
                buffered(decoder)
            }
            Coding::Deflate => deflated(reader),
        };
    }
    let decoded = ReaderStream::with_capacity(reader, PIECE_BYTES);
    let decoded = decoded.map(move |chunk| {
        without_output.store(0, Ordering::Relaxed);
        chunk.map_err(|error| {
            let own = error
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<Error>());
            own.map_or_else(|| broken(&error), Clone::clone)
        })
    });
    decoded.boxed()
}

/// What comes out of one coding and is in another. A few bytes can become any number that mean nothing to the next coding
/// (members without content, say), which it would read without a pause and without an end.
struct Between {
    reader: Reader,
    without_output: Arc<AtomicUsize>,
}

impl AsyncBufRead for Between {
    fn poll_fill_buf(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        if this.without_output.load(Ordering::Relaxed) > MOST_WITHOUT_OUTPUT {
            let message = "it unpacks to much that has no content";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, message)));
        }
        let turn = ready!(poll_proceed(context));
        let filled = ready!(this.reader.as_mut().poll_fill_buf(context));
        turn.made_progress();
        Poll::Ready(filled)
    }

    fn consume(mut self: Pin<&mut Self>, amount: usize) {
        self.without_output.fetch_add(amount, Ordering::Relaxed);
        self.reader.as_mut().consume(amount);
    }
}

impl AsyncRead for Between {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let filled = ready!(self.as_mut().poll_fill_buf(context))?;
        let amount = filled.len().min(buffer.remaining());
        buffer.put_slice(&filled[..amount]);
        self.consume(amount);
        Poll::Ready(Ok(()))
    }
}

fn buffered(decoder: impl AsyncRead + Send + 'static) -> Reader {
    Box::pin(BufReader::with_capacity(PIECE_BYTES, decoder))
}

/// "deflate" means zlib's format (RFC 9110, section 8.4.1.2); some servers send the bare one.
fn deflated(reader: Reader) -> Reader {
    let first = stream::once(async move {
        let mut reader = reader;
        let is_zlib = tokio::io::AsyncBufReadExt::fill_buf(&mut reader)
            .await
            .is_ok_and(starts_like_zlib);
        if is_zlib {
            buffered(ZlibDecoder::new(reader))
        } else {
            buffered(DeflateDecoder::new(reader))
        }
    });
    let chunks = first.flat_map(|reader| ReaderStream::with_capacity(reader, PIECE_BYTES));
    Box::pin(StreamReader::new(Box::pin(chunks)))
}

/// RFC 1950, section 2.2: deflate with a window of at most 32 KiB. Its first byte alone decides, however the body is cut
/// into pieces: bare deflate begins with it only where an encoder fills unused bits with ones, which none does.
fn starts_like_zlib(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| first & 0x8F == 0x08)
}

/// A body in a coding that is none of [`OFFERED`].
pub(super) fn unknown(shown_url: &str, name: &str) -> Error {
    Error::new(
        Code::InvalidResponse,
        format!("{shown_url} answered in a content coding that was not offered: {name}"),
    )
}

/// A body that is not in the coding that it is said to be in.
pub(super) fn undecodable(shown_url: &str, error: &io::Error) -> Error {
    // flate2 calls it this where deflate ends too early.
    let is_cut =
        error.kind() == io::ErrorKind::UnexpectedEof || error.to_string().contains("BufError");
    let code = if is_cut {
        Code::ConnectionLost
    } else {
        Code::InvalidResponse
    };
    Error::new(
        code,
        format!("The response of {shown_url} cannot be decoded: {error}"),
    )
}

#[cfg(test)]
mod tests {
    use async_compression::tokio::write::{
        BrotliEncoder, DeflateEncoder, GzipEncoder, ZlibEncoder, ZstdEncoder,
    };
    use tokio::io::{AsyncWrite, AsyncWriteExt};

    use super::*;

    fn headers(values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CONTENT_ENCODING, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn codings_in_any_case_and_number() {
        let of = |values: &[&'static str]| codings(&headers(values));
        assert_eq!(of(&[]), Ok(vec![]));
        assert_eq!(of(&["identity"]), Ok(vec![]));
        assert_eq!(of(&["UTF-8, gzip"]), Ok(vec![Coding::Gzip]));
        assert_eq!(of(&["GZip"]), Ok(vec![Coding::Gzip]));
        assert_eq!(
            of(&["deflate , br", "x-gzip"]),
            Ok(vec![Coding::Deflate, Coding::Brotli, Coding::Gzip])
        );
        assert_eq!(of(&["zstd", "compress"]), Err("compress".to_owned()));
        assert!(of(&["gzip,gzip,gzip,gzip,gzip"]).is_err());
    }

    async fn encode<W: AsyncWrite + Unpin>(mut encoder: W, text: &[u8]) -> W {
        encoder.write_all(text).await.unwrap();
        encoder.shutdown().await.unwrap();
        encoder
    }

    async fn encoded(coding: Coding, text: &[u8]) -> Vec<u8> {
        match coding {
            Coding::Gzip => encode(GzipEncoder::new(Vec::new()), text)
                .await
                .into_inner(),
            Coding::Brotli => encode(BrotliEncoder::new(Vec::new()), text)
                .await
                .into_inner(),
            Coding::Zstd => encode(ZstdEncoder::new(Vec::new()), text)
                .await
                .into_inner(),
            Coding::Deflate => encode(ZlibEncoder::new(Vec::new()), text)
                .await
                .into_inner(),
        }
    }

    async fn decode(body: Vec<u8>, codings: &[Coding], piece: usize) -> Result<Vec<u8>> {
        let pieces: Vec<_> = body
            .chunks(piece)
            .map(|piece| Ok(Bytes::copy_from_slice(piece)))
            .collect();
        let chunks = stream::iter(pieces).boxed();
        let mut decoded = decoded(chunks, codings, |error| undecodable("http://h", error));
        let mut text = Vec::new();
        while let Some(chunk) = decoded.next().await {
            text.extend_from_slice(&chunk?);
        }
        Ok(text)
    }

    const ALL: [Coding; 4] = [Coding::Gzip, Coding::Brotli, Coding::Zstd, Coding::Deflate];

    #[tokio::test]
    async fn bodies_are_decoded_in_pieces_of_any_size() {
        let text = "Some text, again and again. ".repeat(5000).into_bytes();
        for coding in ALL {
            let body = encoded(coding, &text).await;
            for piece in [1, 7, body.len()] {
                let decoded = decode(body.clone(), &[coding], piece).await.unwrap();
                assert!(decoded == text, "{coding:?} in pieces of {piece}");
            }
        }
        let bare = encode(DeflateEncoder::new(Vec::new()), &text)
            .await
            .into_inner();
        assert!(decode(bare, &[Coding::Deflate], 64).await.unwrap() == text);
        let zlib = encoded(Coding::Deflate, &text).await;
        assert!(starts_like_zlib(&zlib[..1]) && !starts_like_zlib(&[]));
        let twice = encoded(Coding::Brotli, &encoded(Coding::Gzip, &text).await).await;
        let codings = [Coding::Gzip, Coding::Brotli];
        assert!(decode(twice, &codings, 64).await.unwrap() == text);
    }

    /// An event has to arrive before the next one is there.
    #[tokio::test]
    async fn what_was_flushed_is_there_at_once() {
        let mut encoder = GzipEncoder::new(Vec::new());
        encoder.write_all(b"data: 1\n\n").await.unwrap();
        encoder.flush().await.unwrap();
        let first = Bytes::copy_from_slice(encoder.get_ref());
        let chunks = stream::iter([Ok(first)]).chain(stream::pending()).boxed();
        let mut decoded = decoded(chunks, &[Coding::Gzip], |error| undecodable("h", error));
        assert_eq!(decoded.next().await.unwrap().unwrap(), "data: 1\n\n");
    }

    #[tokio::test]
    async fn what_is_broken_or_cut_off_is_an_error() {
        let text = vec![b'x'; 100_000];
        for coding in ALL {
            let mut body = encoded(coding, &text).await;
            body.truncate(body.len() / 2);
            let error = decode(body, &[coding], 16).await.unwrap_err();
            assert_eq!(error.code, Code::ConnectionLost, "{coding:?}: {error}");
            let garbage = b"\xFF\xFEno such coding".repeat(9);
            assert!(decode(garbage, &[coding], 16).await.is_err(), "{coding:?}");
        }
        assert_eq!(decode(Vec::new(), &ALL, 1).await.unwrap(), b"");
        let chunks = stream::iter([Ok(Bytes::new())]).boxed();
        let nothing = decoded(chunks, &ALL, |error| undecodable("h", error));
        assert_eq!(nothing.count().await, 0);
        let own = Error::new(Code::ConnectionLost, "broke off");
        let chunks = stream::iter([Err(own)]).boxed();
        let mut decoded = decoded(chunks, &[Coding::Gzip], |error| undecodable("h", error));
        let error = decoded.next().await.unwrap().unwrap_err();
        assert_eq!(error.message, "broke off");
    }

    /// 64 MiB of gzip members without content, in gzip.
    #[tokio::test]
    async fn codings_of_nothing_end() {
        let nothing = encoded(Coding::Gzip, b"").await;
        let body = encoded(
            Coding::Gzip,
            &nothing.repeat(64 * 1024 * 1024 / nothing.len()),
        )
        .await;
        let error = decode(body, &[Coding::Gzip, Coding::Gzip], 4096)
            .await
            .unwrap_err();
        assert!(error.message.contains("no content"), "{error}");
    }

    #[tokio::test]
    async fn a_bomb_is_unpacked_piece_by_piece() {
        let zeros = vec![0; 64 * 1024 * 1024];
        let body = encoded(Coding::Gzip, &zeros).await;
        let chunks = stream::iter([Ok(Bytes::from(body))]).boxed();
        let mut decoded = decoded(chunks, &[Coding::Gzip], |error| undecodable("h", error));
        assert!(decoded.next().await.unwrap().unwrap().len() <= PIECE_BYTES);
    }
}
