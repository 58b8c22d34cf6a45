//! Flows over JavaScript callbacks.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value as Json};

use super::leases::{HAS_LEASES, LEASE_GENERATION, acquire};
use crate::error::Result;
use crate::host::{FlowAttempt, FlowState, FlowStatus, FlowStore, LeaseOptions, LockGuard};
use crate::node::engine::{JsResult, Scope, Value};
use crate::node::marshal::callback::{Callback, STORE_TIMEOUT};
use crate::node::marshal::callee::{Callee, Service};
use crate::node::marshal::context::CallContext;
use crate::node::marshal::convert::{members, time};
use crate::node::marshal::to_js::{ToArguments, ToJs};

const GET: Callback<(String, String), Option<FlowState>> =
    Callback::reading("flowManager.getFlowState", STORE_TIMEOUT, |_, flow| {
        flow_state(flow)
    });
const INIT: Callback<(String, String, Map<String, Json>), ()> =
    Callback::new("flowManager.initFlow", STORE_TIMEOUT);
const COMPLETE: Callback<(String, String, Json), ()> =
    Callback::new("flowManager.completeFlow", STORE_TIMEOUT);
const FAIL: Callback<(String, String, String), ()> =
    Callback::new("flowManager.failFlow", STORE_TIMEOUT);
const COMPLETE_ATTEMPT: Callback<(), bool> =
    Callback::reading(COMPLETE.name, STORE_TIMEOUT, |_, answer| {
        Ok(was_current(answer))
    });
const DELETE: Callback<(String, String), bool> =
    Callback::reading("flowManager.deleteFlow", STORE_TIMEOUT, |_, deleted| {
        Ok(deleted.as_bool() != Some(false))
    });

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

    async fn call<Args, Ret>(&self, callback: Callback<Args, Ret>, arguments: Args) -> Result<Ret>
    where
        Args: for<'env> ToArguments<'env> + Send + 'static,
        Ret: Send + 'static,
    {
        let (context, service) = (&self.context, &self.service);
        callback.call(context, service, arguments).await
    }

    /// Ends the flow where it is still that attempt, as far as the host can tell.
    async fn settle<Args: 'static, Ret: Send + 'static>(
        &self,
        callback: Callback<Args, Ret>,
        flow: (&str, &str),
        attempt: &FlowAttempt,
        outcome: impl for<'env> ToJs<'env> + Send + 'static,
    ) -> Result<Ret> {
        let service = self.service.clone();
        let settling = Settling {
            method: callback.member(),
            flow_id: flow.0.to_owned(),
            kind: flow.1.to_owned(),
            attempt: Some(attempt.clone()),
            outcome,
        };
        callback
            .call_by(&self.context, move |context, scope| {
                settling.start(&service, context, scope)
            })
            .await
    }
}

/// How a flow is ended.
pub struct Settling<T> {
    /// There is one more with `IfCurrent` behind its name, which compares, where the host has it (LibreChat since autumn).
    pub method: &'static str,
    pub flow_id: String,
    pub kind: String,
    pub attempt: Option<FlowAttempt>,
    /// What it is completed with, or why it has failed.
    pub outcome: T,
}

impl<T: for<'any> ToJs<'any> + 'static> Settling<T> {
    /// Calls `…IfCurrent(flowId, type, createdAt, state, outcome)`, or else `…(flowId, type, outcome)`.
    pub fn start<'env>(
        self,
        service: &Service,
        context: &Arc<CallContext>,
        scope: Scope<'env>,
    ) -> JsResult<'env> {
        service.with(context, scope, move |context, manager| {
            let (flow_id, kind, outcome) = (&self.flow_id, &self.kind, &self.outcome);
            let guarded = manager.get(&format!("{}IfCurrent", self.method))?;
            let (function, arguments) = match &self.attempt {
                Some(FlowAttempt { created_at, state }) if guarded.is_function() => {
                    let arguments = (flow_id, kind, created_at, state, outcome);
                    (guarded, arguments.to_arguments(manager.scope())?)
                }
                _ => {
                    let arguments = (flow_id, kind, outcome).to_arguments(manager.scope())?;
                    (manager.get(self.method)?, arguments)
                }
            };
            context.apply(function, manager, &arguments)
        })
    }
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
        created_at: time(value.get("createdAt")?)?,
        completed_at: time(value.get("completedAt")?)?,
        result: value.get("result")?.to_json()?,
        error: value.get("error")?.as_string(),
    }))
}

#[async_trait]
impl FlowStore for NodeFlows {
    async fn get(&self, flow_id: &str, kind: &str) -> Result<Option<FlowState>> {
        self.call(GET, (flow_id.to_owned(), kind.to_owned())).await
    }

    async fn init(&self, flow_id: &str, kind: &str, metadata: &Map<String, Json>) -> Result<()> {
        let arguments = (flow_id.to_owned(), kind.to_owned(), metadata.clone());
        self.call(INIT, arguments).await
    }

    async fn complete(&self, flow_id: &str, kind: &str, result: &Json) -> Result<()> {
        let arguments = (flow_id.to_owned(), kind.to_owned(), result.clone());
        self.call(COMPLETE, arguments).await
    }

    async fn fail(&self, flow_id: &str, kind: &str, error: &str) -> Result<()> {
        let arguments = (flow_id.to_owned(), kind.to_owned(), error.to_owned());
        self.call(FAIL, arguments).await
    }

    async fn complete_attempt(
        &self,
        flow_id: &str,
        kind: &str,
        attempt: &FlowAttempt,
        result: &Json,
    ) -> Result<bool> {
        let flow = (flow_id, kind);
        self.settle(COMPLETE_ATTEMPT, flow, attempt, result.clone())
            .await
    }

    async fn fail_attempt(
        &self,
        flow_id: &str,
        kind: &str,
        attempt: &FlowAttempt,
        error: &str,
    ) -> Result<()> {
        self.settle(FAIL, (flow_id, kind), attempt, error.to_owned())
            .await
    }

    async fn delete(&self, flow_id: &str, kind: &str) -> Result<bool> {
        let arguments = (flow_id.to_owned(), kind.to_owned());
        self.call(DELETE, arguments).await
    }

    async fn has_leases(&self) -> Result<bool> {
        let manager = Callee::Itself(self.service.clone());
        HAS_LEASES.call(&self.context, manager, ()).await
    }

    async fn lease_generation(&self, lease_id: &str) -> Result<Option<i64>> {
        self.call(LEASE_GENERATION, (lease_id.to_owned(),)).await
    }

    async fn acquire_lease(
        &self,
        lease_id: &str,
        options: LeaseOptions,
    ) -> Result<Option<Box<dyn LockGuard>>> {
        let lease = self.call(acquire(&options), (lease_id.to_owned(), options));
        Ok(lease.await?.map(|lease| Box::new(lease) as _))
    }
}
