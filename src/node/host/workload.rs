//! `getWorkloadAssertion`: who this process is, as the host learns it from its platform.

use std::sync::Arc;

use async_trait::async_trait;

use crate::error::Result;
use crate::host::WorkloadIdentity;
use crate::node::engine::Present;
use crate::node::marshal::callback::{Callback, SLOW_TIMEOUT};
use crate::node::marshal::callee::Callee;
use crate::node::marshal::context::CallContext;
use crate::node::marshal::convert::text;
use crate::node::marshal::from_js::wrong_answer;
use crate::node::marshal::to_js::Members;
use crate::secret::Secret;

/// The member of the host's services.
const MEMBER: &str = "getWorkloadAssertion";

const ASSERTION: Callback<(Members<3, Option<String>>,), Secret> =
    Callback::reading(MEMBER, SLOW_TIMEOUT, |_, value| {
        let assertion = text(value).map(Secret::new);
        assertion.ok_or_else(|| wrong_answer(value, MEMBER, "a non-empty string"))
    });

/// `getWorkloadAssertion`, in the context of a call.
struct NodeWorkload(Arc<CallContext>);

/// `None` where the host has none.
pub fn of(context: &Arc<CallContext>, present: Present) -> Option<Arc<dyn WorkloadIdentity>> {
    let is_there = present.has(MEMBER);
    is_there.then(|| Arc::new(NodeWorkload(Arc::clone(context))) as _)
}

#[async_trait]
impl WorkloadIdentity for NodeWorkload {
    async fn assertion(
        &self,
        server_name: &str,
        issuer: Option<&str>,
        audience: &str,
    ) -> Result<Secret> {
        let members = [
            ("serverName", Some(server_name)),
            ("issuer", issuer),
            ("audience", Some(audience)),
        ];
        let members = members.map(|(name, value)| (name, value.map(str::to_owned)));
        ASSERTION.call(&self.0, Callee::Host, (members,)).await
    }
}
