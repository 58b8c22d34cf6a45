//! `toolPins`: where the host keeps which tools are approved.

use std::sync::Arc;

use async_trait::async_trait;

use super::shared_sessions::{text_or_nothing, yes_or_no};
use crate::error::Result;
use crate::host::ToolPins;
use crate::node::marshal::callback::{Callback, STORE_TIMEOUT};
use crate::node::marshal::callee::Service;
use crate::node::marshal::context::CallContext;

/// The member of the host's services.
pub const TOOL_PINS: &str = "toolPins";
const SERVICE: Service = Service::Host(TOOL_PINS);

const GET: Callback<(String,), Option<String>> =
    Callback::reading("toolPins.get", STORE_TIMEOUT, |_, value| {
        text_or_nothing(value, "toolPins.get")
    });
const COMPARE_AND_SET: Callback<(String, Option<String>, String), bool> =
    Callback::reading("toolPins.compareAndSet", STORE_TIMEOUT, |_, value| {
        yes_or_no(value, "toolPins.compareAndSet")
    });

/// `toolPins`, in the context of a call.
pub struct NodeToolPins(pub Arc<CallContext>);

#[async_trait]
impl ToolPins for NodeToolPins {
    async fn get(&self, key: &str) -> Result<Option<String>> {
        GET.call(&self.0, &SERVICE, (key.to_owned(),)).await
    }

    async fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&str>,
        value: &str,
    ) -> Result<bool> {
        let row = (
            key.to_owned(),
            expected.map(str::to_owned),
            value.to_owned(),
        );
        COMPARE_AND_SET.call(&self.0, &SERVICE, row).await
    }
}
