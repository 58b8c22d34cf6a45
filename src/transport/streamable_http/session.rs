//! What the protocol calls a session.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::network::Response;

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// What the requests of a session name.
#[derive(Debug, Clone, Default)]
pub struct HttpSession {
    /// What the server calls the session; absent where it keeps none.
    pub id: Option<HeaderValue>,
    /// The protocol version that was agreed on; absent until then.
    pub version: Option<HeaderValue>,
}

impl HttpSession {
    /// What a server may call a session: visible ASCII (MCP, chapter "Transports").
    #[must_use]
    pub fn id_of(text: &str) -> Option<HeaderValue> {
        let id = HeaderValue::from_str(text).ok()?;
        (!id.is_empty() && id.to_str().is_ok()).then_some(id)
    }

    pub(super) fn add_to(&self, headers: &mut HeaderMap) {
        if let Some(version) = &self.version {
            headers.insert(PROTOCOL_VERSION, version.clone());
        }
        if let Some(id) = &self.id {
            headers.insert(SESSION_ID, id.clone());
        }
    }
}

/// What the server calls the session that it begins.
pub(super) fn session_of(response: &Response) -> Option<HeaderValue> {
    let id = response.headers.get(SESSION_ID)?.to_str().ok()?;
    // A copy: the header is a part of all that was read from the socket, and would keep that as long as the session.
    HttpSession::id_of(id)
}
