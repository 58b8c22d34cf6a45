//! Parameters of newer LibreChat: what they do here, and what is refused because leaving it out would do harm.

use super::calls::Params;
use super::js::{JsResult, Type, Value};

/// Each guards a call, so that a call without the guard must not be made.
const REFUSED: [&str; 2] = ["scheduledBearerInvocation", "scheduledMCPInvocation"];

/// A config that the caller has, and whether the connection is to be the user's own.
pub struct Target<'env> {
    pub config: Option<Value<'env>>,
    pub is_principals: bool,
}

/// Reads `serverConfig`, or `connectionTarget` in its place, and looks at the parameters that have no effect.
pub fn target<'env>(params: &Params<'env>) -> JsResult<'env, Target<'env>> {
    look_at_others(params)?;
    let config = params.object_member("serverConfig")?;
    let Some(target) = params.object_member("connectionTarget")? else {
        return Ok(Target {
            config,
            is_principals: false,
        });
    };
    let wrong = |what: &str| params.wrong("connectionTarget", what);
    if config.is_some() {
        return Err(wrong("cannot be given beside serverConfig"));
    }
    let config = target.get("serverConfig")?;
    if !config.is_object() {
        return Err(wrong("must have a serverConfig"));
    }
    let owner = target.get("connectionOwner")?.as_string();
    let is_principals = match owner.as_deref() {
        Some("principal") => true,
        Some("operator") => false,
        _ => {
            return Err(wrong(
                "must have a connectionOwner, `operator` or `principal`",
            ));
        }
    };
    Ok(Target {
        config: Some(config),
        is_principals,
    })
}

fn look_at_others<'env>(params: &Params<'env>) -> JsResult<'env, ()> {
    for name in REFUSED {
        if params.has(name) {
            return Err(params.wrong(
                name,
                "is not supported: the call would go without its check",
            ));
        }
    }
    if let Some(apps) = params.object_member("mcpApps")?
        && apps.get("enabled")?.as_bool() == Some(true)
    {
        return Err(params.wrong(
            "mcpApps",
            "asks for MCP Apps, which are not supported; leave it out, or set `enabled` to false",
        ));
    }
    // It bounds how often the host tries to tell others of changed credentials, which is the host's own work.
    params.object_member("recoveryPolicy")?;
    // The host files failures of a stream under these.
    params.text("streamId")?;
    params.typed("jobCreatedAt", Type::Number, "a number of milliseconds")?;
    Ok(())
}
