//! Server-sent events (WHATWG HTML, section 9.2), within limits that hold while they stream in.
//!
//! An event over a limit is skipped and told by its ends, so that the stream stays usable. A general parser keeps what
//! it has not delivered yet, and refuses fields that the standard says to ignore.

use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{BoxStream, Stream, StreamExt};
use sse_stream::Sse;
use tokio::task::coop::consume_budget;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout_at};

use super::limits::{over_line, over_total};
use super::message::BYTE_ORDER_MARK;
use super::oversized::Ends;
use crate::error::{Code, Error, Result};

const DATA: &[u8] = b"data:";

/// Zero means no limit.
#[derive(Debug, Clone, Copy, Default)]
pub struct EventLimits {
    /// Bytes of one line.
    pub line: usize,
    /// Bytes of one event.
    pub event: usize,
}

/// Where a stream has got to, and what the server wants of whoever opens it again.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub last_event_id: Option<String>,
    pub retry: Option<Duration>,
}

impl Progress {
    pub fn note(&mut self, id: Option<String>, retry: Option<u64>) {
        if let Some(id) = id {
            self.last_event_id = Some(id).filter(|id| !id.is_empty());
        }
        if let Some(retry) = retry {
            self.retry = Some(Duration::from_millis(retry));
        }
    }
}

/// What a stream of events holds.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    Event(Sse),
    /// The event has passed a limit; told at once, while the rest still comes in.
    TooLarge {
        /// The event's id, where it came before.
        id: Option<String>,
        /// What the data begins with.
        head: Vec<u8>,
        refusal: String,
    },
    /// The event that was too large has ended.
    TooLargeEnd {
        /// What the data ends with.
        tail: Vec<u8>,
    },
}

#[derive(Default)]
struct Skipped {
    /// Of the data.
    ends: Ends,
    /// The beginning of the current line, as far as it tells whether the line is data.
    field: Vec<u8>,
}

/// Turns bytes, in pieces of any size, into events.
#[derive(Default)]
pub struct EventParser {
    limits: EventLimits,
    at_start: bool,
    after_return: bool,
    line: Vec<u8>,
    event: Sse,
    data: Option<Vec<u8>>,
    /// Bytes and pieces of the current event.
    observed: usize,
    pieces: usize,
    skipped: Option<Skipped>,
    found: VecDeque<Found>,
}

impl EventParser {
    #[must_use]
    pub fn new(limits: EventLimits) -> Self {
        Self {
            limits,
            at_start: true,
            ..Self::default()
        }
    }

    /// The next event of what has been fed. An event that the stream's end cuts off is none.
    pub fn next_found(&mut self) -> Option<Found> {
        self.found.pop_front()
    }

    /// The data of an event that the end of the stream has cut off: some servers leave out the empty line.
    pub fn rest(&mut self) -> Option<Vec<u8>> {
        if self.skipped.is_some() {
            return None;
        }
        if !self.line.is_empty() {
            self.end_of_line();
        }
        self.data.take()
    }

    /// Whether what was fed last belongs to an event that is kept.
    fn is_within_event(&self) -> bool {
        self.data.is_some() || !self.line.is_empty()
    }

    pub fn feed(&mut self, mut bytes: &[u8]) {
        self.pieces += 1;
        while !bytes.is_empty() {
            if mem::take(&mut self.after_return) && bytes[0] == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let piece = &bytes[..end.unwrap_or(bytes.len())];
            self.observed += piece.len();
            self.piece(piece);
            let Some(end) = end else { return };
            self.after_return = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            self.observed += 1;
            self.end_of_line();
        }
    }

    fn piece(&mut self, piece: &[u8]) {
        if let Some(skipped) = &mut self.skipped {
            skipped.push(piece);
            return;
        }
        let line = self.line.len() + piece.len();
        let refusal = if self.limits.line > 0 && line > self.limits.line {
            over_line(self.limits.line, line, self.observed, self.pieces)
        } else if self.limits.event > 0 && self.observed > self.limits.event {
            over_total(self.limits.event, self.observed, self.pieces)
        } else {
            self.line.extend_from_slice(piece);
            return;
        };
        self.skip(piece, refusal);
    }

    fn skip(&mut self, piece: &[u8], refusal: String) {
        let mut skipped = Skipped::default();
        skipped.ends.push(&self.data.take().unwrap_or_default());
        skipped.push(&mem::take(&mut self.line));
        skipped.push(piece);
        self.found.push_back(Found::TooLarge {
            id: mem::take(&mut self.event).id,
            head: skipped.ends.head.clone(),
            refusal,
        });
        self.skipped = Some(skipped);
    }

