//! What a flow asks of its caller and of the processes around it, over JavaScript callbacks.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::Result;
use crate::host::{AuthorizationPrompt, Lock, LockGuard, Tenancy};
use crate::node::engine::{JsRef, Present};
use crate::node::marshal::callback::{Callback, SLOW_TIMEOUT, STORE_TIMEOUT};
use crate::node::marshal::callee::{Callee, Service};
use crate::node::marshal::context::CallContext;
use crate::node::marshal::convert::text;
use crate::node::marshal::to_js::{Members, Optional};

const START: Callback<(String, Optional<Members<1, i64>>), ()> =
    Callback::new("oauthStart", SLOW_TIMEOUT);
const END: Callback<(), ()> = Callback::new("oauthEnd", SLOW_TIMEOUT);
const ACQUIRE: Callback<(String, Duration), Option<Arc<JsRef>>> =
    Callback::new("lock.acquire", STORE_TIMEOUT);
const RELEASE: Callback<(), ()> = Callback::new("lock.release", STORE_TIMEOUT);
const TENANT_ID: Callback<(), Option<String>> =
    Callback::reading("getTenantId", STORE_TIMEOUT, |_, it| Ok(text(it)));

/// The caller's `oauthStart` and `oauthEnd`.
pub struct NodePrompt {
    pub context: Arc<CallContext>,
    pub start: Option<Arc<JsRef>>,
    pub end: Option<Arc<JsRef>>,
}

#[async_trait]
impl AuthorizationPrompt for NodePrompt {
    fn takes_url(&self) -> bool {
        self.start.is_some()
    }

    async fn start(&self, url: &str, expires_at: Option<i64>) -> Result<()> {
        let Some(start) = &self.start else {
            return Ok(());
        };
        let options = Optional(expires_at.map(|time| [("expiresAt", time)]));
        START
            .call(&self.context, start, (url.to_owned(), options))
            .await
    }

    async fn end(&self) -> Result<()> {
        match &self.end {
            Some(end) => END.call(&self.context, end, ()).await,
            None => Ok(()),
        }
    }
}

/// `host.lock`.
pub struct NodeLock(pub Arc<CallContext>);

#[async_trait]
impl Lock for NodeLock {
    async fn acquire(&self, key: &str, ttl: Duration) -> Result<Option<Box<dyn LockGuard>>> {
        let lock = Service::Host("lock");
        let release = ACQUIRE.call(&self.0, &lock, (key.to_owned(), ttl)).await?;
        Ok(release.map(|release| {
            Box::new(NodeLockGuard {
                context: Arc::clone(&self.0),
                release,
            }) as Box<dyn LockGuard>
        }))
    }
}

struct NodeLockGuard {
    context: Arc<CallContext>,
    release: Arc<JsRef>,
}

#[async_trait]
impl LockGuard for NodeLockGuard {
    async fn release(self: Box<Self>) -> Result<()> {
        RELEASE.call(&self.context, &self.release, ()).await
    }
}

/// `host.getTenantId`.
pub struct NodeTenancy(Arc<CallContext>);

impl NodeTenancy {
    /// `None` for a host that knows no tenants.
    pub fn of(context: &Arc<CallContext>, present: Present) -> Option<Self> {
        let knows_tenants = present.has(TENANT_ID.name);
        knows_tenants.then(|| Self(Arc::clone(context)))
    }
}

#[async_trait]
impl Tenancy for NodeTenancy {
    async fn tenant_id(&self) -> Result<Option<String>> {
        TENANT_ID.call(&self.0, Callee::Host, ()).await
    }
}
