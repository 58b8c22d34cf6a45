//! How one message looks on each transport, and the steps in which a server sends it.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Notify;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// Streamable HTTP, answers as event streams.
    Events,
    /// Streamable HTTP, answers as JSON.
    Json,
    /// HTTP with server-sent events.
    Sse,
    WebSocket,
    Stdio,
}

pub const EVERY_WIRE: [Wire; 5] = [
    Wire::Events,
    Wire::Json,
    Wire::Sse,
    Wire::WebSocket,
    Wire::Stdio,
];

#[derive(Debug, Clone)]
pub enum Step {
    Send(Vec<u8>),
    Wait(Duration),
    /// Waits until the test says so.
    Until(Arc<Notify>),
    /// Ends the connection in order.
    Close,
    /// Breaks the connection off.
    Reset,
}

pub const EVENT_STREAM_HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";

pub fn response(status: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// An unmasked frame, as servers send it; `first` holds opcode and flags.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ ..126), _) => bytes.push(length),
        (_, Ok(length)) => {
            bytes.push(126);
            bytes.extend(length.to_be_bytes());
        }
        _ => {
            bytes.push(127);
            bytes.extend((payload.len() as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(payload);
    bytes
}

impl Wire {
    pub const fn is_streamable(self) -> bool {
        matches!(self, Self::Events | Self::Json)
    }

    /// One message within the stream.
    pub fn message(self, text: &[u8]) -> Vec<u8> {
        match self {
            Self::Events | Self::Sse => [b"data: ", text, b"\n\n"].concat(),
            Self::Json => text.to_vec(),
            Self::WebSocket => frame(0x81, text),
            Self::Stdio => [text, b"\n"].concat(),
        }
    }

    /// All that a server sends to answer with these messages.
    pub fn answer(self, messages: &[&[u8]]) -> Vec<u8> {
        let body: Vec<u8> = messages
            .iter()
            .flat_map(|text| self.message(text))
            .collect();
        match self {
            Self::Events => [EVENT_STREAM_HEAD.as_bytes(), &body].concat(),
            Self::Json => response("200 OK", "application/json", &body),
            _ => body,
        }
    }
}

/// Runs steps on a socket. Answers whether the connection is still there.
pub async fn perform(stream: &mut TcpStream, steps: Vec<Step>) -> bool {
    for step in steps {
        match step {
            Step::Send(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    return false;
                }
            }
            Step::Wait(time) => tokio::time::sleep(time).await,
            Step::Until(told) => told.notified().await,
            Step::Close => {
                let _ = stream.shutdown().await;
                return false;
            }
            Step::Reset => {
                // Unsent bytes go out first, so that the break comes where the case wants it.
                tokio::time::sleep(Duration::from_millis(20)).await;
                stream.set_zero_linger().unwrap();
                return false;
            }
        }
    }
    true
}
