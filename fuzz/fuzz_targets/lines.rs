#![no_main]

use std::pin::Pin;
use std::task::{Context, Poll};

use arbitrary::Arbitrary;
use futures::executor::block_on;
use libfuzzer_sys::fuzz_target;
use librechat_mcp_native::transport::fuzzing::lines;
use tokio::io::{AsyncRead, ReadBuf};

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    piece: u8,
    limit: u8,
    bytes: &'a [u8],
}

/// Reads at most so many bytes at a time.
struct Pieces<'a>(&'a [u8], usize);

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let size = self.1.min(buffer.remaining()).min(self.0.len());
        let (piece, rest) = self.0.split_at(size);
        buffer.put_slice(piece);
        self.0 = rest;
        Poll::Ready(Ok(()))
    }
}

fuzz_target!(|input: Input<'_>| {
    let pieces = || Pieces(input.bytes, usize::from(input.piece).max(1));
    assert_eq!(
        block_on(lines(pieces(), 0)),
        block_on(lines(input.bytes, 0))
    );
    let _ = block_on(lines(pieces(), input.limit.into()));
});
