//! `runtime.inspectServer`: LibreChat's `MCPServerInspector.inspect`.

use std::sync::Arc;

use super::call::Call;
use super::methods::Invocation;
use crate::error::{Code, Error, Result};
use crate::manager::{Inspect, Inspection, Key, Manager, NotInspected};
use crate::node::engine::{JsRef, JsResult, Thrown, Value};
use crate::node::marshal::to_js::{JsonText, Nullable, WithMembers};
use crate::node::marshal::{classes, convert, errors};

/// `(serverName, rawConfig, connection?, allowedDomains?, allowedAddresses?)`: a copy of the config with what the
/// inspection found.
pub fn inspect_server<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    let name = invocation.text(0).unwrap_or_default();
    let raw = JsRef::new(&invocation.runtime.thread, invocation.argument(1))?;
    let prepared = read(invocation).map(|(call, params)| {
        (call, move |manager: Manager, call: Arc<Call>| async move {
            inspect(&manager, &call, params).await
        })
    });
    invocation.run_with(prepared, move |scope, _, outcome| {
        let refused = |error: Error| Thrown(errors::to_js(scope, &error));
        match outcome {
            Ok(found) => parsed_config(raw.get(scope), &found),
            Err(NotInspected::Domain(domain)) => {
                let domain = scope.string(&domain)?;
                Err(Thrown(classes::instance(
                    classes::DOMAIN,
                    &[domain],
                    scope,
                )?))
            }
            Err(NotInspected::Failed(error))
                if matches!(
                    error.code,
                    Code::Aborted | Code::Closed | Code::InvalidArgument
                ) =>
            {
                Err(refused(error))
            }
            Err(NotInspected::Failed(error)) => {
                let Thrown(cause) = refused(error);
                let arguments = [scope.string(&name)?, cause];
                Err(Thrown(classes::instance(
                    classes::INSPECTION,
                    &arguments,
                    scope,
                )?))
            }
        }
    })
}

struct InspectParams {
    server_name: String,
    members: serde_json::Map<String, serde_json::Value>,
    connection: Option<Key>,
    /// `None`: the registry's.
    allowed_domains: Option<Vec<String>>,
    allowed_addresses: Option<Vec<String>>,
}

fn read<'env>(invocation: &Invocation<'env>) -> JsResult<'env, (Call, InspectParams)> {
    let (runtime, scope) = (&invocation.runtime, invocation.scope);
    let server_name = invocation.text(0).unwrap_or_default();
    if server_name.is_empty() {
        return Err(scope.type_error("inspectServer: serverName must be a string"));
    }
    let call = invocation.call()?;
    let raw = invocation.given(1);
    let members = raw
        .map(|raw| convert::server_config(raw, &call.host.environment))
        .transpose()?
        .flatten()
        .ok_or_else(|| scope.type_error("inspectServer: rawConfig must be an object"))?;
    if let Some(raw) = raw {
        // The host's policy is asked about this config, which the registry may not have.
        call.node
            .configs
            .replace(call.context(), &server_name, raw)?;
    }
    let connection = match invocation.given(2) {
        None => None,
        Some(connection) => Some(runtime.connections.key_of(connection).ok_or_else(|| {
            scope.type_error("inspectServer: connection must be an MCPConnection of this runtime")
        })?),
    };
    // Like an empty list, `null` means that there is none.
    let list = |index| {
        let list = Some(invocation.argument(index)).filter(|list| !list.is_undefined());
        list.map(convert::text_list).transpose()
    };
    let params = InspectParams {
        server_name,
        members,
        connection,
        allowed_domains: list(3)?,
        allowed_addresses: list(4)?,
    };
    Ok((call, params))
}

async fn inspect(
    manager: &Manager,
    call: &Call,
    params: InspectParams,
) -> Result<Result<Inspection, NotInspected>> {
    let mut rules = match (&params.allowed_domains, &params.allowed_addresses) {
        (Some(_), Some(_)) => crate::host::NetworkRules::default(),
        _ => call.host.registry.network_rules().await?.rules,
    };
    if let Some(domains) = params.allowed_domains {
        rules.ssrf_protection = domains.is_empty();
        rules.allowed_domains = domains;
    }
    if let Some(addresses) = params.allowed_addresses {
        rules.allowed_addresses = addresses;
    }
    let connection = match params.connection {
        None => None,
        Some(key) => Some(manager.existing(&key).ok_or_else(|| {
            Error::new(Code::ConnectionLost, "The connection to inspect is closed")
        })?),
    };
    let request = Inspect {
        server_name: params.server_name,
        members: params.members,
        rules,
        connection,
        cancel: call.cancel.clone(),
    };
    Ok(Box::pin(manager.inspect(&call.scope(), request)).await)
}

/// LibreChat's `ParsedServerConfig`: the host's config, which stays as it is, with the findings on top.
fn parsed_config<'env>(raw: Value<'env>, found: &Inspection) -> JsResult<'env> {
    let scope = raw.scope();
    let objects = scope.global()?.get("Object")?;
    let config = objects.call_method("assign", &[scope.object()?, raw])?;
    let has_rule = raw.get("tools")?.is_object();
    let functions = found.tool_functions.as_deref().map(JsonText);
    // An operator's rule stays where it is; the names are those of the functions.
    let names = found.tools.as_ref().filter(|_| !has_rule);
    let duration = (found.duration.as_secs_f64() * 1000.0).round();
    config
        .optional("requiresOAuth", found.requires_oauth)?
        .optional("oauthMetadata", found.oauth_metadata.clone().map(Nullable))?
        .optional("resolvedInstructions", found.instructions.as_ref())?
        .optional("capabilities", found.capabilities.as_ref())?
        .optional("tools", names)?
        .optional("toolFunctions", functions)?
        .with("initDuration", duration)?;
    Ok(config)
}
