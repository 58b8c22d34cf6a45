//! What processes of one host count together.

use std::time::Duration;

use async_trait::async_trait;

use crate::error::Result;
use crate::server_config::Rate;

/// Events and blocks that all processes of the host know of.
#[async_trait]
pub trait SharedLimits: Send + Sync {
    /// Counts one event, and says how many there are in the window, which the first one began.
    async fn count(&self, key: &str, window: Duration) -> Result<u32>;
    /// Blocks for so long. A block that lasts longer stays.
    async fn block(&self, key: &str, pause: Duration) -> Result<()>;
    /// How much longer the key is blocked; zero where nothing blocks it.
    async fn blocked_for(&self, key: &str) -> Result<Duration>;
    /// Forgets the events and the block of the key.
    async fn clear(&self, key: &str) -> Result<()>;
    /// Whether the host has the three that follow.
    async fn has_turns(&self) -> Result<bool>;
    /// Counts one event of a rate; or counts nothing, and says after which time to try again.
    async fn take(&self, key: &str, rate: Rate) -> Result<Option<Duration>>;
    /// Whether `holder` has one of `most` places, from now on for `lease`.
    async fn enter(&self, key: &str, holder: &str, most: u32, lease: Duration) -> Result<bool>;
    /// Gives a place back.
    async fn leave(&self, key: &str, holder: &str) -> Result<()>;
}