    fn end_of_line(&mut self) {
        if let Some(skipped) = &mut self.skipped {
            if !skipped.end_of_line() {
                return;
            }
            let tail = mem::take(&mut skipped.ends.tail);
            self.skipped = None;
            self.found.push_back(Found::TooLargeEnd { tail });
            return self.start_over();
        }
        let mut line = mem::take(&mut self.line);
        if mem::take(&mut self.at_start) && line.starts_with(BYTE_ORDER_MARK) {
            line.drain(..BYTE_ORDER_MARK.len());
        }
        if line.is_empty() {
            self.dispatch();
        } else {
            if line[0] == b':' {
                // Comments belong to no event, and a silent stream may carry any number of them.
                self.observed = self.observed.saturating_sub(line.len() + 1);
            }
            self.field(&line);
            line.clear();
            self.line = line;
        }
    }

    fn field(&mut self, line: &[u8]) {
        let colon = line.iter().position(|byte| *byte == b':');
        let (name, value) = match colon {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &[][..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        let text = || String::from_utf8_lossy(value).into_owned();
        match name {
            b"data" => match &mut self.data {
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
                None => self.data = Some(value.to_vec()),
            },
            b"event" => self.event.event = Some(text()),
            b"id" if !value.contains(&0) => self.event.id = Some(text()),
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                self.event.retry = text().parse().ok();
            }
            // Comments, and fields that the standard says to ignore.
            _ => {}
        }
    }

    fn dispatch(&mut self) {
        let mut event = mem::take(&mut self.event);
        event.data = self.data.take().map(|data| {
            String::from_utf8(data)
                .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
        });
        if event != Sse::default() {
            self.found.push_back(Found::Event(event));
        }
        self.start_over();
    }

    fn start_over(&mut self) {
        self.observed = 0;
        self.pieces = 0;
    }
}

impl Skipped {
    fn push(&mut self, mut piece: &[u8]) {
        while self.field != DATA
            && DATA.starts_with(&self.field)
            && let Some((byte, rest)) = piece.split_first()
        {
            self.field.push(*byte);
            piece = rest;
            if self.field == DATA && !self.ends.head.is_empty() {
                self.ends.push(b"\n");
            }
        }
        if self.field == DATA {
            self.ends.push(piece);
        }
    }

    /// Whether the event has ended: with a line that had nothing in it.
    fn end_of_line(&mut self) -> bool {
        mem::take(&mut self.field).is_empty()
    }
}

/// How much may arrive between two events: heartbeats of years, and little of what a coding can pack of nothing.
const MOST_BETWEEN_EVENTS: usize = 16 * 1024 * 1024;

/// The events of a body.
pub(super) struct Events {
    chunks: BoxStream<'static, Result<Bytes>>,
    parser: EventParser,
    /// When something last arrived, comments included.
    heard: Instant,
    /// Bytes since the last event.
    undelivered: usize,
}

impl Events {
    pub fn new(
        chunks: impl Stream<Item = Result<Bytes>> + Send + 'static,
        limits: EventLimits,
    ) -> Self {
        Self {
            chunks: chunks.boxed(),
            parser: EventParser::new(limits),
            heard: Instant::now(),
            undelivered: 0,
        }
    }

    /// As [`EventParser::rest`].
    pub fn rest(&mut self) -> Option<Vec<u8>> {
        self.parser.rest()
    }

    pub async fn next(&mut self) -> Option<Result<Found>> {
        loop {
            if let Some(found) = self.parser.next_found() {
                self.undelivered = 0;
                return Some(Ok(found));
            }
            // What is decoded from memory is always there, and would let nobody else work.
            consume_budget().await;
            let chunk = match self.chunks.next().await? {
                Ok(chunk) => chunk,
                Err(error) => return Some(Err(error)),
            };
            self.heard = Instant::now();
            self.parser.feed(&chunk);
            self.undelivered += chunk.len();
            // An event that is under way has a limit of its own.
            if self.undelivered > MOST_BETWEEN_EVENTS && !self.parser.is_within_event() {
                let message = "The event stream carries no events";
                return Some(Err(Error::new(Code::ResponseTooLarge, message)));
            }
        }
    }

    /// The same. Fails when nothing at all has arrived for as long as `idle`, which begins anew then.
    pub async fn next_within(&mut self, idle: Duration) -> Result<Option<Result<Found>>, Elapsed> {
        loop {
            match timeout_at(self.heard + idle, self.next()).await {
                Err(_) if self.heard.elapsed() < idle => {}
                outcome => {
                    if outcome.is_err() {
                        self.heard = Instant::now();
                    }
                    return outcome;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
