//! Where a text repeats secrets: as they are, percent-encoded, as JSON escapes, in Base64 or hexadecimal, or one of
//! these inside another.
//!
//! The text is decoded rather than the secrets encoded: a part of a secret, at any place of a Base64 text, comes out as
//! itself at one of four alignments. Each decoded byte knows what of the text it came from.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use super::characters::is_unsafe;

/// The shortest part of a secret that gives it away, in bytes. Shorter secrets count as a whole.
const REVEALING: usize = 12;
/// Anything shorter is found in every other text.
const SHORTEST_SECRET: usize = 4;
/// How many encodings may lie around each other.
const DEPTH: usize = 3;
/// Between texts that do not belong together; no UTF-8 text has it.
const GAP: u8 = 0xff;

/// A byte, and the characters of the text that it was made of.
#[derive(Clone, Copy)]
struct Byte {
    value: u8,
    from: usize,
    to: usize,
}

type Decoder = fn(&[Byte]) -> Vec<Byte>;

const DECODERS: [Decoder; 7] = [
    unescape,
    |bytes| base64(bytes, 0),
    |bytes| base64(bytes, 1),
    |bytes| base64(bytes, 2),
    |bytes| base64(bytes, 3),
    |bytes| hex(bytes, 0),
    |bytes| hex(bytes, 1),
];

/// The parts of `text` that give a secret away, in order and apart from each other.
pub(super) fn ranges<'s>(text: &str, secrets: impl Iterator<Item = &'s str>) -> Vec<Range<usize>> {
    let mut search = Search::default();
    secrets.for_each(|secret| search.add(secret));
    search.ranges(text, DEPTH)
}

/// Every part of the secrets that is looked for, by its length. What is shorter than the longest part ends with zeros.
#[derive(Default)]
pub(super) struct Search(BTreeMap<usize, HashSet<[u8; REVEALING]>>);

impl Search {
    pub(super) fn add(&mut self, secret: &str) {
        let secret = folded(&bytes(secret));
        if secret.len() >= SHORTEST_SECRET {
            let length = secret.len().min(REVEALING);
            let of_length = self.0.entry(length).or_default();
            of_length.extend(secret.windows(length).map(padded));
        }
    }

    /// As [`ranges`], within so many encodings around each other.
    pub(super) fn ranges(&self, text: &str, depth: usize) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        if self.shortest() <= text.len() {
            self.look(&bytes(text), depth, &mut found);
        }
        merge(&mut found);
        found
    }

    fn shortest(&self) -> usize {
        self.0.keys().next().copied().unwrap_or(usize::MAX)
    }

    fn look(&self, bytes: &[Byte], depth: usize, found: &mut Vec<Range<usize>>) {
        let folded = folded(bytes);
        for (&length, parts) in &self.0 {
            for (at, part) in folded.windows(length).enumerate() {
                if parts.contains(&padded(part)) {
                    found.push(bytes[at].from..bytes[at + length - 1].to);
                }
            }
        }
        if depth > 0 {
            for decode in DECODERS {
                let decoded = decode(bytes);
                if decoded.len() >= self.shortest() {
                    self.look(&decoded, depth - 1, found);
                }
            }
        }
    }
}

/// Puts them in order and apart from each other.
pub(super) fn merge(found: &mut Vec<Range<usize>>) {
    found.sort_unstable_by_key(|range| range.start);
    found.dedup_by(|next, last| {
        let touches = next.start <= last.end;
        if touches {
            last.end = last.end.max(next.end);
        }
        touches
    });
}

/// At most [`REVEALING`] bytes, all of them together with what makes them as many.
fn padded(part: &[u8]) -> [u8; REVEALING] {
    let mut padded = [0; REVEALING];
    padded[..part.len()].copy_from_slice(part);
    padded
}

fn folded(bytes: &[Byte]) -> Vec<u8> {
    bytes.iter().map(|byte| fold(byte.value)).collect()
}

/// What is the same to somebody who looks for a secret: capitals, the two alphabets of Base64, and a space and the plus
/// sign that a form has for it.
const fn fold(byte: u8) -> u8 {
    match byte {
        b' ' | b'-' => b'+',
        b'_' => b'/',
        other => other.to_ascii_lowercase(),
    }
}

/// The text without what nobody sees, which could be put between the letters of a secret.
fn bytes(text: &str) -> Vec<Byte> {
    let mut bytes = Vec::with_capacity(text.len());
    for (from, character) in text.char_indices().filter(|(_, c)| !is_unsafe(*c)) {
        let to = from + character.len_utf8();
        let values = text.as_bytes()[from..to].iter();
        bytes.extend(values.map(|&value| Byte { value, from, to }));
    }
    bytes
}

/// `%41`, `\u0041`, `\x41`, `\/`, `&#65;`, `&#x41;`: nothing where there is none.
fn unescape(bytes: &[Byte]) -> Vec<Byte> {
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let (length, value) = escape_at(rest).unwrap_or((1, Escaped::Byte(rest[0].value)));
        let (from, to) = (rest[0].from, rest[length - 1].to);
        let mut buffer = [0; 4];
        let values = match value {
            Escaped::Byte(ref byte) => std::slice::from_ref(byte),
            Escaped::Character(character) => character.encode_utf8(&mut buffer).as_bytes(),
            Escaped::Unseen => &[],
        };
        decoded.extend(values.iter().map(|&value| Byte { value, from, to }));
        at += length;
    }
    if decoded.len() == bytes.len() {
        decoded.clear();
    }
    decoded
}

