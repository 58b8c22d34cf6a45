#![no_main]

use arbitrary::Arbitrary;
use futures::executor::block_on;
use libfuzzer_sys::fuzz_target;
use librechat_mcp_native::network::fuzzing::decoded;

const LIMIT: usize = 1 << 20;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    /// One of [`CODINGS`] each.
    codings: [u8; 2],
    piece: u8,
    bytes: &'a [u8],
}

const CODINGS: [&str; 5] = ["gzip", "br", "zstd", "deflate", "identity"];

fuzz_target!(|input: Input<'_>| {
    let names = input
        .codings
        .map(|coding| CODINGS[usize::from(coding) % CODINGS.len()]);
    let pieces = input.bytes.chunks(usize::from(input.piece).max(1));
    let in_pieces = block_on(decoded(pieces, &names.join(","), LIMIT));
    let whole = block_on(decoded([input.bytes].into_iter(), &names.join(","), LIMIT));
    assert_eq!(in_pieces.ok(), whole.ok());
});
