//! The policy functions about on-behalf-of: who may configure it, and whose configs still count.

use napi::Env;
use napi::bindgen_prelude::Unknown;
use napi_derive::napi;
use serde_json::{Map, Value as Json};

use super::policy::with;
use crate::node::engine::{JsResult, Thrown, Value};
use crate::node::marshal::to_js::WithMembers;
use crate::server_config::{
    OBO_PERMISSION, PathPart, ServerConfig, default_obo_permission, locked_obo_fields,
};

/// Whether the author of a stored on-behalf-of config may still configure on-behalf-of. Whatever cannot be found out
/// means no.
#[napi(
    ts_args_type = "params: { authorId: string | undefined; getUserRoleByAuthorId: (authorId: string) => Promise<string | null | undefined>; getRolePermissions: (roleName: string) => Promise<Record<string, Record<string, boolean | undefined>> | null | undefined> }",
    ts_return_type = "Promise<boolean>"
)]
pub fn is_obo_config_still_trusted(env: Env, params: Unknown<'_>) -> napi::Result<Unknown<'_>> {
    with(env, &params, |params| {
        let scope = params.scope();
        let promises = scope.global()?.get("Promise")?;
        let resolve = |value| promises.get("resolve")?.call(promises, &[value]);
        let distrust = scope.boolean(false)?;
        if !params.is_object() || !params.get("authorId")?.is_truthy() {
            return resolve(distrust);
        }
        let asked = params
            .get("getUserRoleByAuthorId")?
            .call(params, &[params.get("authorId")?]);
        let role = match asked {
            Ok(role) => role,
            Err(Thrown(_)) => return resolve(distrust),
        };
        // Handles do not outlive this call, so what comes later gets the parameters along with the role.
        let both = scope.array(&[role, params])?;
        let both = promises.get("all")?.call(promises, &[both])?;
        let permissions = scope.function("permissionsOfRole", |scope, _, arguments| {
            let both = match arguments.first() {
                Some(both) => both.elements()?,
                None => Vec::new(),
            };
            match both.as_slice() {
                [role, params] if role.is_truthy() => {
                    params.get("getRolePermissions")?.call(*params, &[*role])
                }
                _ => Ok(scope.undefined()),
            }
        })?;
        let judge = scope.function("mayConfigureObo", |scope, _, arguments| {
            let (group, permission) = OBO_PERMISSION;
            let group = match arguments.first().and_then(|value| value.present()) {
                Some(permissions) => permissions.get(group)?.present(),
                None => None,
            };
            let granted = group.map(|group| group.get(permission)).transpose()?;
            scope.boolean(granted.and_then(Value::as_bool) == Some(true))
        })?;
        let refuse = scope.function("distrust", |scope, _, _| scope.boolean(false))?;
        let found = both.get("then")?.call(both, &[permissions])?;
        let judged = found.get("then")?.call(found, &[judge])?;
        judged
            .get("then")?
            .call(judged, &[scope.undefined(), refuse])
    })
}

/// Whether somebody may store `incoming`, in place of `existing` if there is one. Without the permission
/// `CONFIGURE_OBO` an on-behalf-of config can be neither made nor changed, but for its title, description and icon.
#[napi(
    ts_args_type = "params: { existing?: Record<string, any> | null; incoming: Record<string, any>; canConfigureObo: boolean }",
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

/// Roles by name, with `MCP_SERVERS.CONFIGURE_OBO` added where a role has `MCP_SERVERS` but not that permission:
/// `true` for `ADMIN`, `false` for all others. What an operator set stays.
#[napi(
    ts_args_type = "rolePermissions: Record<string, Record<string, Record<string, boolean | undefined>>>",
    ts_return_type = "Record<string, Record<string, Record<string, boolean | undefined>>>"
)]
pub fn backfill_obo_permission(
    env: Env,
    role_permissions: Unknown<'_>,
) -> napi::Result<Unknown<'_>> {
    with(env, &role_permissions, |roles| {
        let scope = roles.scope();
        if !roles.is_object() {
            let text = "backfillOboPermission: rolePermissions must be an object";
            return Err(scope.type_error(text));
        }
        let (group, permission) = OBO_PERMISSION;
        let all = copy_of(roles)?;
        for name in roles.keys()? {
            let role = roles.get(&name)?;
            if !role.is_object() || !role.get(group)?.is_object() {
                continue;
            }
            let granted = role.get(group)?;
            if granted.get(permission)?.present().is_none() {
                let granted = copy_of(granted)?;
                granted.set(permission, scope.boolean(default_obo_permission(&name))?)?;
                let role = copy_of(role)?;
                role.set(group, granted)?;
                all.set(&name, role)?;
            }
        }
        Ok(all)
    })
}

/// A copy that shares its members with the original.
fn copy_of(value: Value<'_>) -> JsResult<'_> {
    let copy = value.scope().object()?;
    for name in value.keys()? {
        copy.set(&name, value.get(&name)?)?;
    }
    Ok(copy)
}
