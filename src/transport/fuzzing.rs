//! What fuzz targets reach of the parsers, with nothing but bytes going in and text coming out.

use rmcp::model::{
    ClientJsonRpcMessage, ClientRequest, CustomRequest, PingRequest, RequestId,
    ServerJsonRpcMessage,
};
use tokio::io::AsyncRead;

use super::events::{EventLimits, EventParser, Found};
use super::inbox::Inbox;
use super::pending::Pending;
use super::stdio::lines::{Line, Lines};
use super::websocket::frames::{Frames, Piece};
use super::{RawResult, Tap};
use crate::host::Logger;

/// Ids of the requests that wait for answers.
const WAITING: [i64; 2] = [1, 2];

fn inbox() -> Inbox {
    let pending = Pending::default();
    for id in WAITING {
        let request = ClientRequest::PingRequest(PingRequest::default());
        pending.outgoing(&ClientJsonRpcMessage::request(
            request,
            RequestId::Number(id),
        ));
    }
    let prefix = "[fuzz]".to_owned();
    Inbox::new(Tap::default(), pending, Logger::silent(), prefix, "a text")
}

fn take(inbox: &mut Inbox, messages: &mut Vec<String>) {
    while let Some(message) = inbox.next() {
        messages.push(serde_json::to_string(&message).unwrap_or_default());
    }
}

/// The messages of an event stream that arrives in pieces. A limit of 0 is none.
#[must_use]
pub fn events(pieces: &[&[u8]], limit: usize) -> Vec<String> {
    let (line, event) = (limit, limit.saturating_mul(2));
    let mut parser = EventParser::new(EventLimits { line, event });
    let (mut inbox, mut messages) = (inbox(), Vec::new());
    for piece in pieces {
        parser.feed(piece);
        while let Some(found) = parser.next_found() {
            match found {
                Found::Event(event) => {
                    let data = event.data.clone().unwrap_or_default();
                    assert!(
                        limit == 0 || data.len() <= 3 * event_bytes(limit),
                        "a limit holds"
                    );
                    messages.push(format!("{event:?}"));
                    inbox.text(data.into_bytes());
                }
                Found::TooLarge { head, refusal, .. } => inbox.too_large(&head, &refusal),
                Found::TooLargeEnd { tail, refusal } => inbox.too_large_end(&tail, &refusal),
            }
            take(&mut inbox, &mut messages);
        }
    }
    messages
}

/// Replacement characters take three bytes for one.
const fn event_bytes(limit: usize) -> usize {
    limit.saturating_mul(2)
}

/// The messages of a WebSocket whose bytes arrive in pieces, up to where the server breaks the protocol.
#[must_use]
pub fn frames(pieces: &[&[u8]], limit: usize) -> Vec<String> {
    let mut frames = Frames::new(limit);
    let (mut inbox, mut messages) = (inbox(), Vec::new());
    for piece in pieces {
        let fed = frames.feed(piece);
        while let Some(piece) = frames.next_piece() {
            match piece {
                Piece::Message(text) => {
                    assert!(limit == 0 || text.len() <= limit, "a limit holds");
                    inbox.text(text);
                }
                Piece::TooLarge { head, refusal } => inbox.too_large(&head, &refusal),
                Piece::TooLargeEnd { tail, refusal } => inbox.too_large_end(&tail, &refusal),
                other @ (Piece::Ping(_) | Piece::Pong | Piece::Close { .. }) => {
                    messages.push(format!("{other:?}"));
                }
            }
            take(&mut inbox, &mut messages);
        }
        if let Err(error) = fed {
            messages.push(error.message);
            break;
        }
    }
    messages
}

/// The messages of a child's stdout.
pub async fn lines(stdout: impl AsyncRead + Unpin, limit: usize) -> Vec<String> {
    let mut lines = Lines::new(stdout, limit);
    let (mut inbox, mut messages) = (inbox(), Vec::new());
    loop {
        match lines.next().await {
            Ok(Line::Whole(line)) => inbox.text(line),
            Ok(Line::TooLong { head, .. }) => inbox.too_large(&head, "too long"),
            Ok(Line::TooLongEnd { tail, .. }) => inbox.too_large_end(&tail, "too long"),
            Ok(Line::End) | Err(_) => return messages,
        }
        take(&mut inbox, &mut messages);
    }
}

/// What a message comes to that may answer request 1: the text that is parsed further, whether it is a message, and
/// the result that the request gets.
#[must_use]
pub fn tapped(text: &str) -> (String, bool, Option<String>) {
    let (tap, raw) = (Tap::default(), RawResult::default());
    let mut request = CustomRequest::new("tools/list", None);
    request.extensions.insert(raw.clone());
    let request = ClientRequest::CustomRequest(request);
    tap.outgoing(&ClientJsonRpcMessage::request(
        request,
        RequestId::Number(1),
    ));
    let rest = tap.incoming(text.to_owned(), false);
    let is_message = rest.message().is_ok();
    let rest = rest.into_text();
    (
        rest,
        is_message,
        raw.take().map(|text| text.get().to_owned()),
    )
}
