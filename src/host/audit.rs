//! Who called what, for whoever keeps that.

use async_trait::async_trait;

/// Keeps the records of the audit.
#[async_trait]
pub trait Audit: Send + Sync {
    /// Keeps one record, an object of JSON. Returns within a bound, also where the record could not be kept.
    async fn keep(&self, record: String);
}
