//! Leases over JavaScript callbacks: `acquireLease` and `getLeaseGeneration` of LibreChat's flow manager.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::super::call::CallContext;
use super::super::host::STORE_TIMEOUT;
use super::super::js::{JsResult, Scope, Value};
use super::super::services;
use super::super::thread::JsRef;
use super::call::Call;
use super::host::NodeFlows;
use super::{NodeTenancy, token_store::token_row};
use crate::error::Result;
use crate::host::{FlowStore, LeaseWish, LockGuard, Logger, Tenancy};
use crate::oauth::{FENCE_UNAVAILABLE, Holder, Leases, Seen, SeenAccess, Storage};
use crate::server_config::Coordination;

const ACQUIRE: &str = "acquireLease";
const GENERATION: &str = "getLeaseGeneration";
/// How long LibreChat's flow manager waits where it is not told.
const USUAL_WAIT: Duration = Duration::from_secs(15);

pub async fn has_leases(flows: &NodeFlows) -> Result<bool> {
    let service = flows.service.clone();
    flows
        .context
        .callback(
            "flowManager",
            STORE_TIMEOUT,
            move |context, scope| {
                service.with(context, scope, |_, manager| {
                    let has = manager.is_object()
                        && manager.get(ACQUIRE)?.is_function()
                        && manager.get(GENERATION)?.is_function();
                    manager.scope().boolean(has)
                })
            },
            |_, has| Ok(has.is_truthy()),
        )
        .await
}

pub async fn generation(flows: &NodeFlows, lease_id: &str) -> Result<Option<i64>> {
    let (service, lease_id) = (flows.service.clone(), lease_id.to_owned());
    flows
        .context
        .callback(
            "flowManager.getLeaseGeneration",
            STORE_TIMEOUT,
            move |context, scope| {
                service.call(context, scope, GENERATION, move |_, scope| {
                    Ok(vec![scope.string(&lease_id)?])
                })
            },
            |_, value| {
                if value.present().is_none() {
                    return Ok(None);
                }
                let generation = value.to_json()?.and_then(|number| number.as_i64());
                generation.map(Some).ok_or_else(|| {
                    value
                        .scope()
                        .type_error("getLeaseGeneration must resolve to a number or null")
                })
            },
        )
        .await
}

/// A lease that is handed over too late, to a call that waits no more, is released at once.
pub async fn acquire(
    flows: &NodeFlows,
    lease_id: &str,
    wish: LeaseWish,
) -> Result<Option<Box<dyn LockGuard>>> {
    let (service, lease_id) = (flows.service.clone(), lease_id.to_owned());
    let limit = wish.wait.unwrap_or(USUAL_WAIT) + STORE_TIMEOUT;
    let lease = flows
        .context
        .callback(
            "flowManager.acquireLease",
            limit,
            move |context, scope| {
                service.call(context, scope, ACQUIRE, move |_, scope| {
                    Ok(vec![scope.string(&lease_id)?, wish_object(scope, wish)?])
                })
            },
            |context, value| {
                let Some(lease) = value.present() else {
                    return Ok(None);
                };
                if !lease.is_object() || !lease.get("release")?.is_function() {
                    return Err(value.scope().type_error(
                        "acquireLease must resolve to an object with release(), or null",
                    ));
                }
                Ok(Some(NodeLease {
                    context: Arc::clone(context),
                    lease: Some(Arc::new(JsRef::new(&context.thread, lease)?)),
                }))
            },
        )
        .await?;
    Ok(lease.map(|lease| Box::new(lease) as _))
}

fn wish_object(scope: Scope<'_>, wish: LeaseWish) -> JsResult<'_> {
    let object = scope.object()?;
    let milliseconds = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    for (name, value) in [
        ("expectedGeneration", wish.expected_generation),
        ("leaseMs", wish.lasts.map(milliseconds)),
        ("waitMs", wish.wait.map(milliseconds)),
    ] {
        if let Some(value) = value {
            object.set(name, scope.milliseconds(value)?)?;
        }
    }
    Ok(object)
}

struct NodeLease {
    context: Arc<CallContext>,
    /// Until it is released.
    lease: Option<Arc<JsRef>>,
}

fn call_release<'env>(
    context: &Arc<CallContext>,
    scope: Scope<'env>,
    lease: &JsRef,
) -> JsResult<'env> {
    let lease = lease.get(scope);
    context.apply(lease.get("release")?, lease, &[])
}

#[async_trait]
impl LockGuard for NodeLease {
    async fn release(mut self: Box<Self>) -> Result<()> {
        let Some(lease) = self.lease.take() else {
            return Ok(());
        };
        self.context
            .callback(
                "lease.release",
                STORE_TIMEOUT,
                move |context, scope| call_release(context, scope, &lease),
                |_, _| Ok(()),
            )
            .await
    }
}

impl Drop for NodeLease {
    fn drop(&mut self) {
        let Some(lease) = self.lease.take() else {
            return;
        };
        let context = Arc::clone(&self.context);
        self.context.thread.post(move |scope| {
            // Nobody is left to be told of a failure; the lease ends with its time then.
            if let Ok(value) = call_release(&context, scope, &lease) {
                value.unheeded();
            }
        });
    }
}

/// The `flowManager` of a call's parameters, where that has leases, and how it is used.
pub struct GivenLeases {
    flows: Arc<dyn FlowStore>,
    context: Arc<CallContext>,
    has_tenants: bool,
    user_id: String,
    server_name: String,
    coordination: Coordination,
    logger: Logger,
}

impl GivenLeases {
    pub fn read<'env>(call: &Call<'env>, params: Value<'env>) -> JsResult<'env, Option<Self>> {
        let manager = params.get("flowManager")?;
        if !manager.is_object() || !manager.get(ACQUIRE)?.is_function() {
            return Ok(None);
        }
        let present = services::present(call.runtime.host.get(call.scope))?;
        let wait = |name| wait(params, name);
        Ok(Some(Self {
            flows: NodeFlows::store(&call.context, call.given(manager, "flowManager")?),
            context: Arc::clone(&call.context),
            has_tenants: present.has("getTenantId"),
            user_id: call.text(params.get("userId")?, "userId")?,
            server_name: call.text(params.get("serverName")?, "serverName")?,
            coordination: Coordination {
                is_on: params.get("coordinateRefresh")?.as_bool() == Some(true),
                refresh_wait: wait("refreshWaitTimeoutMs")?,
                persistence_wait: wait("persistenceWaitTimeoutMs")?,
            },
            logger: call.logger.clone(),
        }))
    }

    pub fn coordinates(&self) -> bool {
        self.coordination.is_on
    }

    /// `prefix`: what lines of the log begin with.
    pub async fn find(&self, prefix: &str) -> Result<Leases> {
        let tenant_id = if self.has_tenants {
            let tenancy = NodeTenancy(Arc::clone(&self.context));
            tenancy.tenant_id().await?
        } else {
            None
        };
        let holder = Holder {
            tenant_id: tenant_id.as_deref(),
            user_id: &self.user_id,
            server_name: &self.server_name,
            prefix,
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
        let leases = given.find(&storage.log_prefix()).await?;
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
