#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use librechat_mcp_native::transport::fuzzing::events;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    piece: u8,
    limit: u8,
    bytes: &'a [u8],
}

fuzz_target!(|input: Input<'_>| {
    let pieces: Vec<_> = input
        .bytes
        .chunks(usize::from(input.piece).max(1))
        .collect();
    assert_eq!(events(&pieces, 0), events(&[input.bytes], 0));
    let _ = events(&pieces, input.limit.into());
});
