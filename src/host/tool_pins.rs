//! Where it is kept which tools are approved.

use async_trait::async_trait;

use crate::error::Result;

/// A store of texts without an end, one for each tenant and server.
#[async_trait]
pub trait ToolPins: Send + Sync {
    async fn get(&self, key: &str) -> Result<Option<String>>;

    /// Sets, in one step, where exactly `expected` is there, or nothing without it; says whether it did.
    async fn compare_and_set(&self, key: &str, expected: Option<&str>, value: &str)
    -> Result<bool>;

    /// What the log says once of a store that forgets.
    fn warning(&self) -> Option<&'static str> {
        None
    }
}
