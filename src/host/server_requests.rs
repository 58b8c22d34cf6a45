//! What servers ask and tell the host.

use async_trait::async_trait;
use serde_json::Value;

use crate::error::Result;

/// Whose connection to which server, and in which call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    pub server_name: String,
    /// Absent for a connection that all users share, and for a call without a user.
    pub user_id: Option<String>,
    /// The tool that is called, as the caller knows it. Absent for other requests, and outside of calls.
    pub tool_name: Option<String>,
}

/// A request of a server for the host.
pub struct ServerRequest<'a> {
    /// What the server calls it, as JSON: a string or a number.
    pub id: &'a str,
    pub method: &'a str,
    pub params: Value,
}

/// A notification of a server for the host.
pub struct Notice {
    pub method: &'static str,
    /// The parameters as JSON.
    pub params: String,
    /// It belongs to no call and no user, so that it is told in nobody's context.
    pub is_nobodys: bool,
    pub heard: Heard,
}

/// Dropped when the host has been told of a notification, or cannot be told any more. The next one waits for that.
pub type Heard = Box<dyn Send>;

/// Requests and notifications that servers send to their client.
#[async_trait]
pub trait ServerRequests: Send + Sync {
    /// Whether the host answers this method (`sampling/createMessage`, `elicitation/create`, `roots/list`), or wants to
    /// hear of it (`notifications/message`, `notifications/elicitation/complete`).
    fn handles(&self, method: &str) -> bool;
    /// Answers with a result in MCP's shape for the method. Dropping the future tells the host that nobody wants the
    /// answer any more.
    async fn answer(&self, peer: &Peer, request: ServerRequest<'_>) -> Result<Value>;
    /// Passes a notification on.
    fn notify(&self, peer: &Peer, notice: Notice);
}
