//! `exchangedTokens`: the host's cache of exchanged tokens.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::Result;
use crate::host::SharedCache;
use crate::node::marshal::callback::{Callback, STORE_TIMEOUT};
use crate::node::marshal::callee::Service;
use crate::node::marshal::context::CallContext;

/// The member of the host's services.
pub const CACHE: &str = "exchangedTokens";
const SERVICE: Service = Service::Host(CACHE);

const GET: Callback<(String,), Option<String>> =
    Callback::new("exchangedTokens.get", STORE_TIMEOUT);
const SET: Callback<(String, String, Duration), ()> =
    Callback::new("exchangedTokens.set", STORE_TIMEOUT);
const DELETE: Callback<(String,), ()> = Callback::new("exchangedTokens.delete", STORE_TIMEOUT);

/// `exchangedTokens`, a Keyv or something like it.
pub struct NodeCache(pub Arc<CallContext>);

#[async_trait]
impl SharedCache for NodeCache {
    async fn get(&self, key: &str) -> Result<Option<String>> {
        GET.call(&self.0, &SERVICE, (key.to_owned(),)).await
    }

    async fn set(&self, key: &str, value: &str, ttl: Duration) -> Result<()> {
        let row = (key.to_owned(), value.to_owned(), ttl);
        SET.call(&self.0, &SERVICE, row).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        DELETE.call(&self.0, &SERVICE, (key.to_owned(),)).await
    }
}
