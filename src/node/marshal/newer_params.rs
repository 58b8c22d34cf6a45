//! Parameters of newer LibreChat: what they do here, and what is refused because leaving it out would do harm.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::connection::now_ms;
use crate::host::Logger;
use crate::node::engine::{JsResult, Type, Value};
use crate::node::marshal::params::Params;

/// Each guards a call of a schedule, which others do not bring, so that a call without the guard must not be made.
const REFUSED: [&str; 2] = ["scheduledBearerInvocation", "scheduledMCPInvocation"];

/// A config that the caller has, and whether the connection is to be the user's own.
#[derive(Default)]
pub struct Target<'env> {
    pub config: Option<Value<'env>>,
    pub is_principals: bool,
    wants_apps: bool,
}

/// What a runtime has told of the parameters of its callers.
#[derive(Default)]
pub struct Seen {
    told_of_apps: AtomicBool,
}

impl Seen {
    /// LibreChat sends its policy on MCP Apps with every call, so it is told once, and tools work without them.
    pub fn tell(&self, target: &Target<'_>, logger: &Logger) {
        if target.wants_apps && !self.told_of_apps.swap(true, Ordering::Relaxed) {
            logger.warn(
                "[MCP] MCP Apps are enabled, and not supported: tools answer without their views. Set `mcpSettings.apps.enabled` to false to have no warning"
                    .to_owned(),
            );
        }
    }
}

/// A moment in milliseconds since the epoch, as the clock of waits has it.
pub fn deadline(milliseconds: Option<f64>) -> Option<Instant> {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since the epoch")]
    let left = (milliseconds? - now_ms() as f64) / 1000.0;
    // What is over is over at once. What is too far away bounds nothing.
    let left = Duration::try_from_secs_f64(left.max(0.0)).ok()?;
    Instant::now().checked_add(left)
}

/// Reads `serverConfig`, or `connectionTarget` in its place, and looks at the parameters that have no effect.
pub fn target<'env>(params: &Params<'env>) -> JsResult<'env, Target<'env>> {
    let wants_apps = look_at_others(params)?;
    let config = params.object_member("serverConfig")?;
    let Some(target) = params.object_member("connectionTarget")? else {
        return Ok(Target {
            config,
            is_principals: false,
            wants_apps,
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
        wants_apps,
    })
}

/// Whether the caller would have MCP Apps.
fn look_at_others<'env>(params: &Params<'env>) -> JsResult<'env, bool> {
    for name in REFUSED {
        if params.has(name) {
            return Err(params.wrong(
                name,
                "is not supported: the call would go without its check",
            ));
        }
    }
    let wants_apps = match params.object_member("mcpApps")? {
        Some(apps) => apps.get("enabled")?.as_bool() == Some(true),
        None => false,
    };
    // It bounds how often the host tries to tell others of changed credentials, which is the host's own work.
    params.object_member("recoveryPolicy")?;
    // The host files failures of a stream under these.
    params.text("streamId")?;
    params.typed("jobCreatedAt", Type::Number, "a number of milliseconds")?;
    Ok(wants_apps)
}
