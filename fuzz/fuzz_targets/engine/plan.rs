//! What the server of the `engine` target answers, made of anything.

use std::time::Duration;

use arbitrary::Arbitrary;
use serde_json::{Value, json};

use super::support::server::{initialized, result, tools};
use super::support::wire::{Step, Wire};

/// What answers to calls begin with.
pub const OWN: &str = "an answer to ";

#[derive(Debug, Arbitrary)]
pub struct Input {
    pub transport: Transport,
    pub discovers: bool,
    /// By the order in which requests arrive; further ones are answered as they should be.
    pub answers: Vec<Answer>,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
pub enum Transport {
    StreamableHttp,
    Sse,
    WebSocket,
}

impl Transport {
    pub const fn wire(self) -> Wire {
        match self {
            Self::StreamableHttp => Wire::Json,
            Self::Sse => Wire::Sse,
            Self::WebSocket => Wire::WebSocket,
        }
    }
}

#[derive(Debug, Arbitrary)]
pub struct Answer {
    head: Head,
    parts: Vec<Part>,
    /// Bytes that are sent at a time.
    piece: u16,
    /// Whether the connection ends after it.
    ends: End,
}

#[derive(Debug, Arbitrary)]
enum Head {
    Events,
    Json,
    /// With the length of the body.
    Any {
        status: u16,
        content_type: Type,
        coding: Coding,
        has_session: bool,
    },
    /// Everything is in the parts.
    None,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Type {
    Json,
    Events,
    Text,
    None,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Coding {
    None,
    Gzip,
    Brotli,
    Zstd,
    Deflate,
    Unknown,
}

#[derive(Debug, Arbitrary)]
enum Part {
    /// What belongs to the request.
    Own,
    OwnAsText,
    Refusal(i32, String),
    Neither,
    Foreign(i8),
    Nobody,
    Notification(u8),
    Request(u8),
    Raw(Vec<u8>),
    Wait(u16),
}

#[derive(Debug, Clone, Copy, Arbitrary, PartialEq)]
enum End {
    Stays,
    Close,
    Reset,
}

/// The answer that a request should have.
pub fn own(request: &Value) -> Vec<u8> {
    let id = &request["id"];
    match request["method"].as_str() {
        Some("initialize") => initialized(request),
        Some("tools/list") => tools(id),
        Some("tools/call") => {
            let text = request["params"]["arguments"]["text"].as_str();
            let text = format!("{OWN}{}", text.unwrap_or_default());
            result(
                id,
                &json!({ "content": [{ "type": "text", "text": text }] }),
            )
        }
        _ => result(id, &json!({})),
    }
}

impl Part {
    fn message(&self, request: &Value) -> Option<Vec<u8>> {
        const NOTIFICATIONS: [&str; 5] = [
            "notifications/progress",
            "notifications/cancelled",
            "notifications/message",
            "notifications/tools/list_changed",
            "other",
        ];
        const REQUESTS: [&str; 4] = ["ping", "roots/list", "sampling/createMessage", "other"];
        let id = &request["id"];
        let empty = json!({ "content": [] });
        let message = match self {
            Self::Own => return Some(own(request)),
            Self::OwnAsText => {
                let mut answer: Value = serde_json::from_slice(&own(request)).ok()?;
                answer["id"] = Value::String(id.to_string());
                answer
            }
            Self::Refusal(code, message) => {
                json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
            }
            Self::Neither => json!({ "jsonrpc": "2.0", "id": id }),
            Self::Foreign(distance) => {
                let id = id.as_i64()? + i64::from(*distance);
                json!({ "jsonrpc": "2.0", "id": id, "result": empty })
            }
            Self::Nobody => json!({ "jsonrpc": "2.0", "id": null, "result": empty }),
            Self::Notification(kind) => {
                let method = NOTIFICATIONS[usize::from(*kind) % NOTIFICATIONS.len()];
                let params = json!({ "progressToken": id, "progress": 1, "requestId": id });
                json!({ "jsonrpc": "2.0", "method": method, "params": params })
            }
            Self::Request(kind) => {
                let method = REQUESTS[usize::from(*kind) % REQUESTS.len()];
                json!({ "jsonrpc": "2.0", "id": kind, "method": method })
            }
            Self::Raw(_) | Self::Wait(_) => return None,
        };
        Some(message.to_string().into_bytes())
    }
}

impl Answer {
    pub fn steps(&self, request: &Value, wire: Wire) -> Vec<Step> {
        let is_stream = wire != Wire::Json;
        let in_events = wire == Wire::Sse
            || matches!(self.head, Head::Events)
            || matches!(
                self.head,
                Head::Any {
                    content_type: Type::Events,
                    ..
                }
            );
        let (mut body, mut waits) = (Vec::new(), Vec::new());
        for part in &self.parts {
            match part {
                Part::Raw(bytes) => body.extend_from_slice(bytes),
                Part::Wait(time) => waits.push((body.len(), *time)),
                part => {
                    let message = part.message(request).unwrap_or_default();
                    let wire = match wire {
                        Wire::Json if in_events => Wire::Events,
                        wire => wire,
                    };
                    body.extend(wire.message(&message));
                }
            }
        }
        let mut steps = Vec::new();
        if !is_stream {
            steps.push(Step::Send(self.head.bytes(body.len())));
        }
        let mut sent = 0;
        waits.reverse();
        for piece in body.chunks(usize::from(self.piece).max(1)) {
            steps.push(Step::Send(piece.to_vec()));
            sent += piece.len();
            while let Some((_, time)) = waits.pop_if(|(at, _)| *at <= sent) {
                steps.push(Step::Wait(Duration::from_millis(time.into())));
            }
        }
        match self.ends {
            End::Stays if matches!(self.head, Head::Any { .. }) || is_stream => {}
            End::Stays | End::Close => steps.push(Step::Close),
            End::Reset => steps.push(Step::Reset),
        }
        steps
    }
}

impl Head {
    fn bytes(&self, length: usize) -> Vec<u8> {
        let head = match self {
            Self::None => return Vec::new(),
            Self::Events => "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n".to_owned(),
            Self::Json => "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n".to_owned(),
            Self::Any {
                status,
                content_type,
                coding,
                has_session,
            } => {
                let status = 200 + status % 400;
                let content_type = match content_type {
                    Type::Json => "content-type: application/json\r\n",
                    Type::Events => "content-type: text/event-stream\r\n",
                    Type::Text => "content-type: text/html\r\n",
                    Type::None => "",
                };
                let coding = match coding {
                    Coding::None => "",
                    Coding::Gzip => "content-encoding: gzip\r\n",
                    Coding::Brotli => "content-encoding: br\r\n",
                    Coding::Zstd => "content-encoding: zstd\r\n",
                    Coding::Deflate => "content-encoding: deflate\r\n",
                    Coding::Unknown => "content-encoding: x-other\r\n",
                };
                let session = if *has_session {
                    "mcp-session-id: one\r\n"
                } else {
                    ""
                };
                format!(
                    "HTTP/1.1 {status} x\r\n{content_type}{coding}{session}content-length: {length}\r\n"
                )
            }
        };
        format!("{head}\r\n").into_bytes()
    }
}
