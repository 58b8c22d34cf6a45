//! Subscriptions of an `MCPConnection` to resources, and what its listeners hear of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use indexmap::IndexSet;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::call::Call;
use super::handle::{Handle, REQUEST_TIMEOUT};
use super::methods::Invocation;
use crate::connection::{CallOptions, Dropped};
use crate::manager::Manager;
use crate::node::engine::JsResult;

/// How many resources may wait until JavaScript hears that they have changed.
const MOST_WAITING: usize = 256;

/// Of one object.
#[derive(Default)]
pub struct ResourceUpdates {
    /// What a connection that takes the place of a lost one is subscribed to as well.
    subscribed: Mutex<BTreeSet<String>>,
    /// Resources whose listeners have not heard yet, each once.
    waiting: Mutex<IndexSet<String>>,
    dropped: Dropped,
}

impl Handle {
    /// Notes an update, and says whether listeners have heard of all before.
    pub fn updated(&self, uri: &str) -> bool {
        let mut waiting = self.updates.waiting.lock();
        if waiting.len() < MOST_WAITING {
            return waiting.insert(uri.to_owned()) && waiting.len() == 1;
        }
        let is_known = waiting.contains(uri);
        drop(waiting);
        if !is_known && let Some(dropped) = self.updates.dropped.another() {
            let (prefix, logger) = self.recipe(|it| (it.log_prefix(), it.logger.clone()));
            logger.warn(format!(
                "{prefix} The server tells of updated resources faster than listeners hear of them; dropped: {dropped}"
            ));
        }
        false
    }

    /// Listeners hear of these now.
    pub fn heard_updates(&self) -> IndexSet<String> {
        std::mem::take(&mut *self.updates.waiting.lock())
    }

    /// The connection was ended, and its subscriptions with it.
    pub fn end_subscriptions(&self) {
        self.updates.subscribed.lock().clear();
    }

    /// Another connection serves the object: it is subscribed to what the one before was.
    pub fn subscribe_again(self: &Arc<Self>) {
        let uris = self.updates.subscribed.lock().clone();
        if uris.is_empty() {
            return;
        }
        let handle = Arc::clone(self);
        self.manager().spawn(async move {
            for uri in uris {
                let Ok(lease) = handle.lease() else { return };
                let cancel = handle.manager().closing().child_token();
                let options = CallOptions::new(Instant::now() + REQUEST_TIMEOUT, cancel);
                if let Err(error) = lease.connection().subscribe(&uri, &options).await {
                    let (prefix, logger) = handle.recipe(|it| (it.log_prefix(), it.logger.clone()));
                    logger.warn(format!(
                        "{prefix} The new connection is not subscribed to a resource that the one before was: {error}"
                    ));
                }
            }
        });
    }
}

/// `(uri, signal?)`.
pub fn subscribe_resource<'env>(invocation: &Invocation<'env, Arc<Handle>>) -> JsResult<'env> {
    let handle = Arc::clone(&invocation.target);
    let prepared = read(invocation, "subscribeResource").map(|(call, uri)| {
        (call, move |_: Manager, call: Arc<Call>| async move {
            let lease = handle.lease()?;
            let options = handle.options(&call);
            lease.connection().subscribe(&uri, &options).await?;
            handle.updates.subscribed.lock().insert(uri);
            Ok(())
        })
    });
    invocation.run(prepared)
}

/// `(uri, signal?)`.
pub fn unsubscribe_resource<'env>(invocation: &Invocation<'env, Arc<Handle>>) -> JsResult<'env> {
    let handle = Arc::clone(&invocation.target);
    let prepared = read(invocation, "unsubscribeResource").map(|(call, uri)| {
        (call, move |_: Manager, call: Arc<Call>| async move {
            handle.updates.subscribed.lock().remove(&uri);
            let lease = handle.lease()?;
            let options = handle.options(&call);
            lease.connection().unsubscribe(&uri, &options).await
        })
    });
    invocation.run(prepared)
}

fn read<'env>(
    invocation: &Invocation<'env, Arc<Handle>>,
    function: &str,
) -> JsResult<'env, (Call, String)> {
    let uri = invocation.argument(0).as_string();
    let uri = uri.ok_or_else(|| {
        let message = format!("{function}: uri must be a string");
        invocation.scope.type_error(&message)
    })?;
    Ok((invocation.abortable_call(1)?, uri))
}
