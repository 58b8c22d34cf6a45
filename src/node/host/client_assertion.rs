//! `getClientAssertion`: what clients prove themselves with whose key the host keeps.

use std::sync::Arc;

use async_trait::async_trait;

use crate::error::Result;
use crate::host::{AssertionRequest, ClientAssertions};
use crate::node::engine::Present;
use crate::node::marshal::callback::{Callback, SLOW_TIMEOUT};
use crate::node::marshal::callee::Callee;
use crate::node::marshal::context::CallContext;
use crate::node::marshal::convert::text;
use crate::node::marshal::from_js::wrong_answer;
use crate::node::marshal::to_js::Members;
use crate::secret::Secret;

/// The member of the host's services.
const MEMBER: &str = "getClientAssertion";

const ASSERTION: Callback<(Members<4>,), Secret> =
    Callback::reading(MEMBER, SLOW_TIMEOUT, |_, value| {
        // An authorization server would blame the client for anything else.
        let assertion = text(value).filter(|text| text.split('.').count() == 3);
        let assertion = assertion.map(Secret::new);
        assertion.ok_or_else(|| wrong_answer(value, MEMBER, "a signed JWT"))
    });

/// `getClientAssertion`, in the context of a call.
struct NodeClientAssertions(Arc<CallContext>);

/// `None` where the host has none.
pub fn of(context: &Arc<CallContext>, present: Present) -> Option<Arc<dyn ClientAssertions>> {
    let is_there = present.has(MEMBER);
    is_there.then(|| Arc::new(NodeClientAssertions(Arc::clone(context))) as _)
}

#[async_trait]
impl ClientAssertions for NodeClientAssertions {
    async fn client_assertion(&self, request: &AssertionRequest<'_>) -> Result<Secret> {
        let members = [
            ("serverName", request.server_name),
            ("clientId", request.client_id),
            ("audience", request.audience),
            ("tokenEndpoint", request.endpoint),
        ];
        let members = members.map(|(name, value)| (name, value.to_owned()));
        ASSERTION.call(&self.0, Callee::Host, (members,)).await
    }
}
