//! Which tools are approved (`pinTools`): showing and approving them.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::call::Call;
use super::methods::Invocation;
use crate::error::{Code, Error, Result};
use crate::governance::{Approval, Change, PinScope, approve, tool_pins};
use crate::manager::Manager;
use crate::node::engine::JsResult;
use crate::node::marshal::params::Params;

/// Who approves where the caller does not say.
const OPERATOR: &str = "operator";

/// `getToolPins({ serverName, user? })`
pub fn get_tool_pins<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    let prepared = read(invocation, "getToolPins").map(|(call, _, name)| {
        (call, move |manager: Manager, call: Arc<Call>| async move {
            let identity = identity(&manager, &call, &name).await?;
            tool_pins(&PinScope::of(&call.host), &name, identity.as_deref()).await
        })
    });
    invocation.run_with(prepared, |scope, _, pins: String| scope.parse_json(&pins))
}

/// `approveTools({ serverName, tools?, approvedBy?, user? })`
pub fn approve_tools<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    let prepared = read(invocation, "approveTools").and_then(|(call, params, name)| {
        let by = params.text("approvedBy")?;
        let by = by.unwrap_or_else(|| OPERATOR.to_owned());
        let tools = match params.object_member("tools")? {
            Some(tools) => {
                let wanted = tools.to_json()?.as_ref().and_then(approvals);
                let expected = "must be an array of names, or of { name, hash }";
                Some(wanted.ok_or_else(|| params.wrong("tools", expected))?)
            }
            None => None,
        };
        Ok((call, move |manager: Manager, call: Arc<Call>| async move {
            let identity = identity(&manager, &call, &name).await?;
            let scope = PinScope::of(&call.host);
            let (identity, tools) = (identity.as_deref(), tools.as_deref());
            let approved = approve(&scope, &name, identity, tools, &by).await?;
            let approved: Json = approved.into_iter().map(of_change).collect();
            Ok(approved.to_string())
        }))
    });
    invocation.run_with(prepared, |scope, _, approved: String| {
        scope.parse_json(&approved)
    })
}

fn read<'env>(
    invocation: &Invocation<'env>,
    function: &'static str,
) -> JsResult<'env, (Call, Params<'env>, String)> {
    let params = invocation.params(function)?;
    let name = params.text("serverName")?;
    let name = name.ok_or_else(|| params.wrong("serverName", "must be a string"))?;
    let call = invocation.runtime.call(invocation.scope, Some(&params))?;
    Ok((call, params, name))
}

/// Of the server that the caller means.
async fn identity(manager: &Manager, call: &Call, name: &str) -> Result<Option<String>> {
    let config = match call.config()? {
        Some(config) => Some(config),
        None => manager.registered(&call.scope(), name).await?,
    };
    let config = config.ok_or_else(|| {
        let message = format!("There is no MCP server '{name}'");
        Error::new(Code::ConfigNotFound, message)
    })?;
    Ok(config.identity(call.scope().user.and_then(|user| user.id.as_deref())))
}

fn approvals(tools: &Json) -> Option<Vec<Approval>> {
    let approval = |tool: &Json| {
        let text = |name| tool.get(name)?.as_str().map(str::to_owned);
        let (name, hash) = match tool.as_str() {
            Some(name) => (name.to_owned(), None),
            None => (text("name")?, Some(text("hash")?)),
        };
        Some(Approval { name, hash })
    };
    tools.as_array()?.iter().map(approval).collect()
}

fn of_change(change: Change) -> Json {
    let mut object = Map::new();
    object.insert("name".to_owned(), change.name.into());
    object.insert("hash".to_owned(), change.hash.into());
    Json::Object(object)
}
