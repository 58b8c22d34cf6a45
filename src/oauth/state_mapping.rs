//! From the unguessable `state` of a callback to its flow.

use serde_json::{Map, Value, json};

use super::documents::text;
use super::flow_id::flow_id;
use super::flow_kind::{CLAIM_KIND, FLOW_KIND, STATE_KIND};
use crate::error::{Code, Error, Result};
use crate::host::{FlowAttempt, FlowStore};
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

/// Authorization URLs with this state lead nowhere afterwards. Whether the store took it.
pub async fn delete_state_mapping(flows: &dyn FlowStore, state: &Secret) -> Result<bool> {
    flows.delete(state.expose(), STATE_KIND).await
}

/// Deletes a flow, then the way to it: it is the flow that a callback could complete. Tries both whatever becomes of the
/// other.
///
/// Fails with [`Code::OAuthFlowFailed`] where something may be left.
pub async fn delete_flow_and_state(flows: &dyn FlowStore, flow_id: &str) -> Result<()> {
    let known = flows.get(flow_id, FLOW_KIND).await;
    let flow_deleted = flows.delete(flow_id, FLOW_KIND).await;
    let state = known.as_ref().ok().and_then(Option::as_ref);
    let state = state.and_then(|flow| text(&flow.metadata, "state"));
    let mapping_deleted = match state.map(Secret::from) {
        Some(state) => delete_state_mapping(flows, &state).await,
        None => Ok(true),
    };
    if let (Ok(_), Ok(true), Ok(true)) = (&known, &flow_deleted, &mapping_deleted) {
        return Ok(());
    }
    let told = |outcome: &Result<bool>| matches!(outcome, Ok(true));
    let error = Error::new(
        Code::OAuthFlowFailed,
        format!(
            "Failed to fully delete OAuth flow {flow_id} (metadata read ok: {}, flow deleted: {}, state mapping deleted: {})",
            known.is_ok(),
            told(&flow_deleted),
            told(&mapping_deleted)
        ),
    );
    let cause = known.err().or(flow_deleted.err()).or(mapping_deleted.err());
    Err(match cause {
        Some(cause) => error.caused_by(cause),
        None => error,
    })
}

/// Fails a flow that is still the attempt that somebody has looked at, and makes its `state` unusable.
///
/// # Errors
/// [`Code::OAuthFlowFailed`] where the mapping of the `state` is still there.
pub async fn fail_flow_and_state(
    flows: &dyn FlowStore,
    flow_id: &str,
    attempt: &FlowAttempt,
    why: &str,
) -> Result<()> {
    let flow = flows.get(flow_id, FLOW_KIND).await?;
    if flow.is_some_and(|flow| attempt.is(&flow)) {
        flows.fail_attempt(flow_id, FLOW_KIND, attempt, why).await?;
    }
    let state = &attempt.state;
    if !state.expose().is_empty()
        && !delete_state_mapping(flows, state).await?
        && resolve_state(flows, state).await?.is_some()
    {
        return Err(Error::new(
            Code::OAuthFlowFailed,
            format!("Failed to delete OAuth state mapping for {flow_id}"),
        ));
    }
    Ok(())
}

/// Deletes all flows of a user for a server, those included that name no tenant. Tries each whatever becomes of the others.
///
/// Fails with [`Code::OAuthFlowFailed`], or as the store does, where something may be left.
pub async fn delete_flows_of(
    flows: &dyn FlowStore,
    (user_id, server_name): (&str, &str),
    tenant_id: Option<&str>,
) -> Result<()> {
    let mut outcome = Ok(());
    let tenants = [tenant_id, None];
    // Without a tenant both are the same.
    for tenant_id in &tenants[usize::from(tenant_id.is_none())..] {
        let flow_id = flow_id(user_id, server_name, *tenant_id);
        let claim = flows.delete(&flow_id, CLAIM_KIND).await.map(drop);
        let flow = match flows.get(&flow_id, FLOW_KIND).await {
            Ok(Some(_)) => delete_flow_and_state(flows, &flow_id).await,
            known => known.map(drop),
        };
        outcome = outcome.and(claim).and(flow);
    }
    outcome
}
