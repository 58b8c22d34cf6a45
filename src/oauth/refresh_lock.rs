//! One refresh of a user's tokens at a time, across processes. A refresh token that is used twice revokes the whole
//! grant at servers that rotate (RFC 9700, section 4.14.2).

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::documents::Tokens;
use super::flow_kind::CLAIM_KIND;
use super::host_lock::{HostLock, LOCK_TTL};
use super::leases::Leases;
use super::pkce::random_text;
use crate::clock::now_ms;
use crate::error::Result;
use crate::host::{FlowStatus, FlowStore, LockGuard};
use crate::log::Logger;
use crate::secret::Secret;

/// A refresh whose preparation took longer than this is not sent: it might end after the lock.
pub const SEND_WITHIN: Duration = Duration::from_secs(5);
/// Between two tries to get the lock.
pub const POLL: Duration = Duration::from_millis(100);
/// How long a claim has to stand before it counts.
const SETTLE: Duration = Duration::from_millis(250);
const CLAIM: &str = "claim";

/// What keeps two processes apart.
#[derive(Clone, Copy)]
pub enum LockedBy<'a> {
    /// The host's leases, which all processes honour, `LibreChat`'s own manager among them.
    Lease(&'a Leases),
    Lock(HostLock<'a>),
    /// A claim in the flow store.
    Claim,
}

/// The right to refresh. Whoever has it reads the stored token again first.
pub struct RefreshLock {
    holds: Holding,
    began: Instant,
}

enum Holding {
    /// With what shows it to processes that do not know the lock, `LibreChat`'s own manager among them.
    Lock(Box<dyn LockGuard>, Option<Claim>),
    Claim(Claim),
    /// Flows that other processes do not see: there are none.
    Nothing,
    /// What would keep others away is away itself.
    Alone,
}

struct Claim {
    flows: Arc<dyn FlowStore>,
    flow_id: String,
    /// Tells it from claims of others.
    id: Secret,
}

impl RefreshLock {
    /// Tries once; `None` when somebody else refreshes. Exactly one process has the lock where the host has leases or a
    /// lock. Without them it is a claim in the flow store, which is best effort: an id of ours that is still there after
    /// a moment. Nobody waits for claims of a flow store that has just failed, `are_flows_away`.
    pub async fn attempt(
        by: LockedBy<'_>,
        flows: &Arc<dyn FlowStore>,
        flow_id: &str,
        are_flows_away: bool,
    ) -> Result<Option<Self>> {
        // Whoever has made a claim takes the lease, too.
        let counts_claims =
            flows.is_shared() && !matches!(by, LockedBy::Lease(_)) && !are_flows_away;
        let mut has_failed = are_flows_away;
        if counts_claims {
            match is_claimed(&**flows, flow_id).await {
                Ok(true) => return Ok(None),
                Ok(false) => {}
                // The lock alone is exact.
                Err(_) if matches!(by, LockedBy::Lock(_)) => has_failed = true,
                Err(error) => return Err(error),
            }
        }
        let mut began = Instant::now();
        let holds = match by {
            LockedBy::Lease(leases) => match leases.flight().await? {
                Some(guard) => {
                    let claim = Claim::join(flows, flow_id).await;
                    Some(Holding::Lock(guard, claim.ok()))
                }
                None => None,
            },
            LockedBy::Lock(lock) => {
                let Some((guard, asked)) = lock.acquire(flow_id, has_failed).await? else {
                    return Ok(None);
                };
                began = asked;
                let claim = if flows.is_shared() {
                    Claim::write(flows, flow_id).await.ok()
                } else {
                    None
                };
                Some(Holding::Lock(guard, claim))
            }
            LockedBy::Claim => {
                let claimed = if flows.is_shared() {
                    Claim::attempt(flows, flow_id).await?.map(Holding::Claim)
                } else {
                    Some(Holding::Nothing)
                };
                began = Instant::now();
                claimed
            }
        };
        Ok(holds.map(|holds| Self { holds, began }))
    }

    /// The right of a process that goes on without the host's lock.
    pub fn alone() -> Self {
        Self {
            holds: Holding::Alone,
            began: Instant::now(),
        }
    }

    pub fn is_alone(&self) -> bool {
        matches!(self.holds, Holding::Alone)
    }

    /// Until when a refresh may be sent.
    pub fn send_by(&self) -> Instant {
        self.began + SEND_WITHIN
    }

    /// Whether others may have taken it since.
    pub fn is_over(&self) -> bool {
        self.began.elapsed() > LOCK_TTL
    }

    /// Lets the next one have it, and gives the tokens that are stored now to those who wait for them as `LibreChat` does.
    /// Whatever goes wrong here ends with the lock's time.
    pub async fn end(self, tokens: Option<Tokens>, logger: &Logger) {
        let released = match self.holds {
            Holding::Lock(guard, claim) => {
                let ended = match claim {
                    Some(claim) => claim.end(tokens).await,
                    None => Ok(()),
                };
                guard.release().await.and(ended)
            }
            Holding::Claim(claim) => claim.end(tokens).await,
            Holding::Nothing | Holding::Alone => Ok(()),
        };
        if let Err(error) = released {
            logger.warn(format!(
                "[MCPOAuth] A finished token refresh could not be released: {error}"
            ));
        }
    }
}

impl Claim {
    async fn attempt(flows: &Arc<dyn FlowStore>, flow_id: &str) -> Result<Option<Self>> {
        let claim = Self::write(flows, flow_id).await?;
        tokio::time::sleep(SETTLE).await;
        Ok(if claim.stands().await? {
            Some(claim)
        } else {
            None
        })
    }

    fn new(flows: &Arc<dyn FlowStore>, flow_id: &str) -> Self {
        Self {
            flows: Arc::clone(flows),
            flow_id: flow_id.to_owned(),
            id: random_text(),
        }
    }

    async fn write(flows: &Arc<dyn FlowStore>, flow_id: &str) -> Result<Self> {
        let claim = Self::new(flows, flow_id);
        let mut metadata = Map::new();
        metadata.insert(CLAIM.to_owned(), json!(claim.id.expose()));
        flows.init(flow_id, CLAIM_KIND, &metadata).await?;
        Ok(claim)
    }

    /// Leaves a flow as it is that somebody waits for: it is told how the refresh ends.
    async fn join(flows: &Arc<dyn FlowStore>, flow_id: &str) -> Result<Self> {
        if is_claimed(&**flows, flow_id).await? {
            return Ok(Self::new(flows, flow_id));
        }
        Self::write(flows, flow_id).await
    }

    async fn end(&self, tokens: Option<Tokens>) -> Result<()> {
        match tokens {
            Some(tokens) => tell(&*self.flows, &self.flow_id, tokens).await,
            None => self.withdraw().await,
        }
    }

    async fn stands(&self) -> Result<bool> {
        let standing = self.flows.get(&self.flow_id, CLAIM_KIND).await?;
        let id = standing.and_then(|flow| flow.metadata.get(CLAIM).cloned());
        Ok(id.as_ref().and_then(Value::as_str) == Some(self.id.expose()))
    }

    async fn withdraw(&self) -> Result<()> {
        if self.stands().await? {
            self.flows.delete(&self.flow_id, CLAIM_KIND).await?;
        }
        Ok(())
    }
}

/// Gives tokens that were just stored to who waits for some. Whoever asks later must not get those of before.
pub async fn tell(flows: &dyn FlowStore, flow_id: &str, tokens: Tokens) -> Result<()> {
    let flow = flows.get(flow_id, CLAIM_KIND).await?;
    match flow.map(|flow| flow.status) {
        Some(FlowStatus::Pending) => {
            let tokens = tokens.into_value();
            flows.complete(flow_id, CLAIM_KIND, &tokens).await
        }
        Some(FlowStatus::Completed) => flows.delete(flow_id, CLAIM_KIND).await.map(drop),
        Some(FlowStatus::Failed) | None => Ok(()),
    }
}

/// Whether somebody refreshes just now: a process without a lock, or LibreChat's own manager, which knows of none. What
/// is not pending is LibreChat's cache of tokens, which has no meaning here.
async fn is_claimed(flows: &dyn FlowStore, flow_id: &str) -> Result<bool> {
    let ttl = i64::try_from(LOCK_TTL.as_millis()).unwrap_or(i64::MAX);
    let is_young = |created_at: i64| now_ms().saturating_sub(created_at) < ttl;
    let flow = flows.get(flow_id, CLAIM_KIND).await?;
    Ok(flow.is_some_and(|flow| {
        flow.status == FlowStatus::Pending && flow.created_at.is_some_and(is_young)
    }))
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::embedded::MemoryFlows;
    use crate::host::FlowState;

    /// A flow store that other processes see too.
    #[derive(Default)]
    struct SharedFlows(MemoryFlows);

    #[async_trait]
    impl FlowStore for SharedFlows {
        async fn get(&self, flow_id: &str, kind: &str) -> Result<Option<FlowState>> {
            self.0.get(flow_id, kind).await
        }
        async fn init(&self, id: &str, kind: &str, metadata: &Map<String, Value>) -> Result<()> {
            self.0.init(id, kind, metadata).await
        }
        async fn complete(&self, flow_id: &str, kind: &str, result: &Value) -> Result<()> {
            self.0.complete(flow_id, kind, result).await
        }
        async fn fail(&self, flow_id: &str, kind: &str, error: &str) -> Result<()> {
            self.0.fail(flow_id, kind, error).await
        }
        async fn delete(&self, flow_id: &str, kind: &str) -> Result<bool> {
            self.0.delete(flow_id, kind).await
        }
    }

    async fn attempt(flows: &Arc<dyn FlowStore>) -> Option<RefreshLock> {
        RefreshLock::attempt(LockedBy::Claim, flows, "u:s", false)
            .await
            .unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn one_claim_at_a_time() {
        let flows: Arc<dyn FlowStore> = Arc::new(SharedFlows::default());
        let (first, second) = tokio::join!(attempt(&flows), attempt(&flows));
        assert_eq!(
            [&first, &second].iter().filter(|it| it.is_some()).count(),
            1
        );
        assert!(attempt(&flows).await.is_none());
        let lock = first.or(second).unwrap();
        lock.end(None, &Logger::silent()).await;
        assert!(attempt(&flows).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn the_claim_of_another_process_stays() {
        let flows: Arc<dyn FlowStore> = Arc::new(SharedFlows::default());
        let late = attempt(&flows).await.unwrap();
        let mut others = Map::new();
        others.insert(CLAIM.to_owned(), json!("of another process"));
        flows.init("u:s", CLAIM_KIND, &others).await.unwrap();
        late.end(None, &Logger::silent()).await;
        let standing = flows.get("u:s", CLAIM_KIND).await.unwrap().unwrap();
        assert_eq!(standing.metadata, others);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_gets_the_new_tokens_and_nobody_those_of_before() {
        let flows: Arc<dyn FlowStore> = Arc::new(SharedFlows::default());
        let tokens = |token: &str| Tokens::from_value(&json!({ "access_token": token })).unwrap();
        let lock = attempt(&flows).await.unwrap();
        lock.end(Some(tokens("new")), &Logger::silent()).await;
        let told = flows.get("u:s", CLAIM_KIND).await.unwrap().unwrap();
        assert_eq!(told.status, FlowStatus::Completed);
        assert_eq!(told.result, Some(tokens("new").into_value()));
        tell(&*flows, "u:s", tokens("newer")).await.unwrap();
        assert!(flows.get("u:s", CLAIM_KIND).await.unwrap().is_none());
        tell(&*flows, "u:s", tokens("newest")).await.unwrap();
        assert!(flows.get("u:s", CLAIM_KIND).await.unwrap().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn tokens_that_librechat_keeps_there_are_no_claim() {
        let flows: Arc<dyn FlowStore> = Arc::new(SharedFlows::default());
        flows.init("u:s", CLAIM_KIND, &Map::new()).await.unwrap();
        assert!(attempt(&flows).await.is_none());
        let tokens = json!({ "access_token": "t" });
        flows.complete("u:s", CLAIM_KIND, &tokens).await.unwrap();
        assert!(attempt(&flows).await.is_some());
    }
}
