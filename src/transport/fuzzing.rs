//! What fuzz targets reach of the parsers, with nothing but bytes going in and text coming out.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::AsyncRead;

use super::events::{EventLimits, EventParser, Found};
use super::inbox::Inbox;
use super::message::{self, Incoming, Outcome};
use super::oversized::Text;
use super::stdio::lines::Lines;
use super::websocket::frames::{Frames, Piece};
use super::wire::{Receiver, Waiting};
use crate::error::Error;
use crate::log::Logger;
use crate::trace::Source;

/// Notes what it is given, for two requests that wait.
#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Receiver for Notes {
    fn receive(&self, message: Incoming<'_>, _: Option<u64>) {
        self.0.lock().push(format!("{message:?}"));
    }
    fn has_answer(&self, _: u64) -> bool {
        false
    }
    fn fail(&self, id: u64, error: Error) {
        self.0.lock().push(format!("{id}: {error}"));
    }
    fn waiting(&self) -> Waiting {
        Waiting::Several
    }
    fn awaited(&self) -> Vec<u64> {
        Vec::new()
    }
    fn lost(&self, _: &[u64]) {}
    fn forgotten(&self) {}
    fn conflicted(&self) {}
    fn over(&self) {}
}

fn inbox() -> (Inbox, Arc<Notes>) {
    let notes = Arc::new(Notes::default());
    let receiver: Arc<dyn Receiver> = notes.clone();
    let inbox = Inbox::new(
        Arc::downgrade(&receiver),
        Arc::default(),
        Logger::silent(),
        "a text",
        Source::default(),
    );
    (inbox, notes)
}

fn noted(notes: &Notes) -> Vec<String> {
    std::mem::take(&mut *notes.0.lock())
}

/// The messages of an event stream that arrives in pieces. A limit of 0 is none.
#[must_use]
pub fn events(pieces: &[&[u8]], limit: usize) -> Vec<String> {
    let (line, event) = (limit, limit.saturating_mul(2));
    let mut parser = EventParser::new(EventLimits { line, event });
    let (mut inbox, notes) = inbox();
    for piece in pieces {
        parser.feed(piece);
        while let Some(found) = parser.next_found() {
            match found {
                Found::Event(found) => {
                    let data = found.data.clone().unwrap_or_default();
                    // Replacement characters take three bytes for one.
                    let is_within = data.len() <= event.saturating_mul(3);
                    assert!(limit == 0 || is_within, "a limit holds");
                    notes.0.lock().push(format!("{found:?}"));
                    inbox.text(data.as_bytes());
                }
                Found::TooLarge { head, refusal, .. } => inbox.too_large(&head, refusal),
                Found::TooLargeEnd { tail } => inbox.too_large_end(&tail),
            }
        }
    }
    if let Some(rest) = parser.rest() {
        inbox.text(&rest);
    }
    noted(&notes)
}

/// The messages of a WebSocket whose bytes arrive in pieces, up to where the server breaks the protocol.
#[must_use]
pub fn frames(pieces: &[&[u8]], limit: usize) -> Vec<String> {
    let mut frames = Frames::new(limit);
    let (mut inbox, notes) = inbox();
    for piece in pieces {
        let fed = frames.feed(piece);
        while let Some(piece) = frames.next_piece() {
            match piece {
                Piece::Text(text) => {
                    if let Text::Whole(text) = &text {
                        assert!(limit == 0 || text.len() <= limit, "a limit holds");
                    }
                    inbox.take(text);
                }
                other @ (Piece::Ping(_) | Piece::Pong | Piece::Close { .. }) => {
                    notes.0.lock().push(format!("{other:?}"));
                }
            }
        }
        if let Err(error) = fed {
            notes.0.lock().push(error.message);
            break;
        }
    }
    noted(&notes)
}

/// The messages of a child's stdout.
pub async fn lines(stdout: impl AsyncRead + Unpin, limit: usize) -> Vec<String> {
    let mut lines = Lines::new(stdout, limit);
    let (mut inbox, notes) = inbox();
    while let Ok(Some(line)) = lines.next().await {
        inbox.take(line);
    }
    noted(&notes)
}

/// The results of a text that may hold answers, as they were written.
#[must_use]
pub fn results(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    message::read(text, |message| {
        if let Ok(Incoming::Answer(answer)) = message
            && let Outcome::Result(result) = answer.outcome
        {
            found.push(result.get().to_owned());
        }
    });
    found
}
