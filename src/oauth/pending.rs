//! A stored flow, as far as another call can take part in it.

use std::time::Duration;

use serde_json::{Map, Value};
use url::Url;

use super::binding::client_row_metadata;
use super::documents::{ClientInfo, number, text};
use super::issuer::origin_of;
use super::leases::Leases;
use crate::host::FlowState;

/// Member of a flow whose request was pushed: `{ scope, expiresAt }`, in milliseconds since the epoch.
pub(super) const PUSHED_REQUEST: &str = "pushedRequest";

/// A request that ends sooner is pushed anew: its user has to get to the page. In milliseconds.
const TIME_TO_OPEN: i64 = 5000;

/// A flow that waits for the user.
#[derive(Clone)]
pub struct Pending {
    pub authorization_url: String,
    /// Until when other calls join it, in milliseconds since the epoch.
    pub expires_at: i64,
    /// Until when its user has time to authorize.
    pub(super) ends_at: i64,
    /// Whether it was there before.
    pub joined: bool,
    pub(super) reused_client: Option<ReusedClient>,
    pub(super) client: Option<ClientInfo>,
    pub(super) server: Option<Map<String, Value>>,
    /// The generation in which it was begun or joined: its tokens are stored in no other one.
    pub(super) fence: Option<(Leases, i64)>,
}

impl Pending {
    /// `time` is how long a user has to authorize.
    pub(super) fn read(
        flow: &FlowState,
        time: Duration,
        fence: Option<&(Leases, i64)>,
    ) -> Option<Self> {
        let metadata = &flow.metadata;
        let time = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let ends_at = flow.created_at?.saturating_add(time);
        Some(Self {
            // What a user is sent to must be a web page, whoever wrote the flow.
            authorization_url: text(metadata, "authorizationUrl")
                .filter(|url| origin_of(url).is_some())?
                .to_owned(),
            expires_at: opens_until(metadata).map_or(ends_at, |end| end.min(ends_at)),
            ends_at,
            joined: true,
            reused_client: ReusedClient::of(metadata),
            client: client_of_flow(metadata),
            server: row_of_flow(metadata),
            fence: fence.cloned(),
        })
    }
}

pub(super) fn client_of_flow(flow: &Map<String, Value>) -> Option<ClientInfo> {
    let client = flow.get("clientInfo").and_then(Value::as_object);
    client.cloned().and_then(ClientInfo::new)
}

/// The metadata that the client's row will have.
pub(super) fn row_of_flow(flow: &Map<String, Value>) -> Option<Map<String, Value>> {
    let object = |name: &str| flow.get(name).and_then(Value::as_object);
    let server = object("metadata")?.clone();
    let (url, source) = (text(flow, "serverUrl"), text(flow, "clientSource"));
    Some(client_row_metadata(
        server,
        object("resourceMetadata"),
        url,
        source,
    ))
}

/// A client that was registered in an earlier flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReusedClient {
    /// Of the row that it was taken from; rows of older `LibreChat`s have none.
    pub credential_set_id: Option<String>,
}

impl ReusedClient {
    pub fn of(flow: &Map<String, Value>) -> Option<Self> {
        let is_reused = flow.get("reusedStoredClient").and_then(Value::as_bool);
        is_reused.unwrap_or_default().then(|| Self {
            credential_set_id: text(flow, "reusedClientCredentialSetId").map(str::to_owned),
        })
    }
}

/// Until when the user can open the page of a flow; `None` where nothing but the flow's own time limits that.
pub(super) fn opens_until(flow: &Map<String, Value>) -> Option<i64> {
    let pushed = flow.get(PUSHED_REQUEST)?.as_object()?;
    Some(number(pushed, "expiresAt")?.saturating_sub(TIME_TO_OPEN))
}

/// The scopes that a pushed request asks for.
fn pushed_scope(flow: &Map<String, Value>) -> Option<&str> {
    flow.get(PUSHED_REQUEST)?.get("scope")?.as_str()
}

/// The scopes that a flow asks for.
pub(super) fn asked_scope(metadata: &Map<String, Value>) -> String {
    if let Some(scope) = pushed_scope(metadata) {
        return scope.to_owned();
    }
    let url = text(metadata, "authorizationUrl").and_then(|url| Url::parse(url).ok());
    let scope = url.and_then(|url| {
        let found = url.query_pairs().find(|(name, _)| name == "scope");
        found.map(|(_, scope)| scope.into_owned())
    });
    scope.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::host::FlowStatus;

    #[test]
    fn a_pushed_request_is_joined_for_as_long_as_it_can_be_opened() {
        let time = Duration::from_mins(2);
        for (pushed, expires_at, scope) in [
            (json!(null), 121_000, "of-url"),
            (
                json!({ "scope": "of-request", "expiresAt": 61_000 }),
                56_000,
                "of-request",
            ),
            (json!({ "scope": "", "expiresAt": 600_000 }), 121_000, ""),
            (json!("no object"), 121_000, "of-url"),
        ] {
            let metadata = json!({
                "authorizationUrl": "https://as.test/authorize?scope=of-url",
                "pushedRequest": pushed,
            });
            let metadata = metadata.as_object().unwrap().clone();
            assert_eq!(asked_scope(&metadata), scope);
            let flow = FlowState {
                status: FlowStatus::Pending,
                metadata,
                created_at: Some(1000),
                completed_at: None,
                result: None,
                error: None,
            };
            let pending = Pending::read(&flow, time, None).unwrap();
            assert_eq!((pending.expires_at, pending.ends_at), (expires_at, 121_000));
        }
    }
}
