//! Subscriptions of an `MCPConnection` to resources.

use std::sync::Arc;

use serde_json::Map;
use tokio::time::Instant;

use super::call::Call;
use super::handle::{Handle, REQUEST_TIMEOUT};
use super::methods::Invocation;
use crate::connection::{CallOptions, Params};
use crate::error::Result;
use crate::manager::Manager;
use crate::node::engine::JsResult;

const SUBSCRIBE: &str = "resources/subscribe";
const UNSUBSCRIBE: &str = "resources/unsubscribe";

/// Another connection serves the object: it is subscribed to what the one before was.
pub fn subscribe_again(handle: &Arc<Handle>) {
    let uris = handle.updates.subscribed();
    if uris.is_empty() {
        return;
    }
    let handle = Arc::clone(handle);
    handle.manager().clone().spawn(async move {
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

/// `(uri, signal?)`.
pub fn subscribe_resource<'env>(invocation: &Invocation<'env, Arc<Handle>>) -> JsResult<'env> {
    let handle = Arc::clone(&invocation.target);
    let prepared = read(invocation, "subscribeResource").map(|(call, uri)| {
        (call, move |_: Manager, call: Arc<Call>| async move {
            ask(&handle, &call, SUBSCRIBE, &uri).await?;
            handle.updates.subscribe(uri);
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
            handle.updates.unsubscribe(&uri);
            ask(&handle, &call, UNSUBSCRIBE, &uri).await
        })
    });
    invocation.run(prepared)
}

/// One of both requests, for a caller.
async fn ask(handle: &Handle, call: &Call, method: &str, uri: &str) -> Result<()> {
    let params = Map::from_iter([("uri".to_owned(), uri.into())]);
    let mut seen = handle.observe(call, method, Params::Members(&params));
    let mut options = handle.options(call);
    seen.follow(&mut options);
    let (server_name, user_id) = (&handle.key.server_name, handle.key.owner.user_id());
    let request = (method, Params::Members(&params));
    let kept = handle
        .manager()
        .read_kept_result(request, server_name, user_id);
    let answer = async {
        if let Some(kept) = kept {
            return kept.map(drop);
        }
        let lease = handle.lease()?;
        let connection = lease.connection();
        seen.carried_by(connection);
        if method == SUBSCRIBE {
            connection.subscribe(uri, &options).await
        } else {
            connection.unsubscribe(uri, &options).await
        }
    };
    let answer = answer.await;
    seen.end(answer.as_ref(), false, handle.manager(), &call.host.logger);
    answer
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
