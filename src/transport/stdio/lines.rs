//! Lines with a length limit that holds while they stream in.

use std::mem;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

use crate::transport::oversized::{HEAD_BYTES, TAIL_BYTES, keep_tail};

const BUFFER_BYTES: usize = 64 * 1024;

#[derive(Debug, PartialEq, Eq)]
pub(in crate::transport) enum Line {
    /// Without its end-of-line characters. A last line may lack them.
    Whole(Vec<u8>),
    /// The line has passed the limit; reported at once, while the rest still comes in.
    TooLong { head: Vec<u8>, observed: usize },
    /// The line that was too long has ended.
    TooLongEnd { tail: Vec<u8>, observed: usize },
    /// The stream has ended.
    End,
}

struct Skipped {
    tail: Vec<u8>,
    observed: usize,
    ended: bool,
}

pub(in crate::transport) struct Lines<R> {
    reader: BufReader<R>,
    line: Vec<u8>,
    limit: usize,
    skipped: Option<Skipped>,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// `limit` 0 is no limit.
    pub(in crate::transport) fn new(reader: R, limit: usize) -> Self {
        Self {
            reader: BufReader::with_capacity(BUFFER_BYTES, reader),
            line: Vec::new(),
            limit: if limit == 0 { usize::MAX } else { limit },
            skipped: None,
        }
    }

    pub(super) fn into_inner(self) -> R {
        self.reader.into_inner()
    }

    /// The next line. Cancel safe: what has been read stays in `self`, with no await between reading and keeping.
    pub(in crate::transport) async fn next(&mut self) -> std::io::Result<Line> {
        loop {
            if let Some(line) = self.skipped.take_if(|skipped| skipped.ended) {
                return Ok(line.into());
            }
            let available = self.reader.fill_buf().await?;
            if available.is_empty() {
                return Ok(match self.skipped.take() {
                    Some(skipped) => skipped.into(),
                    None if self.line.is_empty() => Line::End,
                    None => whole(&mut self.line),
                });
            }
            let end = available.iter().position(|byte| *byte == b'\n');
            let piece = &available[..end.unwrap_or(available.len())];
            let consumed = piece.len() + usize::from(end.is_some());

            let mut found = None;
            if let Some(skipped) = &mut self.skipped {
                skipped.observed = skipped.observed.saturating_add(piece.len());
                keep_tail(&mut skipped.tail, piece);
                skipped.ended = end.is_some();
            } else if self.line.len() + piece.len() > self.limit {
                let observed = self.line.len() + piece.len();
                let mut tail = Vec::with_capacity(TAIL_BYTES);
                keep_tail(&mut tail, &self.line);
                keep_tail(&mut tail, piece);
                self.skipped = Some(Skipped {
                    tail,
                    observed,
                    ended: end.is_some(),
                });
                let mut head = mem::take(&mut self.line);
                let wanted = HEAD_BYTES.saturating_sub(head.len()).min(piece.len());
                head.extend_from_slice(&piece[..wanted]);
                head.truncate(HEAD_BYTES);
                found = Some(Line::TooLong { head, observed });
            } else {
                self.line.extend_from_slice(piece);
                if end.is_some() {
                    found = Some(whole(&mut self.line));
                }
            }
            self.reader.consume(consumed);
            if let Some(line) = found {
                return Ok(line);
            }
        }
    }
}

impl From<Skipped> for Line {
    fn from(skipped: Skipped) -> Self {
        Self::TooLongEnd {
            tail: skipped.tail,
            observed: skipped.observed,
        }
    }
}

fn whole(line: &mut Vec<u8>) -> Line {
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Line::Whole(mem::take(line))
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    async fn all(input: &[u8], limit: usize) -> Vec<Line> {
        let mut lines = Lines::new(input, limit);
        let mut found = Vec::new();
        loop {
            match lines.next().await.unwrap() {
                Line::End => return found,
                line => found.push(line),
            }
        }
    }

    fn whole(text: &str) -> Line {
        Line::Whole(text.into())
    }

    #[tokio::test]
    async fn line_ends_are_stripped_and_the_last_line_needs_none() {
        assert_eq!(
            all(b"a\r\n\nbc\nd", 0).await,
            [whole("a"), whole(""), whole("bc"), whole("d")]
        );
    }

    #[tokio::test]
    async fn a_line_of_exactly_the_limit_passes() {
        assert_eq!(all(b"abc\nabc\n", 3).await, [whole("abc"), whole("abc")]);
    }

    #[tokio::test]
    async fn a_long_line_is_reported_by_its_ends() {
        let mut input = vec![b'x'; 200_000];
        input.extend_from_slice(b"end\nnext\n");
        let found = all(&input, 10_000).await;
        let [
            Line::TooLong { head, observed },
            Line::TooLongEnd {
                tail,
                observed: total,
            },
            next,
        ] = &found[..]
        else {
            panic!("{} lines", found.len());
        };
        assert_eq!((head.len(), *total), (HEAD_BYTES, 200_003));
        assert!(*observed > 10_000 && *observed <= 10_000 + BUFFER_BYTES);
        assert!(tail.len() == TAIL_BYTES && tail.ends_with(b"xend"));
        assert_eq!(*next, whole("next"));
    }

    #[tokio::test]
    async fn a_dropped_read_loses_nothing() {
        let (mut writer, reader) = tokio::io::duplex(64);
        let mut lines = Lines::new(reader, 0);
        writer.write_all(b"ab").await.unwrap();
        {
            let mut next = Box::pin(lines.next());
            assert!(futures::poll!(&mut next).is_pending());
        }
        writer.write_all(b"cd\n").await.unwrap();
        assert_eq!(lines.next().await.unwrap(), whole("abcd"));
    }
}
