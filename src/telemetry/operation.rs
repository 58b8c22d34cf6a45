//! What was done, how long it took, and how it ended.

use std::time::{Duration, Instant, SystemTime};

use super::methods::OTHER_METHOD;
use crate::error::Error;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Reinit,
    Connect,
    /// Its duration is that of the connection.
    Disconnect,
    ToolCall,
    /// Any other request that a caller makes.
    Request,
    TokenRefresh,
    /// An on-behalf-of exchange, a retry included.
    TokenExchange,
}

/// Something that has ended.
#[derive(Debug, Clone)]
pub struct Operation {
    pub kind: Kind,
    /// Empty for an exchange that is for no server.
    pub server_name: String,
    pub user_id: Option<String>,
    /// In LibreChat's words; `None` where it never came to one.
    pub transport: Option<&'static str>,
    pub tool: Option<String>,
    /// Of a caller's request: a [`method_name`](super::method_name).
    pub method: &'static str,
    /// What only spans tell. Absent where nobody wants any.
    pub details: Option<Box<Details>>,
    pub started: SystemTime,
    pub duration: Duration,
    /// [`OK`], an error code, or what [`Kind`] has of its own.
    pub outcome: &'static str,
    pub failed: bool,
}

/// What spans tell of a caller's request, by the names of OpenTelemetry's conventions.
#[derive(Debug, Clone, Default)]
pub struct Details {
    /// `mcp.session.id`.
    pub session_id: Option<String>,
    /// `mcp.protocol.version`.
    pub protocol_version: Option<String>,
    /// `server.address` and `server.port`.
    pub server: Option<(String, Option<u16>)>,
    /// `jsonrpc.request.id`.
    pub request_id: Option<u64>,
    /// `gen_ai.prompt.name`, or `mcp.resource.uri`.
    pub target: Option<String>,
    /// `rpc.response.status_code`: of the error that the server has answered with.
    pub rpc_code: Option<i64>,
    /// How the request failed, in words.
    pub message: Option<String>,
}

pub const OK: &str = "ok";
/// A tool answered, with an error.
pub const TOOL_ERROR: &str = "tool_error";
/// A connection ended because nobody wanted it any more.
pub const CLOSED: &str = "closed";
/// A connection ended although it was wanted.
pub const LOST: &str = "lost";

/// An operation under way.
pub struct Started {
    kind: Kind,
    server_name: String,
    user_id: Option<String>,
    at: SystemTime,
    clock: Instant,
}

impl Started {
    #[must_use]
    pub fn now(kind: Kind, server_name: &str, user_id: Option<&str>) -> Self {
        Self {
            kind,
            server_name: server_name.to_owned(),
            user_id: user_id.map(str::to_owned),
            at: SystemTime::now(),
            clock: Instant::now(),
        }
    }

    #[must_use]
    pub fn ended(self, outcome: &'static str, failed: bool) -> Operation {
        Operation {
            kind: self.kind,
            server_name: self.server_name,
            user_id: self.user_id,
            transport: None,
            tool: None,
            method: OTHER_METHOD,
            details: None,
            started: self.at,
            duration: self.clock.elapsed(),
            outcome,
            failed,
        }
    }

    /// [`OK`], or the code of the error.
    #[must_use]
    pub fn ended_with<T>(self, outcome: Result<&T, &Error>) -> Operation {
        match outcome {
            Ok(_) => self.ended(OK, false),
            Err(error) => self.ended(error.code.as_str(), true),
        }
    }
}
