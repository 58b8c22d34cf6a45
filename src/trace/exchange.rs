//! One HTTP exchange, from the request to the end of the body.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt};
use http::{HeaderMap, HeaderName, Method, StatusCode};
use url::Url;

use super::record::{Asked, BEYOND, Event, LONGEST, Phase, Purpose};
use super::source::Tag;
use crate::error::{Code, Error, Result};

/// An exchange under way. If it is dropped, that is told as its end.
pub struct Exchange {
    tag: Arc<Tag>,
    asked: Option<Arc<Asked>>,
    pub id: u64,
    began: Instant,
    /// What has come of the body.
    bytes: usize,
    body: Vec<u8>,
    /// Whether the body is told: what is MCP's is told as messages.
    keeps_body: bool,
    /// Whether the server gives what it was asked for; absent until it has answered.
    is_success: Option<bool>,
    is_over: bool,
}

impl Exchange {
    /// Begins where the request is traced.
    #[must_use]
    pub fn begin(tag: Option<&Arc<Tag>>) -> Option<Box<Self>> {
        let tag = Arc::clone(tag?);
        Some(Box::new(Self {
            id: tag.next(),
            keeps_body: tag.purpose != Purpose::Mcp,
            tag,
            asked: None,
            began: Instant::now(),
            bytes: 0,
            body: Vec::new(),
            is_success: None,
            is_over: false,
        }))
    }

    /// As it goes out, `headers` being all that it has.
    pub fn request(
        &mut self,
        (method, url): (&Method, &Url),
        headers: &HeaderMap,
        secret_headers: &[HeaderName],
        body: &Bytes,
    ) {
        let body = if self.keeps_body {
            body.clone()
        } else {
            Bytes::new()
        };
        let asked = Arc::new(Asked {
            method: method.clone(),
            url: url.clone(),
            headers: headers.clone(),
            secret_headers: secret_headers.to_vec(),
            body,
        });
        self.tag.party.asked(&asked);
        self.asked = Some(asked);
        self.tell(Phase::Request);
    }

    pub fn answered(&mut self, status: StatusCode, headers: &HeaderMap) {
        self.is_success = Some(status.is_success());
        // A page that explains a refusal is no message.
        self.keeps_body |= !status.is_success() && status != StatusCode::SWITCHING_PROTOCOLS;
        self.tell(Phase::Response {
            after: self.after(),
            status: status.as_u16(),
            headers: headers.clone(),
        });
    }

    pub fn failed(&mut self, error: &Error) {
        self.is_over = true;
        self.tell(Phase::Failed {
            after: self.after(),
            code: error.code.as_str(),
            message: error.message.clone(),
        });
    }

    /// The body as it arrives, decoded; what becomes of it is told.
    #[must_use]
    pub fn follow(
        mut self: Box<Self>,
        chunks: BoxStream<'static, Result<Bytes>>,
    ) -> BoxStream<'static, Result<Bytes>> {
        chunks
            .inspect(move |chunk| match chunk {
                Ok(chunk) => self.read(chunk),
                Err(error) => self.failed(error),
            })
            .boxed()
    }

    fn read(&mut self, chunk: &[u8]) {
        self.bytes += chunk.len();
        if self.keeps_body {
            let room = (LONGEST + BEYOND).saturating_sub(self.body.len());
            self.body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        }
    }

    fn after(&self) -> Duration {
        self.began.elapsed()
    }

    fn tell(&self, phase: Phase) {
        let event = Event::Http {
            id: self.id,
            purpose: self.tag.purpose,
            phase,
        };
        self.tag.party.tell_of(self.asked.clone(), event);
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let after = self.after();
        let body = std::mem::take(&mut self.body);
        self.tell(match self.is_success {
            Some(is_success) => Phase::End {
                after,
                bytes: self.bytes,
                body,
                grants: is_success && self.tag.purpose.is_for_secrets(),
            },
            None => Phase::Failed {
                after,
                code: Code::Aborted.as_str(),
                message: "Given up before an answer came".to_owned(),
            },
        });
    }
}
