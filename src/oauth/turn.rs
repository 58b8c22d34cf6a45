//! One refresh of a user's tokens at a time, across processes. A refresh token that is used twice revokes the whole
//! grant at servers that rotate (RFC 9700, section 4.14.2).

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::pkce::random_text;
use super::{CLAIM_KIND, flow_id};
use crate::connection::now_ms;
use crate::error::{Error, Result};
use crate::host::{FlowStatus, FlowStore, Lock, LockGuard, Logger};

/// How long a turn lasts if its process dies.
const TURN_TTL: Duration = Duration::from_secs(30);
/// How long a claim has to stand before it counts.
const SETTLE: Duration = Duration::from_millis(250);
const POLL: Duration = Duration::from_millis(100);
const CLAIM: &str = "claim";

/// The right to refresh. Whoever has it reads the stored token again first.
pub struct Turn {
    lock: Option<Box<dyn LockGuard>>,
    claim: Option<(Arc<dyn FlowStore>, String)>,
}

impl Turn {
    /// Waits for the turn: exactly one process has it where the host has a lock. Without one it is a claim in the flow
    /// store, which is best effort: an id of ours that is still there after a moment.
    ///
    /// Fails with [`Code::Timeout`](crate::error::Code::Timeout).
    pub async fn take(
        lock: Option<&Arc<dyn Lock>>,
        flows: &Arc<dyn FlowStore>,
        user_id: &str,
        server_name: &str,
        deadline: Instant,
    ) -> Result<Self> {
        let id = flow_id(user_id, server_name);
        let waiting = async {
            match lock {
                Some(lock) => Self::lock(&**lock, &id).await,
                None if flows.is_shared() => Self::claim(flows, &id).await,
                None => Ok(Self {
                    lock: None,
                    claim: None,
                }),
            }
        };
        tokio::time::timeout_at(deadline, waiting)
            .await
            .unwrap_or_else(|_| {
                Err(Error::timeout(
                    "Another process refreshes the tokens and does not finish",
                ))
            })
    }

    async fn lock(lock: &dyn Lock, id: &str) -> Result<Self> {
        let key = format!("{CLAIM_KIND}:{id}");
        loop {
            if let Some(guard) = lock.acquire(&key, TURN_TTL).await? {
                return Ok(Self {
                    lock: Some(guard),
                    claim: None,
                });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn claim(flows: &Arc<dyn FlowStore>, id: &str) -> Result<Self> {
        let ours = random_text();
        let mut metadata = Map::new();
        metadata.insert(CLAIM.to_owned(), json!(ours.expose()));
        loop {
            // What is not pending is LibreChat's cache of tokens, which has no meaning here.
            while let Some(other) = flows.get(id, CLAIM_KIND).await?
                && other.status == FlowStatus::Pending
                && is_young(other.created_at)
            {
                tokio::time::sleep(POLL).await;
            }
            flows.init(id, CLAIM_KIND, &metadata).await?;
            tokio::time::sleep(SETTLE).await;
            let standing = flows.get(id, CLAIM_KIND).await?;
            let claim = standing.and_then(|flow| flow.metadata.get(CLAIM).cloned());
            if claim.as_ref().and_then(Value::as_str) == Some(ours.expose()) {
                return Ok(Self {
                    lock: None,
                    claim: Some((Arc::clone(flows), id.to_owned())),
                });
            }
        }
    }

    /// Lets the next one have it. Whatever goes wrong here ends with the turn's time.
    pub async fn end(self, logger: &Logger) {
        let released = match (self.lock, self.claim) {
            (Some(guard), _) => guard.release().await,
            (None, Some((flows, id))) => flows.delete(&id, CLAIM_KIND).await,
            (None, None) => Ok(()),
        };
        if let Err(error) = released {
            logger.warn(format!(
                "[MCPOAuth] A finished token refresh could not be released: {error}"
            ));
        }
    }
}

fn is_young(created_at: Option<i64>) -> bool {
    let ttl = i64::try_from(TURN_TTL.as_millis()).unwrap_or(i64::MAX);
    created_at.is_some_and(|created_at| now_ms().saturating_sub(created_at) < ttl)
}
