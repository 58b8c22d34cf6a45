//! Who servers are told that we are: the host's `clientInfo` and `extensions`, and what its `sampling` can do.

use rmcp::model::Implementation;
use serde_json::{Map, Value as Json};

use crate::host::ClientProfile;
use crate::node::engine::{JsResult, Value};
use crate::server_config::check_extensions;

/// Reads what the host says once, when a runtime is made. What is not as the protocol wants it is a `TypeError`.
pub fn read(host: Value<'_>) -> JsResult<'_, ClientProfile> {
    let wrong = |what: &str| {
        host.scope()
            .type_error(&format!("createMCPRuntime: host.{what}"))
    };
    let member = |name| -> JsResult<'_, _> {
        let member = host.get(name)?.present();
        let json = member
            .map(|member| member.to_exact_json(name))
            .transpose()?;
        Ok(json.flatten())
    };
    let info = member("clientInfo")?.map(serde_json::from_value::<Implementation>);
    let info = info
        .transpose()
        .map_err(|error| wrong(&format!("clientInfo is no Implementation of MCP: {error}")))?;
    if info.as_ref().is_some_and(|info| info.name.is_empty()) {
        return Err(wrong("clientInfo.name must not be empty"));
    }
    let extensions = match member("extensions")? {
        Some(Json::Object(extensions)) => extensions,
        _ => Map::new(),
    };
    check_extensions(&extensions)
        .map_err(|(name, expected)| wrong(&format!("extensions[{name:?}] {expected}")))?;
    let sampling = host.get("sampling")?;
    let has = |name| -> JsResult<'_, bool> {
        Ok(sampling.is_object() && sampling.get(name)?.as_bool() == Some(true))
    };
    Ok(ClientProfile {
        info,
        extensions,
        samples_with_tools: has("tools")?,
        samples_with_context: has("context")?,
    })
}
