//! Leases over JavaScript callbacks: `acquireLease` and `getLeaseGeneration` of LibreChat's flow manager.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::Result;
use crate::host::{LeaseOptions, LockGuard};
use crate::node::engine::{JsRef, JsResult, Scope, Value};
use crate::node::marshal::callback::{Callback, STORE_TIMEOUT};
use crate::node::marshal::callee::Service;
use crate::node::marshal::context::CallContext;
use crate::node::marshal::from_js::{FromJs, wrong_answer};
use crate::node::marshal::to_js::{ToJs, WithMembers};

pub const ACQUIRE: &str = "acquireLease";
const GENERATION: &str = "getLeaseGeneration";

pub const HAS_LEASES: Callback<(), bool> =
    Callback::reading("flowManager", STORE_TIMEOUT, |_, manager| {
        Ok(manager.is_object()
            && manager.get(ACQUIRE)?.is_function()
            && manager.get(GENERATION)?.is_function())
    });
pub const LEASE_GENERATION: Callback<(String,), Option<i64>> =
    Callback::reading("flowManager.getLeaseGeneration", STORE_TIMEOUT, |_, it| {
        generation_of(it)
    });
const RELEASE: Callback<(), ()> = Callback::new("lease.release", STORE_TIMEOUT);
/// How long LibreChat's flow manager waits where it is not told.
const USUAL_WAIT: Duration = Duration::from_secs(15);

fn generation_of(value: Value<'_>) -> JsResult<'_, Option<i64>> {
    if value.present().is_none() {
        return Ok(None);
    }
    let generation = value.to_json()?.and_then(|number| number.as_i64());
    let generation = generation.ok_or_else(|| wrong_answer(value, GENERATION, "a number or null"));
    generation.map(Some)
}

/// A lease that is handed over too late, to a call that waits no more, is released at once.
pub fn acquire(options: &LeaseOptions) -> Callback<(String, LeaseOptions), Option<NodeLease>> {
    let limit = options.wait.unwrap_or(USUAL_WAIT) + STORE_TIMEOUT;
    Callback::new("flowManager.acquireLease", limit)
}

impl<'env> ToJs<'env> for LeaseOptions {
    fn to_js(&self, scope: Scope<'env>) -> JsResult<'env> {
        scope
            .object()?
            .optional("expectedGeneration", self.expected_generation)?
            .optional("leaseMs", self.lasts)?
            .optional("waitMs", self.wait)
    }
}

pub struct NodeLease {
    context: Arc<CallContext>,
    /// Until it is released.
    lease: Option<Arc<JsRef>>,
}

impl FromJs for Option<NodeLease> {
    fn from_js<'env>(context: &Arc<CallContext>, value: Value<'env>) -> JsResult<'env, Self> {
        let Some(lease) = value.present() else {
            return Ok(None);
        };
        if !lease.is_object() || !lease.get("release")?.is_function() {
            let expected = "an object with release(), or null";
            return Err(wrong_answer(value, ACQUIRE, expected));
        }
        Ok(Some(NodeLease {
            context: Arc::clone(context),
            lease: Some(context.keep(lease)?),
        }))
    }
}

#[async_trait]
impl LockGuard for NodeLease {
    async fn release(mut self: Box<Self>) -> Result<()> {
        match self.lease.take().map(Service::Given) {
            Some(lease) => RELEASE.call(&self.context, &lease, ()).await,
            None => Ok(()),
        }
    }
}

impl Drop for NodeLease {
    fn drop(&mut self) {
        let Some(lease) = self.lease.take().map(Service::Given) else {
            return;
        };
        let context = Arc::clone(&self.context);
        self.context.thread.post(move |scope| {
            // Nobody is left to be told of a failure; the lease ends with its time then.
            if let Ok(value) = lease.call(&context, scope, "release", ()) {
                value.unheeded();
            }
        });
    }
}
