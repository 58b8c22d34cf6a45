//! Where processes keep MCP sessions for each other.

use std::time::Duration;

use async_trait::async_trait;

use crate::error::Result;

/// A store of texts that processes share. What is in them is no concern of the store's.
#[async_trait]
pub trait SessionStore: Send + Sync {
    async fn get(&self, key: &str) -> Result<Option<String>>;

    /// In place of whatever is there.
    async fn set(&self, key: &str, value: &str, ttl: Duration) -> Result<()>;

    /// Sets, in one step, where exactly `expected` is there, or nothing without it; says whether it did.
    async fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&str>,
        value: &str,
        ttl: Duration,
    ) -> Result<bool>;

    /// Deletes what is there, or with `expected` only that; says whether it did.
    async fn delete(&self, key: &str, expected: Option<&str>) -> Result<bool>;
}
