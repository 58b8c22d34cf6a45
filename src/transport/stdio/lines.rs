//! Lines with a length limit that holds while they stream in.

use std::{io, mem};

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

use crate::transport::oversized::{Arriving, Text};

const BUFFER_BYTES: usize = 64 * 1024;

pub(in crate::transport) struct Lines<R> {
    reader: BufReader<R>,
    line: Arriving,
    /// All of the line has been read.
    ended: bool,
    limit: usize,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// `limit` 0 is no limit.
    pub(in crate::transport) fn new(reader: R, limit: usize) -> Self {
        Self {
            reader: BufReader::with_capacity(BUFFER_BYTES, reader),
            line: Arriving::default(),
            ended: false,
            limit,
        }
    }

    pub(super) fn into_inner(self) -> R {
        self.reader.into_inner()
    }

    /// The next line, without its end-of-line characters, which the last one may lack; `None` at the end of the stream.
    /// Cancel safe: what has been read stays in `self`, with no await between reading and keeping.
    pub(in crate::transport) async fn next(&mut self) -> io::Result<Option<Text>> {
        loop {
            if mem::take(&mut self.ended) {
                return Ok(Some(self.end()));
            }
            let available = self.reader.fill_buf().await?;
            if available.is_empty() {
                return Ok((!self.line.is_empty()).then(|| self.end()));
            }
            let end = available.iter().position(|byte| *byte == b'\n');
            let piece = &available[..end.unwrap_or(available.len())];
            let too_large = self.line.push(piece, self.limit, |observed| {
                let limit = self.limit;
                format!(
                    "[MCP] MCP response contained an oversized line (lineLimit={limit} bytes, observedLine={observed} bytes)"
                )
            });
            self.ended = end.is_some();
            let consumed = piece.len() + usize::from(self.ended);
            self.reader.consume(consumed);
            if too_large.is_some() {
                return Ok(too_large);
            }
        }
    }

    fn end(&mut self) -> Text {
        let mut line = self.line.end();
        if let Text::Whole(line) = &mut line
            && line.last() == Some(&b'\r')
        {
            line.pop();
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;
    use crate::transport::oversized::{HEAD_BYTES, TAIL_BYTES};

    async fn all(input: &[u8], limit: usize) -> Vec<Text> {
        let mut lines = Lines::new(input, limit);
        let mut found = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            found.push(line);
        }
        found
    }

    fn whole(text: &str) -> Text {
        Text::Whole(text.into())
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
            Text::TooLarge { head, refusal },
            Text::TooLargeEnd { tail },
            next,
        ] = &found[..]
        else {
            panic!("{} lines", found.len());
        };
        assert_eq!(head.len(), HEAD_BYTES);
        let expected = format!("(lineLimit=10000 bytes, observedLine={BUFFER_BYTES} bytes)");
        assert!(refusal.ends_with(&expected), "{refusal}");
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
        assert_eq!(lines.next().await.unwrap(), Some(whole("abcd")));
    }
}
