//! Pushed authorization requests (RFC 9126): what is asked for goes to the authorization server directly, and the user's
//! browser brings no more than a name for it.

use std::time::Duration;

use serde_json::{Map, Value, json};
use url::Url;

use super::authorizer::Authorizer;
use super::client_assertion::{ClientEndpoint, KeyedClient};
use super::client_auth::authenticate_in_flow;
use super::documents::{ClientInfo, ServerMetadata, number, text};
use super::form::Form;
use super::http::Endpoints;
use super::issuer::origin_of;
use super::pending::{ReusedClient, opens_until};
use super::storage::Storage;
use crate::clock::now_ms;
use crate::error::{Code, Error, Result};
use crate::host::{FlowState, FlowStatus};
use crate::secret::Secret;
use crate::server_config::is_client_rejection_message;

const ENDPOINT: &str = "pushed_authorization_request_endpoint";
const REQUIRED: &str = "require_pushed_authorization_requests";
const WHAT: &str = "Pushed authorization request";
/// No request URI is that long, and it becomes a part of the URL that users get.
const LONGEST_URI: usize = 2048;

/// A request that the authorization server has.
pub struct Pushed {
    /// Where the user goes.
    pub authorization_url: Url,
    /// What the flow keeps of it.
    pub member: Value,
}

/// Pushes the requests of one flow.
pub struct Push<'a> {
    pub endpoints: &'a Endpoints,
    pub server: &'a ServerMetadata,
    pub client: &'a ClientInfo,
    pub keyed: KeyedClient<'a>,
    /// A registration of an earlier flow, and where it is.
    pub reused: Option<(&'a Storage, &'a ReusedClient)>,
}

impl Push<'_> {
    /// Whether the server wants it of all clients (section 5) or of this one (section 6).
    pub fn is_required(&self) -> bool {
        let is_set = |members: &Map<String, Value>| {
            members.get(REQUIRED).and_then(Value::as_bool) == Some(true)
        };
        is_set(&self.server.0) || is_set(&self.client.0)
    }

    /// Pushes the authorization request that `request` is the URL of; users go to `endpoint`.
    ///
    /// Fails with [`Code::OAuthFlowFailed`] as the endpoint says, and with [`Code::OAuthDiscoveryFailed`] for one that is
    /// not at the token endpoint's origin: it gets the same secrets.
    pub async fn push(&self, mut endpoint: Url, request: &Url) -> Result<Pushed> {
        let url = self.server.endpoint(ENDPOINT)?;
        let url = self.endpoints.check(url, ENDPOINT)?;
        if self.server.text("token_endpoint").and_then(origin_of) != Some(url.origin()) {
            return Err(Error::new(
                Code::OAuthDiscoveryFailed,
                format!("[MCPOAuth] The {ENDPOINT} is at another origin than the token_endpoint"),
            ));
        }
        let mut form = Form::default();
        for (name, value) in request.query_pairs() {
            form.set(&name, &value);
        }
        let at = ClientEndpoint {
            endpoints: self.endpoints,
            url: &url,
            name: ENDPOINT,
        };
        let is_keyed = self
            .keyed
            .authenticate(self.client.id(), &mut form, at)
            .await?;
        let authorization = if is_keyed {
            None
        } else {
            let methods = self.server.texts("token_endpoint_auth_methods_supported");
            authenticate_in_flow(&mut form, self.client, methods.as_deref())
        };
        let pushing = self
            .endpoints
            .post_form(&url, &form, authorization.as_ref());
        let answer = pushing.await.map_err(|error| {
            let retryable = error.retryable;
            failed(&format!("failed: {error}"))
                .with_retryable(retryable)
                .caused_by(error)
        })?;
        let answered = answer.success(Code::OAuthFlowFailed, WHAT);
        // A registration that the server has forgotten is made anew by the next flow.
        if let (Err(error), Some((storage, reused))) = (&answered, self.reused)
            && is_client_rejection_message(&error.message)
        {
            let id = reused.credential_set_id.as_deref();
            storage.forget_client(id).await;
        }
        let members = answered?;
        let uri = text(&members, "request_uri").filter(|uri| uri.len() <= LONGEST_URI);
        let seconds = number(&members, "expires_in").filter(|seconds| *seconds > 0);
        let (Some(uri), Some(seconds)) = (uri, seconds) else {
            return Err(failed("was answered without a request_uri that lasts"));
        };
        let scope = request.query_pairs().find(|(name, _)| name == "scope");
        let expires_at = now_ms().saturating_add(seconds.saturating_mul(1000));
        // Section 4. What the endpoint has in its own query stays (RFC 6749, section 3.1).
        endpoint
            .query_pairs_mut()
            .extend_pairs([("client_id", self.client.id()), ("request_uri", uri)]);
        Ok(Pushed {
            authorization_url: endpoint,
            member: json!({
                "scope": scope.map(|(_, scope)| scope).unwrap_or_default(),
                "expiresAt": expires_at,
            }),
        })
    }
}

impl Authorizer {
    /// `state` and verifier of a flow whose request has ended while the flow goes on. A request that is pushed in its
    /// place keeps them, since the user may be signing in with the first one.
    pub(super) async fn to_push_again(
        &self,
        flow: &FlowState,
        time: Duration,
    ) -> Result<Option<(Secret, Secret)>> {
        let metadata = &flow.metadata;
        let age = now_ms().saturating_sub(flow.created_at.unwrap_or_default());
        let is_over = u128::try_from(age).unwrap_or_default() >= time.as_millis();
        if flow.status != FlowStatus::Pending
            || is_over
            || opens_until(metadata).is_none()
            || !self.is_ours(flow).await?
        {
            return Ok(None);
        }
        let secret = |name| text(metadata, name).map(Secret::from);
        Ok(secret("state").zip(secret("codeVerifier")))
    }
}

fn failed(problem: &str) -> Error {
    Error::new(Code::OAuthFlowFailed, format!("{WHAT} {problem}"))
}
