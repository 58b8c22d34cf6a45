//! What a body is: as it is declared, and as it begins.

use super::http::is_event_stream;
use crate::network::Response;
use crate::transport::message::BYTE_ORDER_MARK;
use crate::transport::remote::{JSON, is_type};

/// What a response says that its body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Declared {
    Json,
    Events,
    Other,
}

impl Declared {
    pub fn by(response: &Response) -> Self {
        if is_event_stream(response) {
            Self::Events
        } else if is_type(response, JSON) {
            Self::Json
        } else {
            Self::Other
        }
    }
}

/// What the beginning of a body looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begins {
    /// Nothing but blanks so far.
    Nothing,
    Json,
    Events,
    Other,
}

impl Begins {
    pub fn of(body: &[u8]) -> Self {
        const FIELDS: [&[u8]; 5] = [b":", b"data:", b"event:", b"id:", b"retry:"];
        let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
        let body = body.trim_ascii_start();
        match body.first() {
            None => Self::Nothing,
            Some(b'{' | b'[') => Self::Json,
            Some(_) if FIELDS.iter().any(|field| body.starts_with(field)) => Self::Events,
            // A field may have come in part.
            Some(_) if FIELDS.iter().any(|field| field.starts_with(body)) => Self::Nothing,
            Some(_) => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_by_their_beginning() {
        for (body, expected) in [
            (&b""[..], Begins::Nothing),
            (b" \r\n", Begins::Nothing),
            (b"\xEF\xBB\xBF {", Begins::Json),
            (b"[", Begins::Json),
            (b": hello\n", Begins::Events),
            (b"da", Begins::Nothing),
            (b"data: {}", Begins::Events),
            (b"<html>", Begins::Other),
            (b"datum", Begins::Other),
        ] {
            assert_eq!(Begins::of(body), expected, "{}", body.escape_ascii());
        }
    }
}
