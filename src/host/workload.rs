//! The identity of the workload that this process is.

use async_trait::async_trait;

use crate::error::Result;
use crate::secret::Secret;

/// Gets assertions from the platform that the process runs on.
#[async_trait]
pub trait WorkloadIdentity: Send + Sync {
    /// `getWorkloadAssertion`: a JWT that says who this workload is, for the authorization server of a server. `issuer` is
    /// absent where the config names no more than a token endpoint; `audience` is what the JWT has to be for.
    async fn assertion(
        &self,
        server_name: &str,
        issuer: Option<&str>,
        audience: &str,
    ) -> Result<Secret>;
}
