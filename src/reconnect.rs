//! Reconnecting a user's servers from stored tokens, after a restart: the job of LibreChat's
//! `OAuthReconnectionManager`. Nobody is asked to authorize.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::now_ms;
use crate::connection::CallOptions;
use crate::error::Result;
use crate::host::{Host, Lookup};
use crate::manager::{Acquire, CallScope, Manager, registered_config};
use crate::oauth::{Reconnections, Storage};
use crate::server_config::ServerConfig;
use crate::settings::Settings;
use crate::user::User;

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// Between the beginnings of two reconnections, against storms.
const STAGGER: Duration = Duration::from_millis(500);

/// One user's servers.
#[derive(Clone)]
pub struct Reconnect {
    pub manager: Manager,
    pub host: Host,
    pub user_id: String,
    pub tracker: Arc<Reconnections>,
}

impl Reconnect {
    /// Begins to reconnect every OAuth server that the user has usable tokens for, and returns while that goes on.
    pub async fn all(&self) -> Result<()> {
        let configs = self
            .host
            .registry
            .all_server_configs(Some(&self.user_id))
            .await?;
        let mut count = 0u32;
        for (name, members) in configs {
            let Ok(config) = ServerConfig::from_members(members) else {
                continue;
            };
            if !config.runs_oauth_flow()
                || self.manager.has_user_connection(&self.user_id, &name)
                || !self.has_tokens(&name).await?
                || !self.tracker.begin(&self.user_id, &name)
            {
                continue;
            }
            let (reconnect, delay) = (self.clone(), STAGGER * count);
            count += 1;
            self.manager.spawn(async move {
                let attempt = async {
                    tokio::time::sleep(delay).await;
                    reconnect.attempt(&name).await;
                };
                let closing = reconnect.manager.closing();
                closing.run_until_cancelled(attempt).await;
            });
        }
        Ok(())
    }

    /// Reconnects one server; whether that worked.
    pub async fn one(&self, server_name: &str) -> bool {
        self.tracker.begin(&self.user_id, server_name);
        self.attempt(server_name).await
    }

    async fn has_tokens(&self, server_name: &str) -> Result<bool> {
        let storage = Storage::of_host(&self.host, &self.user_id, server_name)?;
        Ok(match storage.access_expiry().await? {
            Some(expiry) if expiry.is_none_or(|end| end >= now_ms()) => true,
            _ => storage.has_refresh_token().await?,
        })
    }

    async fn attempt(&self, server_name: &str) -> bool {
        let (user_id, logger) = (&self.user_id, &self.host.logger);
        let prefix = format!("[tryReconnectOAuthMCPServer][User: {user_id}][{server_name}]");
        logger.info(format!("{prefix} Attempting reconnection"));
        match self.connect(server_name).await {
            Ok(()) => {
                logger.info(format!("{prefix} Successfully reconnected"));
                self.tracker.clear(user_id, server_name);
                true
            }
            Err(error) => {
                logger.warn(format!("{prefix} Failed to reconnect: {error}"));
                self.tracker.failed(user_id, server_name);
                false
            }
        }
    }

    async fn connect(&self, server_name: &str) -> Result<()> {
        let user = User {
            id: Some(self.user_id.clone()),
            fields: std::iter::once(("id".to_owned(), self.user_id.clone())).collect(),
            ..User::default()
        };
        let settings = Arc::new(Settings::from_environment(&self.host.environment));
        let call = CallScope {
            host: &self.host,
            settings: &settings,
            user: Some(&user),
            user_vars: None,
            body: None,
            request: None,
            config_is_registered: true,
            is_principals: false,
        };
        let lookup = Lookup {
            user_id: Some(&self.user_id),
            config_servers: false,
        };
        let config = registered_config(&self.host, server_name, lookup).await?;
        if config.as_ref().is_some_and(|it| it.is_bound_to_request()) {
            return Ok(());
        }
        let server = self.manager.scope(&call, server_name, config).await?;
        let recipe = Arc::new(self.manager.recipe(&call, &server, None)?);
        let limit = recipe.config.init_timeout.unwrap_or(DEFAULT_TIMEOUT);
        let options = CallOptions::new(Instant::now() + limit, self.manager.closing().clone());
        let mut request = Acquire::new(server.key, recipe, options);
        request.updated_at = server.config.updated_at;
        self.manager.acquire(&request).await.map(drop)
    }
}
