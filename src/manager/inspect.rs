//! Looking at a server before it is used: does it want OAuth, what does it offer
//! (`packages/api/src/mcp/registry/MCPServerInspector.ts`).

use std::sync::Arc;
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{CallScope, Key, Lease, Manager, MissingFields, Naming, Owner, ServerScope};
use crate::connection::{
    CallOptions, Connection, DEFAULT_INIT_TIMEOUT, Recipe, ToolList, list_tools,
};
use crate::error::{Error, Result};
use crate::network::{NetworkRules, is_domain_allowed};
use crate::oauth::{Asking, Endpoints, detect};
use crate::server_config::{ServerConfig, ServerInstructions};

/// What is to be inspected.
pub struct Inspect {
    pub server_name: String,
    /// The members of the config.
    pub members: Map<String, Value>,
    /// The host's rules, where the caller brought none.
    pub rules: NetworkRules,
    /// An open connection to ask; else one is made for the inspection and closed after it.
    pub connection: Option<Lease>,
    pub cancel: CancellationToken,
}

/// What the config gains. A member that is `None` stays as it was.
#[derive(Default)]
pub struct Inspection {
    /// `None` where it cannot be known before a user's values are filled into the URL.
    pub requires_oauth: Option<bool>,
    /// The protected resource document (RFC 9728), or none, where the server was asked.
    pub oauth_metadata: Option<Option<Value>>,
    /// The server's own instructions, where the config wants these.
    pub instructions: Option<Option<String>>,
    /// JSON text.
    pub capabilities: Option<String>,
    /// The names of the tools, comma-separated.
    pub tools: Option<String>,
    /// LibreChat's function format: the text of a JSON object.
    pub tool_functions: Option<String>,
    pub duration: Duration,
}

/// Why there is no inspection.
pub enum NotInspected {
    /// The origin of the server's URL.
    Domain(String),
    Failed(Error),
}

impl From<Error> for NotInspected {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Manager {
    pub async fn inspect(
        &self,
        call: &CallScope<'_>,
        request: Inspect,
    ) -> Result<Inspection, NotInspected> {
        let start = Instant::now();
        let mut config = ServerConfig::from_members(request.members.clone())?;
        config.check_process()?;
        let url = config.url.as_deref().unwrap_or_default();
        if !is_domain_allowed(url, &request.rules).await {
            let origin = Url::parse(url).map(|url| url.origin().ascii_serialization());
            return Err(NotInspected::Domain(
                origin.unwrap_or_else(|_| "unknown".to_owned()),
            ));
        }
        let mut found = Inspection::default();
        let api_key = ApiKey::of(&request.members);
        if config.requires_oauth.is_none() {
            self.detect_oauth(call, &request, &config, api_key, &mut found)
                .await?;
            config.requires_oauth = found.requires_oauth;
        } else if config.grant().is_some() {
            found.requires_oauth = config.requires_oauth;
        }
        let asks_users = config.is_oauth_server()
            || config.requires_user_scoped_connection()
                && !shared_by_policy(call, &request, &config).await?
            || api_key == ApiKey::User;
        if config.startup && !asks_users {
            self.ask(call, request, &config, &mut found).await?;
        }
        found.duration = start.elapsed();
        Ok(found)
    }

    async fn detect_oauth(
        &self,
        call: &CallScope<'_>,
        request: &Inspect,
        config: &ServerConfig,
        api_key: ApiKey,
        found: &mut Inspection,
    ) -> Result<()> {
        // A server that wants a key, or the user's own token, answers like one that wants OAuth; the config says which
        // it is.
        let is_keyed = api_key != ApiKey::None && config.oauth.is_none() || config.forwards_token();
        if config.command.is_some() || config.url.is_none() || !config.startup || is_keyed {
            // Whoever wrote an `oauth` has decided, whatever is not asked here.
            found.requires_oauth = Some(config.url.is_some() && config.runs_oauth_flow());
            return Ok(());
        }
        if config.has_url_placeholders() {
            return Ok(());
        }
        let (server, environment) = (shared(request, config), &call.host.environment);
        let recipe = self.recipe(call, &server, None)?;
        let Some(url) = recipe.config.url() else {
            return Ok(());
        };
        let url = Url::parse(&url).map_err(|_| Error::invalid_config("Invalid URL"))?;
        let endpoints = Endpoints::new(
            self.http().clone(),
            &recipe.rules,
            environment,
            recipe.config.proxy(),
            &IndexMap::new(),
        )?
        .asking(Asking::of(&recipe.config.transport).keeping(recipe.config.secrets()))
        .told_of(Some(&recipe.server_name), None);
        let limit = recipe.config.init_timeout;
        let detecting = detect(&endpoints, &url, call.settings, limit);
        let detection = self.until_cancelled(&request.cancel, detecting).await?;
        found.requires_oauth = Some(detection.requires_oauth || config.runs_oauth_flow());
        found.oauth_metadata = Some(detection.metadata);
        Ok(())
    }

