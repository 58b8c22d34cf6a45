//! Leases over JavaScript callbacks: `acquireLease` and `getLeaseGeneration` of LibreChat's flow manager.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::service::Service;
use crate::error::Result;
use crate::host::{LeaseWish, LockGuard};
use crate::node::engine::{JsRef, JsResult, Scope};
use crate::node::marshal::callback::STORE_TIMEOUT;
use crate::node::marshal::context::CallContext;

pub const ACQUIRE: &str = "acquireLease";
const GENERATION: &str = "getLeaseGeneration";
/// How long LibreChat's flow manager waits where it is not told.
const USUAL_WAIT: Duration = Duration::from_secs(15);

pub async fn has_leases(context: &Arc<CallContext>, service: &Service) -> Result<bool> {
    let service = service.clone();
    context
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

pub async fn generation(
    context: &Arc<CallContext>,
    service: &Service,
    lease_id: &str,
) -> Result<Option<i64>> {
    let (service, lease_id) = (service.clone(), lease_id.to_owned());
    context
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
    context: &Arc<CallContext>,
    service: &Service,
    lease_id: &str,
    wish: LeaseWish,
) -> Result<Option<Box<dyn LockGuard>>> {
    let (service, lease_id) = (service.clone(), lease_id.to_owned());
    let limit = wish.wait.unwrap_or(USUAL_WAIT) + STORE_TIMEOUT;
    let lease = context
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
