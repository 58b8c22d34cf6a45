//! `reinitMCPServer`: connect a server for a user, list its tools, tell the host.
//!
//! Follows `api/server/services/Tools/mcp.js` of the reference step by step; where the specification says better
//! (chapter 2), it is better.

mod answer;
mod config;
mod connect;
mod run;
mod tools;

pub use answer::{AvailableTools, FailureReason, Reinitialized};
pub use run::Reinit;

use crate::connection::is_superseded;
use crate::error::{Code, Error, Result};
use crate::log::{Level, LogMeta};
use crate::manager::Manager;
use crate::server_config::ServerConfig;
use crate::telemetry::{Kind, OK, Started};
use run::Run;

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
        let (mut refusal, mut was_superseded) = (None, false);
        let (mut connected, listed) = loop {
            let mut connected = Box::pin(self.connect(config.clone(), refusal)).await?;
            let listed = self.list(&mut connected).await?;
            let failed = listed.as_ref().and_then(|listed| listed.as_ref().err());
            if let (Some(known), Some(error)) = (&config, failed.or(connected.error.as_ref()))
                && self.scope().hear_challenge(name, known, error)
            {
                (config, refusal) = (self.config().await?, None);
                continue;
            }
            let may_ask = connected.authorizes && !connected.asked.was_asked;
            let error = listed.as_ref().and_then(|listed| listed.as_ref().err());
            refusal = error.filter(|_| may_ask).and_then(Error::refusal).cloned();
            let is_anew = !was_superseded && error.is_some_and(is_superseded);
            was_superseded |= is_anew;
            if refusal.is_none() && !is_anew {
                break (connected, listed);
            }
            // The session lives, but its token does not, and nothing but the user brings another.
            if let (Some(_), Some(lease)) = (&refusal, connected.lease.take()) {
                lease.discard();
            }
        };
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
        Ok(if abilities.await??.is_current() {
            missing
        } else {
            Vec::new()
        })
    }
}
