//! Deciding whose connection serves a call, and what that connection is made from.

use std::sync::Arc;

use http::HeaderMap;
use indexmap::IndexMap;

use super::watch::KeyObserver;
use super::{Key, Manager, Owner};
use crate::connection::{Caller, Recipe, now_ms};
use crate::error::{Code, Error, Result};
use crate::host::{Host, Lookup, NetworkRules, Peer, User};
use crate::network::Policy;
use crate::secret::Secret;
use crate::server_config::{
    Context, ServerConfig, Transport, fingerprint, headers_for_call, resolve,
};
use crate::settings::Settings;
use crate::transport::Bearer;

/// JSON-RPC "invalid request", the code of the reference's `McpError`s.
const INVALID_REQUEST: i64 = -32600;

/// What a call brings along.
pub struct CallScope<'a> {
    pub host: &'a Host,
    pub settings: &'a Settings,
    pub user: Option<&'a User>,
    /// The user's values for the server's `customUserVars`.
    pub user_vars: Option<&'a IndexMap<String, String>>,
    /// Fields of the chat request, for `{{LIBRECHAT_BODY_*}}`.
    pub body: Option<&'a IndexMap<String, String>>,
    /// The number of the chat request, where the host keeps connections for it.
    pub request: Option<u64>,
    /// The config came from the registry alone, so an app-level one need not be asked for again.
    pub config_is_registered: bool,
}

/// A server as one call reaches it.
#[derive(Clone)]
pub struct ServerScope {
    pub key: Key,
    pub config: ServerConfig,
}

impl CallScope<'_> {
    /// The headers of this call, over those that the connection was made with. Shared connections have none.
    pub fn headers(
        &self,
        server: &ServerScope,
        graph_token: Option<&Secret>,
    ) -> Result<Option<HeaderMap>> {
        let owner = &server.key.owner;
        if *owner == Owner::App || server.config.headers.is_empty() {
            return Ok(None);
        }
        let context = Context {
            graph_token,
            ..self.context(owner)
        };
        headers_for_call(&server.config, &context).map(Some)
    }

    /// Whom the server may ask during this call.
    pub(super) fn caller(&self, server_name: &str) -> Caller {
        Caller {
            peer: Peer {
                server_name: server_name.to_owned(),
                user_id: self.user_id().map(str::to_owned),
            },
            host: self.host.server_requests.clone(),
        }
    }

    fn user_id(&self) -> Option<&str> {
        self.user.and_then(|user| user.id.as_deref())
    }

    /// The values that placeholders take. Shared connections see no user.
    #[must_use]
    pub fn context<'b>(&'b self, owner: &Owner) -> Context<'b> {
        let environment = &self.host.environment;
        match owner {
            Owner::App => Context::of_environment(environment),
            Owner::User(_) | Owner::Request { .. } => Context {
                environment,
                user: self.user,
                custom_user_vars: self.user_vars,
                body: self.body,
                graph_token: None,
            },
        }
    }

    /// The config as users without a name see it. One that the registry gave to this user is the same, unless it is
    /// the user's own.
    async fn app_config(
        &self,
        server_name: &str,
        known: Option<&ServerConfig>,
    ) -> Result<Option<ServerConfig>> {
        if self.config_is_registered && known.is_none_or(|config| !config.is_user_sourced()) {
            return Ok(known.cloned());
        }
        let lookup = Lookup {
            user_id: None,
            config_servers: false,
        };
        registered_config(self.host, server_name, lookup).await
    }
}

/// The config that the host's registry has.
pub async fn registered_config(
    host: &Host,
    server_name: &str,
    lookup: Lookup<'_>,
) -> Result<Option<ServerConfig>> {
    let members = host.registry.server_config(server_name, lookup).await?;
    members.map(ServerConfig::from_members).transpose()
}

impl Manager {
    /// App-level where the registry's app-level config allows it, else the user's own connection
    /// (`packages/api/src/mcp/MCPManager.ts`, `getConnection`).
    pub async fn scope(
        &self,
        call: &CallScope<'_>,
        server_name: &str,
        config: Option<ServerConfig>,
    ) -> Result<ServerScope> {
        let name: Arc<str> = Arc::from(server_name);
        let key = |owner| Key {
            owner,
            server_name: Arc::clone(&name),
        };
        let user_id = call.user_id();
        if let (Some(id), Some(own)) = (
            user_id,
            config
                .as_ref()
                .filter(|config| config.requires_user_scoped_connection()),
        ) {
            return Ok(ServerScope {
                key: key(self.user_owner(call, id, own)),
                config: own.clone(),
            });
        }
        if let Some(shared) = call
            .app_config(server_name, config.as_ref())
            .await?
            .filter(ServerConfig::allows_app_connection)
        {
            return Ok(ServerScope {
                key: key(Owner::App),
                config: shared,
            });
        }
        match (user_id, config) {
            (Some(id), Some(config)) => Ok(ServerScope {
                key: key(self.user_owner(call, id, &config)),
                config,
            }),
            (Some(id), None) => Err(Error::mcp(
                Code::ConfigNotFound,
                INVALID_REQUEST,
                &format!("[MCP][User: {id}] Configuration for server \"{server_name}\" not found."),
            )),
            (None, Some(_)) => Err(Error::mcp(
                Code::UserRequired,
                INVALID_REQUEST,
                &format!("No connection found for server {server_name}"),
            )),
            (None, None) => Err(Error::mcp(
                Code::ConfigNotFound,
                INVALID_REQUEST,
                &format!("No connection found for server {server_name}"),
            )),
        }
    }

    /// What a connection of this scope is made from.
    pub async fn recipe(&self, call: &CallScope<'_>, server: &ServerScope) -> Result<Recipe> {
        let rules = call.host.registry.network_rules().await?;
        self.recipe_under(call, server, rules)
    }

    /// The same, under rules that are known already.
    pub(super) fn recipe_under(
        &self,
        call: &CallScope<'_>,
        server: &ServerScope,
        rules: NetworkRules,
    ) -> Result<Recipe> {
        let context = call.context(&server.key.owner);
        let config = resolve(&server.config, &context)?;
        let policy = Policy::new(&rules, &call.host.environment, config.proxy())?;
        if let Transport::Http { url, .. } = &config.transport {
            // Before anything is asked of the server, its authorization included.
            policy.check_url(url)?;
        }
        let mut recipe = Recipe {
            server_name: server.key.server_name.to_string(),
            user_id: server.key.owner.user_id().map(str::to_owned),
            fingerprint: fingerprint(&server.config, &context),
            made_at: now_ms(),
            config,
            bearer: Bearer::default(),
            tokens: None,
            policy,
            rules,
            http: self.0.http.clone(),
            children: self.0.children.clone(),
            settings: call.settings.clone(),
            metrics: Arc::clone(&self.0.metrics),
            environment: call.host.environment.clone(),
            server_requests: call.host.server_requests.clone(),
            publisher: call.host.publisher.clone(),
            observer: Some(Arc::new(KeyObserver {
                manager: Arc::downgrade(&self.0),
                key: server.key.clone(),
            })),
            logger: call.host.logger.clone(),
        };
        if let Some(authorizer) = self.authorizer(call, server, &recipe)? {
            recipe.tokens = Some(Arc::new(authorizer));
        } else {
            let kind = recipe.config.transport.kind();
            recipe.tokens = self.obo_tokens(call, server, kind)?;
        }
        Ok(recipe)
    }
}
