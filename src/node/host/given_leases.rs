//! The leases that a caller of `runtime.tokens` brings.

use std::sync::Arc;
use std::time::Duration;

use super::flows::NodeFlows;
use super::leases::ACQUIRE;
use super::prompt::NodeTenancy;
use super::token_store::token_row;
use crate::error::Result;
use crate::host::{FlowStore, Logger, tenant_of};
use crate::node::engine::{JsResult, Value};
use crate::node::marshal::callee::Service;
use crate::node::marshal::context::CallContext;
use crate::node::marshal::services;
use crate::oauth::{FENCE_UNAVAILABLE, Holder, Leases, Seen, SeenAccess, Storage};
use crate::server_config::Coordination;

/// The `flowManager` of a call's parameters, where that has leases, and how it is used.
pub struct GivenLeases {
    flows: Arc<dyn FlowStore>,
    tenancy: Option<NodeTenancy>,
    coordination: Coordination,
    logger: Logger,
}

impl GivenLeases {
    pub fn read<'env>(
        context: &Arc<CallContext>,
        logger: &Logger,
        params: Value<'env>,
    ) -> JsResult<'env, Option<Self>> {
        let manager = params.get("flowManager")?;
        if !manager.is_object() || !manager.get(ACQUIRE)?.is_function() {
            return Ok(None);
        }
        let present = services::present(context.host(params.scope()))?;
        let wait = |name| wait(params, name);
        Ok(Some(Self {
            flows: NodeFlows::store(context, Service::given(context, manager, "flowManager")?),
            tenancy: NodeTenancy::of(context, present),
            coordination: Coordination {
                is_on: params.get("coordinateRefresh")?.as_bool() == Some(true),
                refresh_wait: wait("refreshWaitTimeoutMs")?,
                persistence_wait: wait("persistenceWaitTimeoutMs")?,
            },
            logger: logger.clone(),
        }))
    }

    pub fn coordinates(&self) -> bool {
        self.coordination.is_on
    }

    /// Those on the rows of a storage.
    pub async fn find(&self, storage: &Storage) -> Result<Leases> {
        let tenant_id = tenant_of(self.tenancy.as_ref()).await?;
        let holder = Holder {
            tenant_id: tenant_id.as_deref(),
            user_id: storage.user_id(),
            server_name: storage.server_name(),
            prefix: &storage.log_prefix(),
        };
        let (flows, logger) = (Arc::clone(&self.flows), self.logger.clone());
        Ok(Leases::new(flows, &holder, self.coordination, logger))
    }

    /// Changes the rows of a call, within its fence if it brings leases.
    pub async fn fenced<T>(
        given: Option<Self>,
        storage: &Storage,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let Some(given) = given else {
            return work.await;
        };
        let leases = given.find(storage).await?;
        leases.fenced(FENCE_UNAVAILABLE, work).await
    }
}

/// Milliseconds; whatever is no length of time is as good as nothing.
fn wait<'env>(params: Value<'env>, name: &str) -> JsResult<'env, Option<Duration>> {
    let wait = params.get(name)?.as_number();
    let wait = wait.filter(|wait| *wait > 0.0);
    Ok(wait.and_then(|wait| Duration::try_from_secs_f64(wait / 1000.0).ok()))
}

/// What the caller of a refresh has seen: `existingAccessToken`, `existingRefreshToken`, `rejectedCredentialSetId`.
pub fn seen(params: Value<'_>) -> JsResult<'_, Seen> {
    let access = params.get("existingAccessToken")?;
    let refused = params.get("rejectedCredentialSetId")?;
    Ok(Seen {
        access: if access.is_undefined() {
            None
        } else {
            Some(SeenAccess::of(token_row(access)?.as_ref()))
        },
        refresh: token_row(params.get("existingRefreshToken")?)?,
        refused: (!refused.is_undefined()).then(|| refused.as_string()),
    })
}
