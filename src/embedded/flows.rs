//! Flow states in this process, for hosts that give no flow manager.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::clock::now_ms;
use crate::error::Result;
use crate::host::{FlowState, FlowStatus, FlowStore};
use crate::settings::Settings;

pub struct MemoryFlows {
    /// Keyed by type and id.
    flows: Mutex<HashMap<(String, String), Entry>>,
    /// How long a flow is kept after it was written.
    ttl: Mutex<Duration>,
}

struct Entry {
    state: FlowState,
    ends: Instant,
}

impl Default for MemoryFlows {
    fn default() -> Self {
        Self {
            flows: Mutex::default(),
            ttl: Mutex::new(Settings::default().flow_ttl()),
        }
    }
}

impl MemoryFlows {
    /// Keeps flows so long that are written from now on.
    pub fn keep_for(&self, ttl: Duration) {
        *self.ttl.lock() = ttl;
    }

    fn end(&self) -> Instant {
        Instant::now() + *self.ttl.lock()
    }

    fn change(&self, flow_id: &str, kind: &str, change: impl FnOnce(&mut FlowState)) {
        let mut flows = self.flows.lock();
        if let Some(entry) = flows.get_mut(&key(flow_id, kind)) {
            change(&mut entry.state);
            entry.ends = self.end();
        }
    }
}

fn key(flow_id: &str, kind: &str) -> (String, String) {
    (kind.to_owned(), flow_id.to_owned())
}

#[async_trait]
impl FlowStore for MemoryFlows {
    fn is_shared(&self) -> bool {
        false
    }

    async fn get(&self, flow_id: &str, kind: &str) -> Result<Option<FlowState>> {
        let flows = self.flows.lock();
        let entry = flows.get(&key(flow_id, kind));
        Ok(entry
            .filter(|entry| entry.ends > Instant::now())
            .map(|entry| entry.state.clone()))
    }

    async fn init(&self, flow_id: &str, kind: &str, metadata: &Map<String, Value>) -> Result<()> {
        let now = Instant::now();
        let mut flows = self.flows.lock();
        flows.retain(|_, entry| entry.ends > now);
        let state = FlowState {
            status: FlowStatus::Pending,
            metadata: metadata.clone(),
            created_at: Some(now_ms()),
            completed_at: None,
            result: None,
            error: None,
        };
        let ends = self.end();
        flows.insert(key(flow_id, kind), Entry { state, ends });
        Ok(())
    }

    async fn complete(&self, flow_id: &str, kind: &str, result: &Value) -> Result<()> {
        self.change(flow_id, kind, |flow| {
            // The first result stands.
            if flow.status != FlowStatus::Completed {
                flow.status = FlowStatus::Completed;
                flow.completed_at = Some(now_ms());
                flow.result = Some(result.clone());
            }
        });
        Ok(())
    }

    async fn fail(&self, flow_id: &str, kind: &str, error: &str) -> Result<()> {
        self.change(flow_id, kind, |flow| {
            flow.status = FlowStatus::Failed;
            flow.error = Some(error.to_owned());
        });
        Ok(())
    }

    async fn delete(&self, flow_id: &str, kind: &str) -> Result<bool> {
        self.flows.lock().remove(&key(flow_id, kind));
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn states_of_a_flow() {
        let flows = MemoryFlows::default();
        let status = async |id: &str| flows.get(id, "t").await.unwrap().map(|flow| flow.status);
        for id in ["a", "b"] {
            flows.init(id, "t", &Map::new()).await.unwrap();
            assert_eq!(status(id).await, Some(FlowStatus::Pending));
        }
        assert!(flows.get("a", "other").await.unwrap().is_none());
        flows.complete("a", "t", &Value::from(1)).await.unwrap();
        flows.complete("a", "t", &Value::from(2)).await.unwrap();
        let done = flows.get("a", "t").await.unwrap().unwrap();
        assert_eq!(done.result, Some(Value::from(1)));
        flows.fail("b", "t", "why").await.unwrap();
        assert_eq!(status("b").await, Some(FlowStatus::Failed));
        flows.delete("b", "t").await.unwrap();
        assert_eq!(status("b").await, None);
        tokio::time::advance(Settings::default().flow_ttl()).await;
        assert_eq!(status("a").await, None);
    }
}
