//! Steps 1 and 2: the server's config, and the second inspection of a server whose first one failed.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::run::Run;
use crate::error::{Code, Error, Result};
use crate::host::{Lookup, Storage};
use crate::log::{Level, LogMeta};
use crate::manager::registered_config;
use crate::server_config::ServerConfig;

const REINSPECTION_TIMEOUT: Duration = Duration::from_mins(1);

fn read(members: Map<String, Value>) -> Result<Arc<ServerConfig>> {
    ServerConfig::from_members(members).map(Arc::new)
}

impl Run<'_> {
    /// Step 1: the caller's config, else the registry's.
    pub(super) async fn config(&self) -> Result<Option<Arc<ServerConfig>>> {
        match &self.call.server_config {
            Some(members) => read(members.clone()).map(Some),
            None => self.lookup().await,
        }
    }

    async fn lookup(&self) -> Result<Option<Arc<ServerConfig>>> {
        let lookup = Lookup {
            user_id: self.user_id(),
            config_servers: true,
        };
        let looking_up = registered_config(&self.call.host, self.name, lookup);
        self.until_cancelled(looking_up).await?
    }

    /// Step 2: a server whose inspection failed earlier is inspected again. The inner error means "still unreachable".
    pub(super) async fn reinspect(
        &self,
        config: Option<&ServerConfig>,
    ) -> Result<Result<Option<Arc<ServerConfig>>>> {
        let (name, logger) = (self.name, &self.call.host.logger);
        let source = config.and_then(|config| config.source.as_deref());
        let still = || {
            Error::new(
                Code::ConnectionFailed,
                format!("The inspection of MCP server '{name}' failed"),
            )
        };
        if source == Some("config") {
            logger.info(format!(
                "[MCP Reinitialize] Config-source server {name} has inspectionFailed — retry handled by config cache"
            ));
            return Ok(Err(still()));
        }
        logger.info(format!(
            "[MCP Reinitialize] Server {name} had failed inspection, attempting reinspection"
        ));
        let storage = if source == Some("user") {
            Storage::Database
        } else {
            Storage::Cache
        };
        let reinspection = self
            .call
            .host
            .registry
            .reinspect(name, storage, self.user_id());
        let bounded = tokio::time::timeout(REINSPECTION_TIMEOUT, reinspection);
        let outcome = self.until_cancelled(bounded).await?;
        let outcome = outcome
            .unwrap_or_else(|_| Err(Error::timeout("The reinspection took longer than 60 s")));
        let members = match outcome {
            Ok(members) => members,
            Err(error) if matches!(error.code, Code::Closed) => return Err(error),
            Err(error) => {
                let message = format!("[MCP Reinitialize] Reinspection failed for server {name}:");
                logger.with(Level::Error, message, LogMeta::Error(error.clone()));
                return Ok(Err(still().caused_by(error)));
            }
        };
        logger.info(format!(
            "[MCP Reinitialize] Reinspection succeeded for server: {name}"
        ));
        let config = match members {
            Some(members) => Some(read(members)?),
            None => self.lookup().await?,
        };
        if config
            .as_ref()
            .is_some_and(|config| config.inspection_failed)
        {
            return Ok(Err(still()));
        }
        Ok(Ok(config))
    }
}
