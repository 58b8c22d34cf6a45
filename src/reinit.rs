//! `reinitMCPServer`: connect a server for a user, list its tools, tell the host.
//!
//! Follows `api/server/services/Tools/mcp.js` of the reference step by step; where the specification says better
//! (chapter 2), it is better.

mod answer;
mod config;
mod connect;

pub use answer::{AvailableTools, FailureReason, Reinitialized};

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::connection::{Connection, RawTools};
use crate::error::{Code, Error, Result};
use crate::host::{Host, Level, LogMeta, User};
use crate::manager::{CallScope, Lease, Manager, Publication, publish_tools};
use crate::settings::Settings;
use crate::telemetry::{Kind, OK, Started};

/// The parameters of one call.
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
        settings: Settings::from_environment(&call.host.environment),
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
    settings: Settings,
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
            match self.reinspect(config.as_ref()).await? {
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

        if let (Some(body), Some(config)) = (&call.request_body, &config) {
            let fields = config.body_placeholders();
            let missing: Vec<_> = fields
                .into_iter()
                .filter(|field| body.get(*field).is_none_or(String::is_empty))
                .collect();
            if !missing.is_empty() {
                logger.info(format!(
                    "[MCP Reinitialize] Server '{name}' requires request body field(s) [{}] for runtime placeholders; \
                     connection deferred to first use in a chat turn",
                    missing.join(", ")
                ));
                return Ok(self.deferred());
            }
        }

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
        if let Some(issued) = connected.asked.issued {
            result.oauth_url = issued.url;
            result.oauth_expires_at = Some(issued.expires_at);
        }
        let listed = match listed {
            Some(Err(error)) => {
                result.tools_error = Some(error);
                None
            }
            Some(Ok(list)) => Some(list),
            None => connected.discovered,
        };
        if let Some(list) = listed {
            let mut stale = false;
            result.tools_error.clone_from(&list.left_out);
            if let Some(incomplete) = &list.incomplete {
                logger.warn(format!("[MCP Reinitialize] {name}: {incomplete}"));
                result.tools_error = Some(incomplete.clone());
            }
            if list.tools.count() > 0 {
                let connection = connected.lease.as_ref().map(Lease::connection);
                match self.publish(connection, &list.tools).await? {
                    Some(available) => result.available_tools = available,
                    None => stale = true,
                }
            }
            let count = if stale { 0 } else { list.tools.count() };
            let shown = !stale && (count > 0 || !connected.oauth_required);
            result.tools = Some(list.tools).filter(|_| shown);
            self.conclude(
                &mut result,
                connected.lease.is_some(),
                count,
                connected.error,
            );
        } else {
            self.conclude(&mut result, connected.lease.is_some(), 0, connected.error);
        }
        Ok(result)
    }

    /// Step 7: the host formats and stores the tools; without a user or a host they are formatted here.
    /// `None`: they were out of date already.
    async fn publish(
        &self,
        connection: Option<&Connection>,
        tools: &Arc<RawTools>,
    ) -> Result<Option<Option<AvailableTools>>> {
        let (Some(publisher), Some(user_id)) = (&self.call.host.publisher, self.user_id()) else {
            let formatted = crate::manager::format_tools(self.name, tools)?;
            return Ok(Some(Some(AvailableTools::Native(formatted))));
        };
        let publishing = async {
            if let Some(connection) = connection {
                publish_tools(publisher, connection, user_id, self.name, tools).await
            } else {
                let taken = publisher.publish(user_id, self.name, tools, None);
                taken.await.map(Publication::Taken)
            }
        };
        Ok(match self.until_cancelled(publishing).await? {
            Publication::Taken(tools) => Some(tools.map(AvailableTools::Host)),
            Publication::Stale => None,
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
