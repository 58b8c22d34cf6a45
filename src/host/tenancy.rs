//! Whose data a call works on.

use async_trait::async_trait;

use crate::error::Result;

/// `getTenantId()`: whose data the call works on, where a deployment serves several tenants.
#[async_trait]
pub trait Tenancy: Send + Sync {
    async fn tenant_id(&self) -> Result<Option<String>>;
}

/// None where the host knows no tenants.
pub async fn tenant_of<T: Tenancy + ?Sized>(tenancy: Option<&T>) -> Result<Option<String>> {
    match tenancy {
        Some(tenancy) => tenancy.tenant_id().await,
        None => Ok(None),
    }
}
