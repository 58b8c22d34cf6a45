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
    HeaderValue::from_str(id).ok().filter(|id| !id.is_empty())
}
