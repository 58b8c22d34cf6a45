//! From the unguessable `state` of a callback to its flow.

use serde_json::{Map, Value, json};

use super::STATE_KIND;
use crate::error::Result;
use crate::host::FlowStore;
use crate::secret::Secret;

pub async fn store_state_mapping(
    flows: &dyn FlowStore,
    state: &Secret,
    flow_id: &str,
) -> Result<()> {
    let mut metadata = Map::new();
    metadata.insert("flowId".to_owned(), json!(flow_id));
    flows.init(state.expose(), STATE_KIND, &metadata).await
}

/// `None` for a state that nobody stored, or that has expired.
pub async fn resolve_state(flows: &dyn FlowStore, state: &Secret) -> Result<Option<String>> {
    let mapping = flows.get(state.expose(), STATE_KIND).await?;
    let flow_id = mapping.and_then(|mapping| mapping.metadata.get("flowId").cloned());
    Ok(flow_id.as_ref().and_then(Value::as_str).map(str::to_owned))
}

/// Authorization URLs with this state lead nowhere afterwards.
pub async fn delete_state_mapping(flows: &dyn FlowStore, state: &Secret) -> Result<()> {
    flows.delete(state.expose(), STATE_KIND).await
}
