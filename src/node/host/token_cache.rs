//! `exchangedTokens`: the host's cache of exchanged tokens.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::Result;
use crate::host::SharedCache;
use crate::node::marshal::callback::STORE_TIMEOUT;
use crate::node::marshal::context::CallContext;

/// The member of the host's services.
pub const CACHE: &str = "exchangedTokens";

/// `exchangedTokens`, a Keyv or something like it.
pub struct NodeCache(pub Arc<CallContext>);

#[async_trait]
impl SharedCache for NodeCache {
    async fn get(&self, key: &str) -> Result<Option<String>> {
        let key = key.to_owned();
        self.0
            .callback(
                "exchangedTokens.get",
                STORE_TIMEOUT,
                move |context, scope| {
                    context.call_service(scope, CACHE, "get", move |_, scope| {
                        Ok(vec![scope.string(&key)?])
                    })
                },
                |_, value| Ok(value.as_string()),
            )
            .await
    }

    async fn set(&self, key: &str, value: &str, ttl: Duration) -> Result<()> {
        let (key, value) = (key.to_owned(), value.to_owned());
        self.0
            .callback(
                "exchangedTokens.set",
                STORE_TIMEOUT,
                move |context, scope| {
                    context.call_service(scope, CACHE, "set", move |_, scope| {
                        #[expect(
                            clippy::cast_precision_loss,
                            reason = "lifetimes are far below 2^53 ms"
                        )]
                        let ttl = scope.number(ttl.as_millis() as f64)?;
                        Ok(vec![scope.string(&key)?, scope.string(&value)?, ttl])
                    })
                },
                |_, _| Ok(()),
            )
            .await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        let key = key.to_owned();
        self.0
            .callback(
                "exchangedTokens.delete",
                STORE_TIMEOUT,
                move |context, scope| {
                    context.call_service(scope, CACHE, "delete", move |_, scope| {
                        Ok(vec![scope.string(&key)?])
                    })
                },
                |_, _| Ok(()),
            )
            .await
    }
}