enum Escaped {
    Byte(u8),
    Character(char),
    /// A line break or tab, which is not looked for either.
    Unseen,
}

/// The escape that `bytes` begin with, and its length.
fn escape_at(bytes: &[Byte]) -> Option<(usize, Escaped)> {
    let byte_at = |at: usize| bytes.get(at).map(|byte| byte.value);
    let number = |at: usize, digits: usize| {
        let digits = bytes.get(at..at + digits)?.iter();
        digits.into_iter().try_fold(0_u32, |number, digit| {
            Some(number * 16 + u32::from(hex_digit(digit.value)?))
        })
    };
    let byte = |at| Some(Escaped::Byte(u8::try_from(number(at, 2)?).ok()?));
    match (byte_at(0)?, byte_at(1)?) {
        (b'%', _) => Some((3, byte(1)?)),
        (b'\\', b'x') => Some((4, byte(2)?)),
        (b'\\', b'u') => {
            let unit = number(2, 4)?;
            if let Some(character) = char::from_u32(unit) {
                return Some((6, Escaped::Character(character)));
            }
            let has_second = (byte_at(6), byte_at(7)) == (Some(b'\\'), Some(b'u'));
            let second = has_second.then(|| number(8, 4)).flatten()?;
            let pair = [u16::try_from(unit).ok()?, u16::try_from(second).ok()?];
            let character = char::decode_utf16(pair).next()?.ok()?;
            Some((12, Escaped::Character(character)))
        }
        (b'&', b'#') => {
            let (start, radix) = match byte_at(2)? {
                b'x' | b'X' => (3, 16),
                _ => (2, 10),
            };
            let (mut end, mut number) = (start, 0_u32);
            while let Some(digit) = byte_at(end).and_then(|it| char::from(it).to_digit(radix)) {
                number = number.saturating_mul(radix).saturating_add(digit);
                end += 1;
            }
            let character = char::from_u32(number).filter(|_| end > start)?;
            // Browsers do without the end.
            let length = end + usize::from(byte_at(end) == Some(b';'));
            Some((length, Escaped::Character(character)))
        }
        (b'\\', b'n' | b'r' | b't' | b'b' | b'f') => Some((2, Escaped::Unseen)),
        (b'\\', value @ (b'\\' | b'/' | b'"' | b'\'')) => Some((2, Escaped::Byte(value))),
        _ => None,
    }
}

/// What the Base64 texts among `bytes` (RFC 4648, sections 4 and 5) stand for, from the character `skipped` of each on.
fn base64(bytes: &[Byte], skipped: usize) -> Vec<Byte> {
    /// Characters for the shortest secret.
    const SHORTEST: usize = 6;
    let mut decoded = Vec::new();
    for run in bytes.split(|byte| sextet(byte.value).is_none()) {
        if run.len() < SHORTEST + skipped {
            continue;
        }
        for group in run[skipped..].chunks(4) {
            for (index, pair) in group.windows(2).enumerate() {
                let [high, low] = [0, 1].map(|at| sextet(pair[at].value).unwrap_or_default());
                let value = match index {
                    0 => high << 2 | low >> 4,
                    1 => high << 4 | low >> 2,
                    _ => high << 6 | low,
                };
                let (from, to) = (pair[0].from, pair[1].to);
                decoded.push(Byte { value, from, to });
            }
        }
        push_gap(&mut decoded);
    }
    decoded
}

const fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

/// What the hexadecimal texts among `bytes` stand for, from the digit `skipped` of each on. Digits may stand in groups, as
/// tools print them: `41 42`, `41:42`, `41-42`.
fn hex(bytes: &[Byte], skipped: usize) -> Vec<Byte> {
    let mut decoded = Vec::new();
    for run in bytes.split(|byte| hex_digit(byte.value).is_none() && !b" :-".contains(&byte.value))
    {
        let digits: Vec<_> = run
            .iter()
            .filter_map(|byte| Some((hex_digit(byte.value)?, *byte)))
            .collect();
        if digits.len() < SHORTEST_SECRET * 2 + skipped {
            continue;
        }
        for pair in digits[skipped..].chunks_exact(2) {
            let ((high, first), (low, second)) = (pair[0], pair[1]);
            decoded.push(Byte {
                value: high << 4 | low,
                from: first.from,
                to: second.to,
            });
        }
        push_gap(&mut decoded);
    }
    decoded
}

fn hex_digit(byte: u8) -> Option<u8> {
    u8::try_from(char::from(byte).to_digit(16)?).ok()
}

fn push_gap(bytes: &mut Vec<Byte>) {
    if let Some(&Byte { to, .. }) = bytes.last() {
        let (value, from) = (GAP, to);
        bytes.push(Byte { value, from, to });
    }
}
