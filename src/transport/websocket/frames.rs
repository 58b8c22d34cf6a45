//! Frames (RFC 6455, section 5), with tungstenite's header coding.
//!
//! tungstenite can refuse a message over a limit, but not skip it; here it is skipped and told by its ends, so that
//! the connection stays usable.

use std::collections::VecDeque;
use std::io::Cursor;
use std::mem;

use tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame, FrameHeader, Utf8Bytes};

pub use tungstenite::protocol::frame::coding::CloseCode;

use crate::error::{Code, Error, Result};
use crate::transport::limits::over_total;
use crate::transport::oversized::{Arriving, Text};

/// RFC 6455, section 5.5.
/// What is longer than a message may be is skipped, so that the connection stays usable. This would never end.
const MAX_FRAME_BYTES: u64 = 1 << 32;
const MAX_CONTROL_BYTES: u64 = 125;

/// What arrives.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// Text or binary; both carry JSON.
    Text(Text),
    Ping(Vec<u8>),
    Pong,
    Close {
        code: Option<u16>,
        reason: String,
    },
}

/// Turns bytes of a server, in pieces of any size, into messages.
#[derive(Default)]
pub struct Frames {
    /// Bytes of one message; 0 is no limit.
    limit: usize,
    header: Vec<u8>,
    /// The frame that is coming in, and how many bytes of it have yet to come.
    current: Option<(FrameHeader, u64)>,
    control: Vec<u8>,
    message: Arriving,
    in_message: bool,
    fragments: usize,
    found: VecDeque<Piece>,
}

impl Frames {
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }

    pub fn next_piece(&mut self) -> Option<Piece> {
        self.found.pop_front()
    }

    /// Fails with [`Code::InvalidResponse`] where the server breaks the protocol; nothing can be read afterwards.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<()> {
        while let Some((first, rest)) = bytes.split_first() {
            let Some((header, remaining)) = &mut self.current else {
                self.header.push(*first);
                bytes = rest;
                self.begin()?;
                continue;
            };
            let wanted = usize::try_from(*remaining).unwrap_or(usize::MAX);
            let (payload, rest) = bytes.split_at(wanted.min(bytes.len()));
            *remaining -= payload.len() as u64;
            let opcode = header.opcode;
            bytes = rest;
            self.payload(opcode, payload);
            self.end_if_complete()?;
        }
        Ok(())
    }

    /// Begins a frame once its header is complete.
    fn begin(&mut self) -> Result<()> {
        let parsed = FrameHeader::parse(&mut Cursor::new(&self.header))
            .map_err(|_| broken("an unknown kind of frame"))?;
        let Some((header, length)) = parsed else {
            return Ok(());
        };
        self.header.clear();
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(broken("an extension that nobody asked for"));
        }
        if header.mask.is_some() {
            return Err(broken("a masked frame"));
        }
        if length > MAX_FRAME_BYTES {
            return Err(broken("a frame that nobody could take"));
        }
        match header.opcode {
            OpCode::Control(_) => {
                if !header.is_final || length > MAX_CONTROL_BYTES {
                    return Err(broken("a control frame that is too large"));
                }
            }
            OpCode::Data(data) => {
                if (data == Data::Continue) != self.in_message {
                    return Err(broken("parts of messages out of order"));
                }
                self.in_message = true;
                self.fragments += 1;
            }
        }
        self.current = Some((header, length));
        self.end_if_complete()
    }

    fn payload(&mut self, opcode: OpCode, payload: &[u8]) {
        if let OpCode::Control(_) = opcode {
            self.control.extend_from_slice(payload);
            return;
        }
        let too_large = self.message.push(payload, self.limit, |observed| {
            over_total(self.limit, observed, self.fragments)
        });
        self.found.extend(too_large.map(Piece::Text));
    }

    fn end_if_complete(&mut self) -> Result<()> {
        let Some((header, _)) = self.current.take_if(|(_, remaining)| *remaining == 0) else {
            return Ok(());
        };
        match header.opcode {
            OpCode::Control(control) => {
                let payload = mem::take(&mut self.control);
                self.found.push_back(match control {
                    Control::Ping => Piece::Ping(payload),
                    Control::Close => closed(&payload)?,
                    Control::Pong | Control::Reserved(_) => Piece::Pong,
                });
            }
            OpCode::Data(_) if header.is_final => {
                self.in_message = false;
                self.fragments = 0;
                self.found.push_back(Piece::Text(self.message.end()));
            }
            OpCode::Data(_) => {}
        }
        Ok(())
    }
}

/// RFC 6455, section 5.5.1.
fn closed(payload: &[u8]) -> Result<Piece> {
    let (code, reason) = match payload {
        [] => (None, &[][..]),
        [_] => return Err(broken("a close frame that is too short")),
        [high, low, reason @ ..] => (Some(u16::from_be_bytes([*high, *low])), reason),
    };
    Ok(Piece::Close {
        code,
        reason: String::from_utf8_lossy(reason).into_owned(),
    })
}

fn broken(what: &str) -> Error {
    Error::new(
        Code::InvalidResponse,
        format!("The server broke the WebSocket protocol: it sent {what}"),
    )
}

pub(super) fn text(message: Vec<u8>) -> Vec<u8> {
    encode(Frame::message(message, OpCode::Data(Data::Text), true))
}

pub(super) fn pong(payload: Vec<u8>) -> Vec<u8> {
    encode(Frame::pong(payload))
}

pub(super) fn close(code: CloseCode) -> Vec<u8> {
    encode(Frame::close(Some(CloseFrame {
        code,
        reason: Utf8Bytes::from_static(""),
    })))
}

/// A client masks what it sends (RFC 6455, section 5.3).
fn encode(mut frame: Frame) -> Vec<u8> {
    frame.header_mut().mask = Some(rand::random());
    let mut bytes = Vec::with_capacity(frame.len());
    // Writing to memory cannot fail.
    let _ = frame.format(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests;
