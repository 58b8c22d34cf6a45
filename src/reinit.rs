//! `reinitMCPServer`: connect a server for a user, list its tools, tell the host.
//!
//! Follows `api/server/services/Tools/mcp.js` of the reference step by step; where the specification says better
//! (chapter 2), it is better.

mod answer;
mod config;
mod connect;
mod tools;

pub use answer::{AvailableTools, FailureReason, Reinitialized};

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::error::{Code, Error, Result};
use crate::host::Host;
use crate::log::{Level, LogMeta};
use crate::manager::{CallScope, Manager};
use crate::server_config::ServerConfig;
use crate::settings::Settings;
use crate::telemetry::{Kind, OK, Started};
use crate::user::User;

/// The parameters of one call.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a parameter of its own"
)]
pub struct Reinit {
    pub host: Host,
    pub user: Option<User>,
    pub server_name: Option<String>,
    pub force_new: bool,
    /// The user's values for this server's `customUserVars`.
    pub user_vars: Option<IndexMap<String, String>>,
    pub connection_timeout: Option<Duration>,
    /// Hand out the authorization URL and return, instead of waiting for the user.
    pub return_on_oauth: bool,
    /// A config that the caller already has; the registry is not asked.
    pub server_config: Option<Map<String, Value>>,
    /// `Some` when the caller passed the key `requestBody`.
    pub request_body: Option<IndexMap<String, String>>,
    /// Whether the caller brought `configServers`, which the registry prefers to its own.
    pub has_config_servers: bool,
    /// Whether the connection is to be the user's own, whatever the config allows.
    pub is_principals: bool,
    /// The number of the chat request, where the host keeps connections for it.
    pub request: Option<u64>,
    pub cancel: CancellationToken,
}

/// Runs one call. `None` is the reference's `undefined`: something outside the connection failed and was logged.
pub async fn reinit(manager: &Manager, call: &Reinit) -> Option<Reinitialized> {
    let name = call.server_name.as_deref().unwrap_or("undefined");
    let user_id = call.user.as_ref().and_then(|user| user.id.as_deref());
    let started = Started::now(Kind::Reinit, name, user_id);
    // One token for the requests of this call: its own abort, and the end of the runtime.
    let cancel = manager.closing().child_token();
    let run = Run {
        manager,
        call,
        settings: Arc::new(Settings::from_environment(&call.host.environment)),
        cancel: cancel.clone(),
        name,
    };
    let aborted = async {
        call.cancel.cancelled().await;
        cancel.cancel();
        std::future::pending().await
    };
    let outcome = tokio::select! {
        biased;
        never = aborted => never,
        outcome = run.run() => outcome,
    };
    let outcome = match outcome {
        Ok(result) => Some(result),
        // The end of the runtime aborts requests too.
        Err(error) if error.code == Code::Aborted && manager.closing().is_cancelled() => {
            Some(run.failed(Error::closed()))
        }
        Err(error) if matches!(error.code, Code::Aborted | Code::Closed) => Some(run.failed(error)),
        Err(error) => {
            let message =
                "[MCP Reinitialize] Error loading MCP Tools, servers may still be initializing:";
            call.host
                .logger
                .with(Level::Error, message, LogMeta::Error(error));
            None
        }
    };
    let result = match &outcome {
        None => "undefined",
        Some(result) => result.failure_reason.map_or(OK, FailureReason::as_str),
    };
    manager.record(started.ended(result, result != OK), &call.host.logger);
    outcome
}

struct Run<'a> {
    manager: &'a Manager,
    call: &'a Reinit,
    settings: Arc<Settings>,
    name: &'a str,
    cancel: CancellationToken,
}

