//! What a flow asks of its caller and of the processes around it, over JavaScript callbacks.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::service::Service;
use crate::error::Result;
use crate::host::{AuthorizationPrompt, Lock, LockGuard, Tenancy};
use crate::node::engine::JsRef;
use crate::node::marshal::callback::{SLOW_TIMEOUT, STORE_TIMEOUT};
use crate::node::marshal::context::CallContext;

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
        let Some(start) = self.start.clone() else {
            return Ok(());
        };
        let url = url.to_owned();
        self.context
            .callback(
                "oauthStart",
                SLOW_TIMEOUT,
                move |context, scope| {
                    let mut arguments = vec![scope.string(&url)?];
                    if let Some(expires_at) = expires_at {
                        let options = scope.object()?;
                        options.set("expiresAt", scope.milliseconds(expires_at)?)?;
                        arguments.push(options);
                    }
                    context.apply(start.get(scope), scope.undefined(), &arguments)
                },
                |_, _| Ok(()),
            )
            .await
    }

    async fn end(&self) -> Result<()> {
        let Some(end) = self.end.clone() else {
            return Ok(());
        };
        self.context
            .callback(
                "oauthEnd",
                SLOW_TIMEOUT,
                move |context, scope| context.apply(end.get(scope), scope.undefined(), &[]),
                |_, _| Ok(()),
            )
            .await
    }
}

/// `host.lock`.
pub struct NodeLock(pub Arc<CallContext>);

#[async_trait]
impl Lock for NodeLock {
    async fn acquire(&self, key: &str, ttl: Duration) -> Result<Option<Box<dyn LockGuard>>> {
        let key = key.to_owned();
        let ttl = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
        let release = self
            .0
            .callback(
                "lock.acquire",
                STORE_TIMEOUT,
                move |context, scope| {
                    Service::Host("lock").call(context, scope, "acquire", move |_, scope| {
                        Ok(vec![scope.string(&key)?, scope.milliseconds(ttl)?])
                    })
                },
                |context, value| {
                    if value.is_function() {
                        JsRef::new(&context.thread, value).map(Some)
                    } else {
                        Ok(None)
                    }
                },
            )
            .await?;
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
    release: JsRef,
}

#[async_trait]
impl LockGuard for NodeLockGuard {
    async fn release(self: Box<Self>) -> Result<()> {
        let Self { context, release } = *self;
        context
            .callback(
                "lock.release",
                STORE_TIMEOUT,
                move |context, scope| context.apply(release.get(scope), scope.undefined(), &[]),
                |_, _| Ok(()),
            )
            .await
    }
}

/// `host.getTenantId`.
pub struct NodeTenancy(pub Arc<CallContext>);

#[async_trait]
impl Tenancy for NodeTenancy {
    async fn tenant_id(&self) -> Result<Option<String>> {
        self.0
            .callback(
                "getTenantId",
                STORE_TIMEOUT,
                |context, scope| {
                    let host = context.host(scope);
                    context.apply(host.get("getTenantId")?, host, &[])
                },
                |_, value| Ok(value.as_string().filter(|tenant| !tenant.is_empty())),
            )
            .await
    }
}