    /// Asks the server itself: what it says of itself, and its tools.
    async fn ask(
        &self,
        call: &CallScope<'_>,
        request: Inspect,
        config: &ServerConfig,
        found: &mut Inspection,
    ) -> Result<()> {
        let recipe = Arc::new(Recipe {
            // Nobody is to hear of a connection that is in no pool.
            observer: None,
            ..self.recipe(call, &shared(&request, config), None)?
        });
        let limit = recipe.config.init_timeout.unwrap_or(DEFAULT_INIT_TIMEOUT);
        let mut options = CallOptions::new(tokio::time::Instant::now() + limit, request.cancel);
        options.trace.clone_from(&call.host.trace);
        let naming = Naming::of(call.host).await?;
        if let Some(lease) = &request.connection {
            self.read(lease.connection(), &options, config, naming, found)
                .await;
            return Ok(());
        }
        let connection = self.temporary(&recipe, &options).await?;
        self.read(&connection, &options, config, naming, found)
            .await;
        connection.close().await;
        Ok(())
    }

    /// What cannot be read stays as it was, as in the reference: a server that does not list its tools is still there.
    async fn read(
        &self,
        connection: &Connection,
        options: &CallOptions,
        config: &ServerConfig,
        naming: Naming,
        found: &mut Inspection,
    ) {
        if let Ok(described) = connection.described() {
            if matches!(
                config.server_instructions,
                Some(ServerInstructions::FromServer)
            ) {
                found.instructions = Some(described.instructions.clone());
            }
            found.capabilities = serde_json::to_string(&described.capabilities).ok();
        }
        let logger = &connection.recipe.logger;
        let prefix = connection.recipe.log_prefix();
        connection.expire_lists();
        let described = list_tools(connection, options).await.and_then(|list| {
            let described = self.describe(&list, &connection.recipe, naming);
            described.map(|described| (list, described))
        });
        match described {
            Ok((list, (names, functions))) => {
                if let Some(incomplete) = list.incomplete {
                    logger.warn(format!("{prefix} {incomplete}"));
                }
                found.tools = Some(names);
                found.tool_functions = Some(functions);
            }
            Err(error) => logger.error(format!("{prefix} Failed to fetch tools: {error}")),
        }
    }

    /// The names of the tools, and the tools as functions.
    fn describe(
        &self,
        list: &ToolList,
        recipe: &Recipe,
        naming: Naming,
    ) -> Result<(String, String)> {
        #[derive(Deserialize)]
        struct Named {
            name: String,
        }
        let user_id = recipe.user_id.as_deref();
        let server_name = &recipe.server_name;
        let tools = &self.for_models(user_id, server_name, &list.tools);
        let functions =
            self.functions(user_id, server_name, tools, naming, MissingFields::Omitted)?;
        let names: Vec<Named> = serde_json::from_str(tools.outline()).unwrap_or_default();
        let names: Vec<_> = names.into_iter().map(|tool| tool.name).collect();
        Ok((names.join(", "), functions))
    }
}

/// Whether users share a server by the host's own policy although its config names them: its tools are then listed over the
/// connection of all, too.
async fn shared_by_policy(
    call: &CallScope<'_>,
    request: &Inspect,
    config: &ServerConfig,
) -> Result<bool> {
    let registry = &call.host.registry;
    Ok(config.is_shared_but_for_placeholders()
        && registry.shares(&request.server_name).await? == Some(true))
}

/// The server as those see it who have no name: no placeholder of a user is filled in.
fn shared(request: &Inspect, config: &ServerConfig) -> ServerScope {
    ServerScope {
        key: Key::new(Owner::App, &request.server_name),
        config: Arc::new(config.clone()),
        rules: request.rules.clone(),
    }
}

/// Whose key the config's `apiKey` is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ApiKey {
    None,
    Admin,
    User,
}

impl ApiKey {
    fn of(members: &Map<String, Value>) -> Self {
        match members.get("apiKey").and_then(Value::as_object) {
            None => Self::None,
            Some(key) if key.get("source").is_some_and(|source| source == "user") => Self::User,
            Some(_) => Self::Admin,
        }
    }
}