impl Run<'_> {
    async fn run(&self) -> Result<Reinitialized> {
        let (call, name, logger) = (self.call, self.name, &self.call.host.logger);
        self.check()?;
        let mut config = self.config().await?;

        if config
            .as_ref()
            .is_some_and(|config| config.inspection_failed)
        {
            match self.reinspect(config.as_deref()).await? {
                Ok(inspected) => config = inspected,
                Err(error) => return Ok(self.unreachable(error)),
            }
        }

        let missing = config
            .as_ref()
            .map(|config| config.missing_custom_user_vars(call.user_vars.as_ref()))
            .unwrap_or_default();
        if !missing.is_empty() {
            let names = missing.join(", ");
            logger.warn(format!(
                "[MCP Reinitialize] Skipping server '{name}': required user-provided variable(s) not set: {names}. Tools \
                 will not be exposed until the user configures them."
            ));
            return Ok(self.missing_variables(missing));
        }

        let missing = self.missing_body_fields(config.as_deref()).await?;
        if !missing.is_empty() {
            logger.info(format!(
                "[MCP Reinitialize] Server '{name}' requires request body field(s) [{}] for runtime placeholders; \
                 connection deferred to first use in a chat turn",
                missing.join(", ")
            ));
            return Ok(self.deferred());
        }

        let before = self.generation(config.as_deref()).await?;
        let mut connected = Box::pin(self.connect(config.clone(), None)).await?;
        let mut listed = self.list(&mut connected).await?;
        if let Some(Err(error)) = &listed
            && let Some(refusal) = error.refusal().cloned()
            && connected.authorizes
            && !connected.asked.asked
        {
            // The session lives, but its token does not, and nothing but the user brings another.
            if let Some(lease) = connected.lease.take() {
                lease.discard();
            }
            connected = Box::pin(self.connect(config, Some(refusal))).await?;
            listed = self.list(&mut connected).await?;
        }
        let mut result = Reinitialized {
            oauth_required: connected.oauth_required,
            ..Reinitialized::default()
        };
        if let Some(issued) = connected.asked.issued.take() {
            result.oauth_url = issued.url;
            result.oauth_expires_at = Some(issued.expires_at);
        }
        let listed = match listed {
            Some(Err(error)) => {
                result.tools_error = Some(error);
                None
            }
            Some(Ok(list)) => Some(list),
            None => connected.discovered.take(),
        };
        let tools = match listed {
            Some(list) => {
                let before = before.as_deref();
                self.hand_over(&connected, list, before, &mut result)
                    .await?
            }
            None => 0,
        };
        self.conclude(
            &mut result,
            connected.lease.is_some() || connected.is_of_host,
            tools,
            connected.error,
        );
        Ok(result)
    }

    /// Fields of the chat request that the connection has to wait for. A host of June means them to be empty where it
    /// passes no request at all.
    async fn missing_body_fields(
        &self,
        config: Option<&ServerConfig>,
    ) -> Result<Vec<&'static str>> {
        let body = self.call.request_body.as_ref();
        let missing = config.map(|config| config.missing_body_fields(body));
        let missing = missing.unwrap_or_default();
        if missing.is_empty() || body.is_some() {
            return Ok(missing);
        }
        let abilities = self.until_cancelled(self.call.host.registry.abilities());
        Ok(if abilities.await?.is_current() {
            missing
        } else {
            Vec::new()
        })
    }

    fn scope(&self) -> CallScope<'_> {
        let call = self.call;
        CallScope {
            host: &call.host,
            settings: &self.settings,
            user: call.user.as_ref(),
            user_vars: call.user_vars.as_ref(),
            body: call.request_body.as_ref(),
            request: call.request,
            config_is_registered: call.server_config.is_none() && !call.has_config_servers,
            is_principals: call.is_principals,
        }
    }

    fn user_id(&self) -> Option<&str> {
        self.call.user.as_ref().and_then(|user| user.id.as_deref())
    }

    fn check(&self) -> Result<()> {
        if self.manager.closing().is_cancelled() {
            return Err(Error::closed());
        }
        if self.call.cancel.is_cancelled() {
            Err(Error::aborted())
        } else {
            Ok(())
        }
    }

    /// Every wait ends with the call's abort and with the runtime.
    async fn until_cancelled<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.call.cancel.cancelled() => Err(Error::aborted()),
            () = self.manager.closing().cancelled() => Err(Error::closed()),
            outcome = work => outcome,
        }
    }
}
