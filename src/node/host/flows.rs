//! Flows over JavaScript callbacks.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value as Json};

use super::leases;
use super::service::Service;
use super::token_store::{members, milliseconds};
use crate::error::Result;
use crate::host::{FlowAttempt, FlowState, FlowStatus, FlowStore, LeaseWish, LockGuard};
use crate::node::engine::{JsResult, Scope, Value};
use crate::node::marshal::callback::STORE_TIMEOUT;
use crate::node::marshal::context::CallContext;

/// LibreChat's `FlowStateManager`.
pub struct NodeFlows {
    pub context: Arc<CallContext>,
    pub service: Service,
}

impl NodeFlows {
    /// As the core sees it.
    pub fn store(context: &Arc<CallContext>, service: Service) -> Arc<dyn FlowStore> {
        Arc::new(Self {
            context: Arc::clone(context),
            service,
        })
    }

    /// Calls `method(flowId, type, more)`.
    async fn call<T: Send + 'static>(
        &self,
        name: &'static str,
        method: &'static str,
        (flow_id, kind): (&str, &str),
        more: Option<Json>,
        convert: impl for<'env> FnOnce(Value<'env>) -> JsResult<'env, T> + Send + 'static,
    ) -> Result<T> {
        let (flow_id, kind) = (flow_id.to_owned(), kind.to_owned());
        let service = self.service.clone();
        self.context
            .callback(
                name,
                STORE_TIMEOUT,
                move |context, scope| {
                    service.call(context, scope, method, move |_, scope| {
                        let mut arguments = vec![scope.string(&flow_id)?, scope.string(&kind)?];
                        if let Some(more) = &more {
                            arguments.push(scope.json(more)?);
                        }
                        Ok(arguments)
                    })
                },
                |_, value| convert(value),
            )
            .await
    }
}

impl NodeFlows {
    /// Whether the flow was still that attempt, as far as the host can tell.
    async fn settle(
        &self,
        (name, guarded, plain): (&'static str, &'static str, &'static str),
        (flow_id, kind): (&str, &str),
        attempt: &FlowAttempt,
        outcome: Json,
    ) -> Result<bool> {
        let service = self.service.clone();
        let settling = Settling {
            guarded,
            plain,
            flow_id: flow_id.to_owned(),
            kind: kind.to_owned(),
            attempt: Some(attempt.clone()),
        };
        self.context
            .callback(
                name,
                STORE_TIMEOUT,
                move |context, scope| {
                    settle_flow(&service, context, scope, settling, move |scope| {
                        scope.json(&outcome)
                    })
                },
                |_, answer| Ok(was_current(answer)),
            )
            .await
    }
}

/// How a flow is ended.
pub struct Settling {
    /// Compares, where the host has it (LibreChat since autumn).
    pub guarded: &'static str,
    pub plain: &'static str,
    pub flow_id: String,
    pub kind: String,
    pub attempt: Option<FlowAttempt>,
}

/// Calls `guarded(flowId, type, createdAt, state, outcome)`, or else `plain(flowId, type, outcome)`.
pub fn settle_flow<'env>(
    service: &Service,
    context: &Arc<CallContext>,
    scope: Scope<'env>,
    settling: Settling,
    outcome: impl for<'any> Fn(Scope<'any>) -> JsResult<'any> + 'static,
) -> JsResult<'env> {
    service.with(context, scope, move |context, manager| {
        let scope = manager.scope();
        let mut arguments = vec![
            scope.string(&settling.flow_id)?,
            scope.string(&settling.kind)?,
        ];
        let guarded = manager.get(settling.guarded)?;
        let function = match &settling.attempt {
            Some(attempt) if guarded.is_function() => {
                #[expect(clippy::cast_precision_loss, reason = "milliseconds since the epoch")]
                arguments.push(scope.number(attempt.created_at as f64)?);
                arguments.push(scope.string(attempt.state.expose())?);
                guarded
            }
            _ => manager.get(settling.plain)?,
        };
        arguments.push(outcome(scope)?);
        context.apply(function, manager, &arguments)
    })
}

