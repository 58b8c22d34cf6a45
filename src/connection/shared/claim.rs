//! What one connection has to itself for a while: making a session anew, listening to its GET stream.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::record::unique;
use super::store::SharedSession;

/// How long claims last that nobody renews any more: on the GET stream, and on making a session, which others wait for.
const STREAM_LIFETIME: Duration = Duration::from_mins(1);
const TURN_LIFETIME: Duration = Duration::from_secs(6);
/// How often within that time whoever has one renews it.
const RENEWALS: u32 = 3;

/// Given back when it is dropped.
pub(in crate::connection) struct Claim {
    shared: Arc<SharedSession>,
    key: String,
    /// Says whose it is.
    value: String,
    lifetime: Duration,
}

impl Drop for Claim {
    fn drop(&mut self) {
        let (shared, key) = (Arc::clone(&self.shared), std::mem::take(&mut self.key));
        let value = std::mem::take(&mut self.value);
        self.shared.spawn(async move {
            shared.delete_at(&key, Some(&value)).await;
        });
    }
}

/// What came of an attempt to claim something.
pub(in crate::connection) enum Claimed {
    Mine(Arc<Claim>),
    Taken,
    /// Nobody knows: the store is away.
    Unknown,
}

impl Claim {
    /// The making of a session.
    pub async fn turn(shared: &Arc<SharedSession>) -> Claimed {
        Self::make(shared, shared.keys.turn.clone(), TURN_LIFETIME).await
    }

    /// Listening to the GET stream of the session that was `born` so. One of before has a claim of its own.
    pub async fn stream(shared: &Arc<SharedSession>, born: &str) -> Claimed {
        Self::make(shared, shared.keys.stream(born), STREAM_LIFETIME).await
    }

    async fn make(shared: &Arc<SharedSession>, key: String, lifetime: Duration) -> Claimed {
        // Made before anybody is asked: whoever does not wait for the answer gives back what was given.
        let claim = Self {
            shared: Arc::clone(shared),
            key,
            value: unique(),
            lifetime,
        };
        match claim.set(None).await {
            Some(true) => Claimed::Mine(Arc::new(claim)),
            Some(false) => Claimed::Taken,
            None => Claimed::Unknown,
        }
    }

    async fn set(&self, before: Option<&str>) -> Option<bool> {
        let (key, lifetime) = (&self.key, self.lifetime);
        self.shared
            .claim_at(key, before, &self.value, lifetime)
            .await
    }

    /// Renews the claim until somebody else has it: its time was over, or the store was emptied.
    pub async fn keep(&self) {
        loop {
            sleep(self.lifetime / RENEWALS).await;
            if self.set(Some(&self.value)).await == Some(false)
                && self.set(None).await == Some(false)
            {
                return;
            }
        }
    }
}
