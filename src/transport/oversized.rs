//! Messages while they arrive. One that is too large is skipped, so that the stream stays usable, and told by its ends.

use std::mem;

use serde_json::Value;

use super::message::AnswerTo;

/// What is kept of the beginning of a message that is too large.
pub(super) const HEAD_BYTES: usize = 4096;
/// What is kept of its end.
pub(super) const TAIL_BYTES: usize = 256;

/// What comes of a message that arrives in pieces.
#[derive(Debug, PartialEq, Eq)]
pub enum Text {
    Whole(Vec<u8>),
    /// It has passed its limit; told at once, while the rest still comes in.
    TooLarge {
        head: Vec<u8>,
        refusal: String,
    },
    /// The one that was too large has ended.
    TooLargeEnd {
        tail: Vec<u8>,
    },
}

/// A message of which some has arrived.
#[derive(Default)]
pub(super) struct Arriving {
    kept: Vec<u8>,
    observed: usize,
    /// What is kept once it is too large.
    ends: Option<Ends>,
}

impl Arriving {
    /// Adds a piece. `limit` 0 is none; `refusal` says what is too large, of the bytes that were observed.
    pub(super) fn push(
        &mut self,
        piece: &[u8],
        limit: usize,
        refusal: impl FnOnce(usize) -> String,
    ) -> Option<Text> {
        self.observed = self.observed.saturating_add(piece.len());
        if let Some(ends) = &mut self.ends {
            ends.push(piece);
            return None;
        }
        if limit == 0 || self.observed <= limit {
            self.kept.extend_from_slice(piece);
            return None;
        }
        let mut ends = Ends::default();
        ends.push(&mem::take(&mut self.kept));
        ends.push(piece);
        let head = ends.head.clone();
        self.ends = Some(ends);
        let refusal = refusal(self.observed);
        Some(Text::TooLarge { head, refusal })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.observed == 0
    }

    /// Ends it; what is pushed next belongs to another.
    pub(super) fn end(&mut self) -> Text {
        let Self { kept, ends, .. } = mem::take(self);
        match ends {
            Some(Ends { tail, .. }) => Text::TooLargeEnd { tail },
            None => Text::Whole(kept),
        }
    }
}

/// The beginning and the end of what was pushed.
#[derive(Default)]
pub(super) struct Ends {
    pub head: Vec<u8>,
    pub tail: Vec<u8>,
}

impl Ends {
    pub(super) fn push(&mut self, piece: &[u8]) {
        let wanted = HEAD_BYTES - self.head.len();
        self.head
            .extend_from_slice(&piece[..wanted.min(piece.len())]);
        let piece = &piece[piece.len().saturating_sub(TAIL_BYTES)..];
        let excess = (self.tail.len() + piece.len()).saturating_sub(TAIL_BYTES);
        self.tail.drain(..excess);
        self.tail.extend_from_slice(piece);
    }
}

/// What the beginning of a message tells.
#[derive(Debug, PartialEq)]
pub(super) enum Head {
    AnswerTo(AnswerTo),
    /// Possibly an answer; its id is not in sight.
    Answer,
    /// A request or notification of the server, or no message at all.
    Other,
}

impl Head {
    pub(super) fn of(text: &[u8]) -> Self {
        let text = text.trim_ascii_start();
        if text.starts_with(b"[") {
            return Self::Answer;
        }
        let Some(mut rest) = text.strip_prefix(b"{") else {
            return Self::Other;
        };
        let mut id = None;
        while let Some((Value::String(key), after)) = leading_value(rest) {
            if key == "method" {
                return Self::Other;
            }
            let Some((value, after)) = strip(after, b':').and_then(leading_value) else {
                break;
            };
            if key == "id" {
                id = AnswerTo::of(&value);
            }
            let Some(after) = strip(after, b',') else {
                break;
            };
            rest = after;
        }
        id.map_or(Self::Answer, Self::AnswerTo)
    }
}

/// The id that is the last member of a message. What stands right before the last brace belongs to the outermost
/// object, so ids within results are never taken for it.
pub(super) fn last_id(tail: &[u8]) -> Option<AnswerTo> {
    let members = tail.trim_ascii_end().strip_suffix(b"}")?;
    let key = br#""id""#;
    let start = members.windows(key.len()).rposition(|part| part == key)?;
    let value = strip(&members[start + key.len()..], b':')?;
    AnswerTo::of(&serde_json::from_slice(value).ok()?)
}

/// The JSON value that `text` begins with, and what follows it.
fn leading_value(text: &[u8]) -> Option<(Value, &[u8])> {
    let mut values = serde_json::Deserializer::from_slice(text).into_iter::<Value>();
    let value = values.next()?.ok()?;
    Some((value, &text[values.byte_offset()..]))
}

fn strip(text: &[u8], separator: u8) -> Option<&[u8]> {
    text.trim_ascii_start().strip_prefix(&[separator])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads() {
        let id = |id| Head::AnswerTo(AnswerTo::Ours(id));
        for (text, expected) in [
            (r#"{"jsonrpc":"2.0","id":7,"result":{"a"#, id(7)),
            (r#" { "id" : 7 , "result" : {"id":8},"x"#, id(7)),
            (r#"{"result":{"id":7},"jsonrpc":"2.0","te"#, Head::Answer),
            (r#"{"result":{"text":"\"id\":7"#, Head::Answer),
            (
                r#"{"jsonrpc":"2.0","id":7,"method":"roots/list"#,
                Head::Other,
            ),
            (r#"{"method":"notifications/message","pa"#, Head::Other),
            ("INFO starting", Head::Other),
            (r#"[{"jsonrpc":"2.0","id":7"#, Head::Answer),
        ] {
            assert_eq!(Head::of(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn tails() {
        for (text, expected) in [
            (r#"xx"}]},"jsonrpc":"2.0","id":7}"#, Some(7)),
            (r#"xx"},"id" : 7 } "#, Some(7)),
            (r#"{"id":7}}"#, None),
            (r#"\"id\":7}"}"#, None),
            ("xxx", None),
        ] {
            assert_eq!(
                last_id(text.as_bytes()),
                expected.map(AnswerTo::Ours),
                "{text}"
            );
        }
    }
}