/// What a function that compares says of another flow in the place: `stale`, or `missing`.
pub fn was_current(answer: Value<'_>) -> bool {
    answer.as_string().is_none_or(|answer| answer == "updated")
}

fn flow_state(value: Value<'_>) -> JsResult<'_, Option<FlowState>> {
    if !value.is_object() {
        return Ok(None);
    }
    let status = match value.get("status")?.as_string().as_deref() {
        Some("COMPLETED") => FlowStatus::Completed,
        Some("FAILED") => FlowStatus::Failed,
        _ => FlowStatus::Pending,
    };
    Ok(Some(FlowState {
        status,
        metadata: members(value.get("metadata")?)?.unwrap_or_default(),
        created_at: milliseconds(value.get("createdAt")?)?,
        completed_at: milliseconds(value.get("completedAt")?)?,
        result: value.get("result")?.to_json()?,
        error: value.get("error")?.as_string(),
    }))
}

#[async_trait]
impl FlowStore for NodeFlows {
    async fn get(&self, flow_id: &str, kind: &str) -> Result<Option<FlowState>> {
        let flow = (flow_id, kind);
        self.call(
            "flowManager.getFlowState",
            "getFlowState",
            flow,
            None,
            flow_state,
        )
        .await
    }

    async fn init(&self, flow_id: &str, kind: &str, metadata: &Map<String, Json>) -> Result<()> {
        let more = Some(Json::Object(metadata.clone()));
        let flow = (flow_id, kind);
        self.call("flowManager.initFlow", "initFlow", flow, more, |_| Ok(()))
            .await
    }

    async fn complete(&self, flow_id: &str, kind: &str, result: &Json) -> Result<()> {
        let (flow, more) = ((flow_id, kind), Some(result.clone()));
        let name = "flowManager.completeFlow";
        self.call(name, "completeFlow", flow, more, |_| Ok(()))
            .await
    }

    async fn fail(&self, flow_id: &str, kind: &str, error: &str) -> Result<()> {
        let more = Some(Json::from(error));
        let flow = (flow_id, kind);
        self.call("flowManager.failFlow", "failFlow", flow, more, |_| Ok(()))
            .await
    }

    async fn complete_attempt(
        &self,
        flow_id: &str,
        kind: &str,
        attempt: &FlowAttempt,
        result: &Json,
    ) -> Result<bool> {
        let names = (
            "flowManager.completeFlow",
            "completeFlowIfCurrent",
            "completeFlow",
        );
        self.settle(names, (flow_id, kind), attempt, result.clone())
            .await
    }

    async fn fail_attempt(
        &self,
        flow_id: &str,
        kind: &str,
        attempt: &FlowAttempt,
        error: &str,
    ) -> Result<()> {
        let names = ("flowManager.failFlow", "failFlowIfCurrent", "failFlow");
        let error = Json::from(error);
        let settled = self.settle(names, (flow_id, kind), attempt, error);
        settled.await.map(drop)
    }

    async fn delete(&self, flow_id: &str, kind: &str) -> Result<bool> {
        let flow = (flow_id, kind);
        let name = "flowManager.deleteFlow";
        self.call(name, "deleteFlow", flow, None, |deleted| {
            Ok(deleted.as_bool() != Some(false))
        })
        .await
    }

    async fn has_leases(&self) -> Result<bool> {
        leases::has_leases(&self.context, &self.service).await
    }

    async fn lease_generation(&self, lease_id: &str) -> Result<Option<i64>> {
        leases::generation(&self.context, &self.service, lease_id).await
    }

    async fn acquire_lease(
        &self,
        lease_id: &str,
        wish: LeaseWish,
    ) -> Result<Option<Box<dyn LockGuard>>> {
        leases::acquire(&self.context, &self.service, lease_id, wish).await
    }
}
