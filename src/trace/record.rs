//! What is told, as it was seen: with its secrets, which nobody but the thread that makes lines of it reads.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method};
use url::Url;

use crate::foreign_text::SentSecrets;

/// How much of a message or a body is told, in bytes.
pub(super) const LONGEST: usize = 64 * 1024;
/// So much more is looked through for secrets that go over the end.
pub(super) const BEYOND: usize = 4 * 1024;

/// What an HTTP exchange is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Mcp,
    Detection,
    Metadata,
    Registration,
    Par,
    Token,
    Refresh,
    Revocation,
    Obo,
    Grant,
}

impl Purpose {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Mcp => "mcp",
            Self::Detection => "detection",
            Self::Metadata => "metadata",
            Self::Registration => "registration",
            Self::Par => "par",
            Self::Token => "token",
            Self::Refresh => "refresh",
            Self::Revocation => "revocation",
            Self::Obo => "obo",
            Self::Grant => "grant",
        }
    }

    /// Whether the answer may be a secret.
    pub(super) const fn is_for_secrets(self) -> bool {
        !matches!(self, Self::Mcp | Self::Detection | Self::Metadata)
    }

    /// What a form is sent for, by whether it has a `grant_type` or a `token` (RFC 6749, 7009 and 9126).
    #[must_use]
    pub fn of_form(grant_type: Option<&str>, has_token: bool) -> Self {
        match grant_type {
            Some("authorization_code") => Self::Token,
            Some("refresh_token") => Self::Refresh,
            Some(_) => Self::Grant,
            None if has_token => Self::Revocation,
            None => Self::Par,
        }
    }
}

/// Who does something, and what of it is secret.
pub(super) struct Who {
    pub server: Option<String>,
    pub user: Option<String>,
    pub secrets: SentSecrets,
}

/// What a request had. Whoever answers it may repeat that.
pub(super) struct Asked {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    /// Those that were configured, or belong to the user.
    pub secret_headers: Vec<HeaderName>,
    /// Empty where it is MCP's.
    pub body: Bytes,
}

pub(super) struct Record {
    pub at: SystemTime,
    pub who: Arc<Who>,
    /// The request that this is about, or the last one of the connection.
    pub asked: Option<Arc<Asked>>,
    pub event: Event,
}

/// The members of a step that has some.
pub type Details = Vec<(&'static str, String)>;

/// One member of a step.
#[must_use]
pub fn detail(name: &'static str, value: &dyn ToString) -> Details {
    vec![(name, value.to_string())]
}

pub(super) enum Event {
    Http {
        id: u64,
        purpose: Purpose,
        phase: Phase,
    },
    Message {
        is_sent: bool,
        transport: &'static str,
        connection: u64,
        /// 0 where no exchange is known to have carried it.
        exchange: u64,
        /// Its beginning, where it is long.
        text: Vec<u8>,
        /// All of it.
        bytes: usize,
    },
    Step {
        step: &'static str,
        details: Details,
    },
}

pub(super) enum Phase {
    Request,
    Response {
        after: Duration,
        status: u16,
        headers: HeaderMap,
    },
    End {
        after: Duration,
        bytes: usize,
        /// Empty where it is MCP's.
        body: Vec<u8>,
        /// The server has given what was asked for, which may be tokens.
        grants: bool,
    },
    Failed {
        after: Duration,
        code: &'static str,
        message: String,
    },
}

impl Record {
    /// What it takes up while it waits, in bytes, about.
    pub fn size(&self) -> usize {
        let of_headers = |headers: &HeaderMap| {
            let sizes = headers
                .iter()
                .map(|(name, value)| name.as_str().len() + value.len());
            sizes.sum::<usize>()
        };
        let own = match &self.event {
            Event::Message { text, .. } => text.len(),
            Event::Step { details, .. } => details.iter().map(|(_, value)| value.len()).sum(),
            Event::Http { phase, .. } => match phase {
                Phase::Request => self.asked.as_ref().map_or(0, |asked| {
                    asked.url.as_str().len() + of_headers(&asked.headers) + asked.body.len()
                }),
                Phase::Response { headers, .. } => of_headers(headers),
                Phase::End { body, .. } => body.len(),
                Phase::Failed { message, .. } => message.len(),
            },
        };
        size_of::<Self>() + own
    }
}
