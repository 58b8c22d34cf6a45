//! Opening and closing the connections of all servers that users share, at the start and the end of the host.

use futures::stream::{self, StreamExt};

use super::app_connections::{CONCURRENCY, acquire, warn};
use super::call::Call;
use super::methods::Invocation;
use crate::connection::Parting;
use crate::error::Result;
use crate::host::{Level, LogMeta};
use crate::manager::{Lease, Manager, Owner};
use crate::node::engine::JsResult;
use crate::server_config::ServerConfig;

/// Never rejects because of a server or the registry: both are logged.
pub fn connect_app_servers<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    invocation.start(|manager, call| async move {
        if let Err(error) = connect_all(&manager, &call).await {
            let message = "[MCP] Failed to establish one or more app connections after inspection";
            let logger = &call.host.logger;
            logger.with(Level::Warn, message, LogMeta::Error(error));
        }
        Ok(())
    })
}

async fn connect_all(manager: &Manager, call: &Call) -> Result<()> {
    let configs = call.host.registry.all_server_configs(None).await?;
    let names = configs.into_iter().filter_map(|(name, members)| {
        let config = ServerConfig::from_members(members).ok()?;
        (config.allows_app_connection() || config.is_shared_but_for_placeholders()).then_some(name)
    });
    let names: Vec<_> = names.collect();
    let opened: Vec<Option<Lease>> = stream::iter(names)
        .map(|name| open(manager, call, name))
        .buffer_unordered(CONCURRENCY)
        .collect()
        .await;
    let listing = opened.iter().flatten();
    futures::future::join_all(listing.map(|lease| manager.refresh_now(lease.key()))).await;
    Ok(())
}

async fn open(manager: &Manager, call: &Call, server_name: String) -> Option<Lease> {
    match acquire(manager, call, &server_name).await {
        Ok(lease) => lease,
        Err(error) => {
            warn(call, &server_name, error);
            None
        }
    }
}

pub fn disconnect_app_servers<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    // The tasks of a host's shutdown come in any order.
    if !invocation.runtime.manager.takes_calls() {
        let promises = invocation.scope.global()?.get("Promise")?;
        return promises.call_method("resolve", &[]);
    }
    invocation.start(|manager, _| async move {
        // Other processes go on with their sessions.
        manager.disconnect_all(&Owner::App, Parting::Left).await;
        Ok(())
    })
}
