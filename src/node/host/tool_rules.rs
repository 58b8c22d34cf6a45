//! The operator's rules for the tools of all servers: the host's `mcpSettings`.

use std::sync::Arc;

use crate::error::Error;
use crate::node::engine::{JsResult, Thrown, Value};
use crate::node::marshal::context::CallContext;
use crate::node::marshal::errors;
use crate::node::marshal::services::{SETTINGS, describe};
use crate::server_config::ToolRules;

/// What the host gives.
pub enum HostRules {
    Object(Option<Arc<ToolRules>>),
    /// Asked with every call: the rules may be others for another tenant.
    Function,
}

impl HostRules {
    /// Reads an object once, when a runtime is made. Wrong rules are an `MCP_INVALID_CONFIG`.
    pub fn of(host: Value<'_>) -> JsResult<'_, Self> {
        Ok(match host.get(SETTINGS)?.present() {
            Some(settings) if settings.is_function() => Self::Function,
            settings => Self::Object(settings.map(read).transpose()?.flatten()),
        })
    }

    /// The rules of a call that begins now, in whose context the host is asked. Where that fails, so does what needs them.
    pub fn of_call(
        &self,
        context: &CallContext,
        host: Value<'_>,
    ) -> Result<Option<Arc<ToolRules>>, Box<Error>> {
        let asked = || {
            let settings = context.apply(host.get(SETTINGS)?, host, &[])?;
            Ok(settings.present().map(read).transpose()?.flatten())
        };
        match self {
            Self::Object(rules) => Ok(rules.clone()),
            Self::Function => asked()
                .map_err(|thrown| Box::new(errors::from_host(SETTINGS, &context.thread, &thrown))),
        }
    }
}

/// What is no object may be a promise's, or a mistake's: it is not taken for no rules.
fn read(settings: Value<'_>) -> JsResult<'_, Option<Arc<ToolRules>>> {
    let scope = settings.scope();
    let is_promise = settings.is_object() && settings.get("then")?.is_function();
    if !settings.is_object() || is_promise {
        let got = if is_promise {
            "a promise"
        } else {
            describe(settings)
        };
        let message = format!("host.mcpSettings must answer an object at once, got {got}");
        return Err(scope.type_error(&message));
    }
    let members = settings.config_members(&ToolRules::MEMBERS)?;
    ToolRules::of_settings(&members).map_err(|error| Thrown(errors::to_js(scope, &error)))
}
