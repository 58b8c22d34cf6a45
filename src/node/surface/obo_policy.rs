//! Who may configure on-behalf-of. `lib/obo-policy.js` has what is about roles alone.

use napi::Env;
use napi::bindgen_prelude::Unknown;
use napi_derive::napi;
use serde_json::{Map, Value as Json};

use super::policy::with;
use crate::node::engine::{JsResult, Value};
use crate::node::marshal::to_js::WithMembers;
use crate::server_config::{PathPart, ServerConfig, locked_obo_fields};

/// Whether somebody may store `incoming`, in place of `existing` if there is one. Without the permission
/// `CONFIGURE_OBO` an on-behalf-of config can be neither made nor changed, but for its title, description and icon.
#[napi(
    ts_args_type = "params: { existing?: object | null; incoming: object; canConfigureObo: boolean }",
    ts_return_type = "{ allowed: true } | { allowed: false; status: 403; lockedFields: string[] }"
)]
pub fn check_obo_permission(env: Env, params: Unknown<'_>) -> napi::Result<Unknown<'_>> {
    with(env, &params, |params| {
        let scope = params.scope();
        let may = params.get_own("canConfigureObo")?.as_bool() == Some(true);
        let existing = obo_view(params.get("existing")?)?;
        let incoming_object = params.get("incoming")?;
        let incoming = obo_view(incoming_object)?.unwrap_or_default();
        let mut locked = locked_obo_fields(existing.as_ref(), &incoming, may);
        if !may && existing.is_some_and(|config| config.contains_key("obo")) {
            // What cannot be compared may be anything.
            for issue in incoming_object.hidden_members(ServerConfig::MEMBERS)? {
                if let Some(PathPart::Member(name)) = issue.path.into_iter().next()
                    && !locked.contains(&name)
                {
                    locked.push(name);
                }
            }
        }
        let answer = scope.object()?.with("allowed", locked.is_empty())?;
        if locked.is_empty() {
            return Ok(answer);
        }
        let locked = Json::from(locked);
        answer.with("status", 403.0)?.with("lockedFields", locked)
    })
}

/// All members of a config, and `obo` from wherever it has it: a config that inherits it is on-behalf-of as well.
fn obo_view(config: Value<'_>) -> JsResult<'_, Option<Map<String, Json>>> {
    if !config.is_object() {
        return Ok(None);
    }
    let mut members = match config.to_json()? {
        Some(Json::Object(members)) => members,
        _ => Map::new(),
    };
    if members.get("obo").is_none_or(Json::is_null)
        && let Some(obo) = config.get("obo")?.present()
    {
        let obo = obo.to_json()?.filter(|obo| !obo.is_null());
        members.insert("obo".to_owned(), obo.unwrap_or(Json::Bool(true)));
    }
    Ok(Some(members))
}
