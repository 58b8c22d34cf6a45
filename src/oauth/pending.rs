//! A stored flow, as far as another call can take part in it.

use serde_json::{Map, Value, json};
use url::Url;

use super::documents::{ClientInfo, ResourceMetadata, text};
use super::issuer::origin_of;
use crate::host::FlowState;

/// How long a pending flow is joined instead of replaced, and a completed one's tokens are taken from it.
pub(super) const JOINABLE_MS: i64 = 2 * 60 * 1000;

/// A flow that waits for the user.
#[derive(Clone)]
pub struct Pending {
    pub authorization_url: String,
    /// Until when other calls join it, in milliseconds since the epoch.
    pub expires_at: i64,
    /// Whether it was there before.
    pub joined: bool,
    pub(super) reused_client: bool,
    pub(super) client: Option<ClientInfo>,
    pub(super) server: Option<Map<String, Value>>,
}

impl Pending {
    pub(super) fn read(flow: &FlowState) -> Option<Self> {
        let metadata = &flow.metadata;
        let object = |name: &str| metadata.get(name).and_then(Value::as_object).cloned();
        Some(Self {
            // What a user is sent to must be a web page, whoever wrote the flow.
            authorization_url: text(metadata, "authorizationUrl")
                .filter(|url| origin_of(url).is_some())?
                .to_owned(),
            expires_at: flow.created_at?.saturating_add(JOINABLE_MS),
            joined: true,
            reused_client: reused_client(metadata),
            client: object("clientInfo").and_then(ClientInfo::new),
            server: object("metadata").map(|server| of_grant(server, metadata)),
        })
    }
}

/// The metadata of a client's row: the authorization server's, and what the grant is for.
fn of_grant(mut server: Map<String, Value>, flow: &Map<String, Value>) -> Map<String, Value> {
    let document = flow.get("resourceMetadata").and_then(Value::as_object);
    let document = document.cloned().map(ResourceMetadata);
    // Kept for refreshes (RFC 8707, section 2.2).
    let resource = document.as_ref().and_then(ResourceMetadata::resource);
    let server_url = text(flow, "serverUrl").and_then(|url| Url::parse(url).ok());
    for (name, value) in [
        ("resource", resource),
        ("server_url", server_url.as_ref().map(Url::as_str)),
        ("client_source", text(flow, "clientSource")),
    ] {
        if let Some(value) = value {
            server.insert(name.to_owned(), json!(value));
        }
    }
    server
}

/// Whether its client was registered in an earlier flow.
pub(super) fn reused_client(metadata: &Map<String, Value>) -> bool {
    metadata
        .get("reusedStoredClient")
        .and_then(Value::as_bool)
        .unwrap_or(false)
}

/// The scopes that a flow asks for.
pub(super) fn asked_scope(metadata: &Map<String, Value>) -> String {
    let url = text(metadata, "authorizationUrl").and_then(|url| Url::parse(url).ok());
    let scope = url.and_then(|url| {
        let found = url.query_pairs().find(|(name, _)| name == "scope");
        found.map(|(_, scope)| scope.into_owned())
    });
    scope.unwrap_or_default()
}
