//! What processes share beside tokens: flows that wait for users, leases, locks.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value};

use crate::error::Result;
use crate::secret::Secret;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlowStatus {
    Pending,
    Completed,
    Failed,
}

/// The state of a flow (LibreChat's `FlowState`).
#[derive(Clone)]
pub struct FlowState {
    pub status: FlowStatus,
    pub metadata: Map<String, Value>,
    /// Milliseconds since the epoch.
    pub created_at: Option<i64>,
    /// Milliseconds since the epoch.
    pub completed_at: Option<i64>,
    /// What the flow was completed with, such as tokens.
    pub result: Option<Value>,
    pub error: Option<String>,
}

/// Which of the flows that have had an id.
#[derive(Debug, Clone)]
pub struct FlowAttempt {
    /// Milliseconds since the epoch.
    pub created_at: i64,
    pub state: Secret,
}

impl FlowState {
    /// Which attempt this is, where the store says when it began.
    #[must_use]
    pub fn attempt(&self) -> Option<FlowAttempt> {
        let state = self.metadata.get("state").and_then(Value::as_str);
        Some(FlowAttempt {
            created_at: self.created_at?,
            state: Secret::from(state.unwrap_or_default()),
        })
    }
}

impl FlowAttempt {
    /// Whether the flow is this one, and no other in its place.
    #[must_use]
    pub fn is(&self, flow: &FlowState) -> bool {
        let other = flow.attempt();
        other.is_some_and(|other| other.created_at == self.created_at && other.state == self.state)
    }
}

/// LibreChat's `FlowStateManager`. A flow is named by its id and its type (`mcp_oauth`, `mcp_oauth_state`,
/// `mcp_get_tokens`).
#[async_trait]
pub trait FlowStore: Send + Sync {
    /// Whether other processes see the flows.
    fn is_shared(&self) -> bool {
        true
    }
    async fn get(&self, flow_id: &str, kind: &str) -> Result<Option<FlowState>>;
    /// Writes a pending flow, in place of one that is there.
    async fn init(&self, flow_id: &str, kind: &str, metadata: &Map<String, Value>) -> Result<()>;
    async fn complete(&self, flow_id: &str, kind: &str, result: &Value) -> Result<()>;
    async fn fail(&self, flow_id: &str, kind: &str, error: &str) -> Result<()>;
    /// Completes a flow, and where the store can compare, only this attempt. Whether it did.
    async fn complete_attempt(
        &self,
        flow_id: &str,
        kind: &str,
        _attempt: &FlowAttempt,
        result: &Value,
    ) -> Result<bool> {
        self.complete(flow_id, kind, result).await.map(|()| true)
    }
    /// Fails a flow, and where the store can compare, only this attempt.
    async fn fail_attempt(
        &self,
        flow_id: &str,
        kind: &str,
        _attempt: &FlowAttempt,
        error: &str,
    ) -> Result<()> {
        self.fail(flow_id, kind, error).await
    }
    /// Whether the store took it; a flow that is not there is as good as deleted.
    async fn delete(&self, flow_id: &str, kind: &str) -> Result<bool>;

    /// Whether there are leases, as `LibreChat`'s flow manager has them since autumn 2026 (`acquireLease`,
    /// `getLeaseGeneration`).
    async fn has_leases(&self) -> Result<bool> {
        Ok(false)
    }
    /// Which life of what a lease guards this is; every teardown begins another one. `None` during a teardown.
    async fn lease_generation(&self, _lease_id: &str) -> Result<Option<i64>> {
        Ok(None)
    }
    /// `None` at once where the generation is another one, and after the wait where somebody else has the lease.
    async fn acquire_lease(
        &self,
        _lease_id: &str,
        _options: LeaseOptions,
    ) -> Result<Option<Box<dyn LockGuard>>> {
        Ok(None)
    }
}

/// How a lease is asked for; what is `None` is left to the host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeaseOptions {
    /// Only in this generation.
    pub expected_generation: Option<i64>,
    /// How long it lasts where nobody releases it.
    pub lasts: Option<Duration>,
    /// How long to wait while somebody else has it.
    pub wait: Option<Duration>,
}

/// A lock that processes share. What it returns is released by [`LockGuard::release`], or by its time.
#[async_trait]
pub trait Lock: Send + Sync {
    /// `None` when somebody else has it.
    async fn acquire(&self, key: &str, ttl: Duration) -> Result<Option<Box<dyn LockGuard>>>;
}

#[async_trait]
pub trait LockGuard: Send + Sync {
    async fn release(self: Box<Self>) -> Result<()>;
}
