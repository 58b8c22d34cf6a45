//! `connections`: the connections that the host itself keeps, where this runtime serves beside LibreChat's own manager.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::registry::NodeHost;
use crate::error::Result;
use crate::host::{HostConnections, HostTools};
use crate::node::engine::{JsRef, JsResult, Value};
use crate::node::marshal::callback::Callback;
use crate::node::marshal::callee::Service;
use crate::node::marshal::convert::text;
use crate::tools::RawTools;

/// The member of the host services.
pub const CONNECTIONS: &str = "connections";
/// Bound on listing over a connection of the host; calls have shorter ones of their own.
const LIST_TIMEOUT: Duration = Duration::from_mins(1);
/// What lists the tools of a connection, the best first.
const SNAPSHOTS: [&str; 2] = ["fetchOrderedToolsSnapshot", "fetchToolsSnapshot"];

const GET_LOADED: Callback<(), ()> =
    Callback::new("connections.appConnections.getLoaded", LIST_TIMEOUT);
const FETCH_TOOLS_SNAPSHOT: Callback<(), Option<HostTools>> = Callback::reading(
    "connections.fetchToolsSnapshot",
    LIST_TIMEOUT,
    |_, snapshot| read(snapshot),
);

#[async_trait]
impl HostConnections for NodeHost {
    async fn tools(&self, server_name: &str) -> Result<Option<HostTools>> {
        let name = server_name.to_owned();
        let connection = GET_LOADED
            .call_with(
                &self.context,
                |context, scope| {
                    Service::Host(CONNECTIONS).with(context, scope, |context, manager| {
                        if !manager.is_object() {
                            return Ok(manager.scope().undefined());
                        }
                        let connections = manager.get("appConnections")?;
                        if !connections.is_object() {
                            return Ok(manager.scope().undefined());
                        }
                        let loaded = connections.get("getLoaded")?;
                        context.apply(loaded, connections, &[])
                    })
                },
                move |context, loaded| {
                    if !loaded.is_object() {
                        return Ok(None);
                    }
                    let name = loaded.scope().string(&name)?;
                    let connection = loaded.call_method("get", &[name])?;
                    let connection = connection.is_object().then_some(connection);
                    connection
                        .map(|connection| JsRef::new(&context.thread, connection))
                        .transpose()
                },
            )
            .await?;
        let Some(connection) = connection else {
            return Ok(None);
        };
        FETCH_TOOLS_SNAPSHOT
            .call_by(&self.context, move |context, scope| {
                let connection = connection.get(scope);
                for name in SNAPSHOTS {
                    let function = connection.get(name)?;
                    if function.is_function() {
                        return context.apply(function, connection, &[]);
                    }
                }
                context.apply(connection.get("fetchTools")?, connection, &[])
            })
            .await
    }
}

/// A snapshot, or the bare array of an older host. `None` for a list that is not the whole one.
fn read(snapshot: Value<'_>) -> JsResult<'_, Option<HostTools>> {
    let tools = if snapshot.is_object() && snapshot.has("tools") {
        if !snapshot.get("complete")?.is_truthy() {
            return Ok(None);
        }
        snapshot.get("tools")?
    } else {
        snapshot
    };
    let Some(Json::Array(items)) = tools.to_exact_json("tools")? else {
        return Ok(None);
    };
    let mut tools = RawTools::default();
    for item in items {
        if let Ok(item) = RawValue::from_string(item.to_string()) {
            tools.push(&item);
        }
    }
    let has_members = snapshot.has("tools");
    let member = |name: &str| -> JsResult<'_, Value<'_>> {
        if has_members {
            snapshot.get(name)
        } else {
            Ok(snapshot.scope().undefined())
        }
    };
    Ok(Some(HostTools {
        tools: Arc::new(tools),
        revision: text(member("publicationRevision")?),
        ordering_unavailable: member("orderingUnavailable")?.is_truthy(),
    }))
}
