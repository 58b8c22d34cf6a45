//! What a call answers: the result object, its texts, and what they depend on.

use std::sync::Arc;

use serde_json::{Value, json};

use super::run::Run;
use crate::error::{Error, HostValue};
use crate::log::{Level, LogMeta};
use crate::manager::missing_user_vars;
use crate::tools::RawTools;

/// Why `success` is false, in upstream's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureReason {
    Unreachable,
    MissingCustomUserVars,
    OAuthRequired,
    InitializationFailed,
}

impl FailureReason {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::MissingCustomUserVars => "missing_custom_user_vars",
            Self::OAuthRequired => "oauth_required",
            Self::InitializationFailed => "initialization_failed",
        }
    }
}

/// Tools in LibreChat's function format.
#[derive(Clone)]
pub enum AvailableTools {
    /// What `updateMCPServerTools` returned.
    Host(HostValue),
    /// Formatted here: the text of a JSON object.
    Native(String),
}

/// The result object.
#[derive(Clone, Default)]
pub struct Reinitialized {
    pub available_tools: Option<AvailableTools>,
    pub success: bool,
    pub message: String,
    pub oauth_required: bool,
    pub oauth_url: Option<String>,
    /// Until when the pending flow can be joined, in milliseconds since the epoch.
    pub oauth_expires_at: Option<i64>,
    pub tools: Option<Arc<RawTools>>,
    pub failure_reason: Option<FailureReason>,
    pub missing_user_vars: Vec<String>,
    pub connection_deferred: bool,
    /// Why the call failed, beside every `failure_reason`.
    pub error: Option<Error>,
    /// Why there are no tools, or not all, although the connection stands.
    pub tools_error: Option<Error>,
}

impl Run<'_> {
    /// Step 8: message and `success`.
    pub(super) fn conclude(
        &self,
        result: &mut Reinitialized,
        connected: bool,
        tools: usize,
        error: Option<Error>,
    ) {
        let (name, logger) = (self.name, &self.call.host.logger);
        result.success = connected && !result.oauth_required
            || result.oauth_required && result.oauth_url.is_some()
            || tools > 0;
        result.message = if result.oauth_required && tools > 0 {
            format!("MCP server '{name}' tools discovered, OAuth required for execution")
        } else if result.oauth_required {
            format!("MCP server '{name}' ready for OAuth authentication")
        } else if connected {
            format!("MCP server '{name}' reinitialized successfully")
        } else {
            format!("Failed to reinitialize MCP server '{name}'")
        };
        if !result.success {
            let oauth = result.oauth_required;
            result.failure_reason = Some(if oauth {
                FailureReason::OAuthRequired
            } else {
                FailureReason::InitializationFailed
            });
            result.error = error;
        }
        let url = result.oauth_url.as_ref().map(|_| "present");
        logger.debug(format!(
            "[MCP Reinitialize] Sending response for {name} - oauthRequired: {}, oauthUrl: {}",
            result.oauth_required,
            url.unwrap_or("null")
        ));
        let summary = json!({
            "success": result.success,
            "oauthRequired": result.oauth_required,
            "oauthUrl": url,
            "toolsCount": tools,
        });
        if let Value::Object(fields) = summary {
            let message = format!("[MCP Reinitialize] Response for {name}:");
            logger.with(Level::Debug, message, LogMeta::Fields(fields));
        }
    }

    pub(super) fn failed(&self, error: Error) -> Reinitialized {
        Reinitialized {
            message: format!("Failed to reinitialize MCP server '{}'", self.name),
            failure_reason: Some(FailureReason::InitializationFailed),
            error: Some(error),
            ..Reinitialized::default()
        }
    }

    pub(super) fn unreachable(&self, error: Error) -> Reinitialized {
        Reinitialized {
            message: format!("MCP server '{}' is still unreachable", self.name),
            failure_reason: Some(FailureReason::Unreachable),
            error: Some(error),
            ..Reinitialized::default()
        }
    }

    pub(super) fn missing_variables(&self, missing: Vec<String>) -> Reinitialized {
        let error = missing_user_vars(self.name, &missing);
        Reinitialized {
            message: error.message.clone(),
            error: Some(error),
            failure_reason: Some(FailureReason::MissingCustomUserVars),
            missing_user_vars: missing,
            ..Reinitialized::default()
        }
    }

    pub(super) fn deferred(&self) -> Reinitialized {
        Reinitialized {
            success: true,
            connection_deferred: true,
            message: format!(
                "MCP server '{}' uses request-scoped placeholders; connection will be established on first use in a chat \
                 turn",
                self.name
            ),
            ..Reinitialized::default()
        }
    }
}
