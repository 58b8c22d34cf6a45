//! Deciding whose connection serves a call, and what that connection is made from.

use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use indexmap::IndexMap;
use tokio_util::sync::CancellationToken;

use super::key::{Key, Owner};
use super::state::Manager;
use crate::connection::{CallOptions, Caller};
use crate::error::{Code, Error, Result};
use crate::governance::PinScope;
use crate::host::{Host, Lookup, Peer, RulesOfCall};
use crate::log::log_prefix;
use crate::network::NetworkRules;
use crate::secret::Secret;
use crate::server_config::{
    Context, Fingerprint, ServerConfig, ToolRules, TransportKind, fingerprint, headers_for_call,
    headers_for_tool_call,
};
use crate::settings::Settings;
use crate::user::User;

/// JSON-RPC "invalid request", the code of the reference's `McpError`s.
const INVALID_REQUEST: i64 = -32600;

/// What a call brings along.
pub struct CallScope<'a> {
    pub host: &'a Host,
    pub settings: &'a Arc<Settings>,
    pub user: Option<&'a User>,
    /// The user's values for the server's `customUserVars`.
    pub user_vars: Option<&'a IndexMap<String, String>>,
    /// Fields of the chat request, for `{{LIBRECHAT_BODY_*}}`.
    pub body: Option<&'a IndexMap<String, String>>,
    /// The number of the chat request, where the host keeps connections for it.
    pub request: Option<u64>,
    /// The config came from the registry alone, so an app-level one need not be asked for again.
    pub config_is_registered: bool,
    /// The caller has decided that the connection is the user's own.
    pub is_principals: bool,
}

/// The tokens that the headers of one call carry.
#[derive(Clone, Copy, Default)]
pub struct HeaderTokens<'a> {
    /// For Microsoft Graph.
    pub graph: Option<&'a Secret>,
    /// On behalf of the user, or the user's own.
    pub access: Option<&'a Secret>,
}

/// A server as one call reaches it.
#[derive(Clone)]
pub struct ServerScope {
    pub key: Key,
    pub config: Arc<ServerConfig>,
    /// What connections may reach, for this call.
    pub rules: NetworkRules,
}

impl ServerScope {
    /// What operators decide about its tools.
    pub fn rules_of_tools(&self, host: &Host) -> Result<Option<Arc<ToolRules>>> {
        let all = host.tool_rules()?;
        Ok(ToolRules::effective(self.config.rules.as_ref(), all))
    }
}

impl CallScope<'_> {
    /// The headers of this call, over those that the connection was made with, where they are others. Shared connections
    /// have none.
    fn headers(&self, server: &ServerScope, tokens: HeaderTokens<'_>) -> Result<Option<HeaderMap>> {
        let owner = &server.key.owner;
        // A user's token takes the place of a connection's `Authorization`, and not of a call's.
        let differ = server.config.has_headers_of_calls(&self.host.environment)
            || server.config.runs_oauth_flow();
        if *owner == Owner::App || server.config.headers.is_empty() || !differ {
            return Ok(None);
        }
        let context = self.header_context(server, tokens);
        headers_for_call(&server.config, &context).map(Some)
    }

    /// The same for `tools/call`, where that carries others.
    fn tool_headers(
        &self,
        server: &ServerScope,
        tokens: HeaderTokens<'_>,
    ) -> Result<Option<HeaderMap>> {
        if server.key.owner == Owner::App || !server.config.has_request_headers() {
            return Ok(None);
        }
        let context = self.header_context(server, tokens);
        headers_for_tool_call(&server.config, &context).map(Some)
    }

    fn header_context<'b>(&'b self, server: &ServerScope, tokens: HeaderTokens<'b>) -> Context<'b> {
        Context {
            graph_token: tokens.graph,
            openid_token: tokens.access.filter(|_| !server.config.exchanges_tokens()),
            ..self.context(&server.key.owner)
        }
    }

    /// Gives a request the headers of this call, with nobody's tokens but its own, and its place in the host's traces.
    pub fn set_headers(
        &self,
        server: &ServerScope,
        tokens: HeaderTokens<'_>,
        options: &mut CallOptions,
    ) -> Result<()> {
        let on_behalf = server.config.exchanges_tokens();
        let bearer = tokens.access.filter(|_| on_behalf);
        options.headers = with_bearer(self.headers(server, tokens)?.map(Arc::new), bearer);
        let of_tools = self.tool_headers(server, tokens)?.map(Arc::new);
        options.tool_headers = of_tools.and_then(|headers| with_bearer(Some(headers), bearer));
        options.trace.clone_from(&self.host.trace);
        options.pins = PinScope::of_call(self.host, server.config.rules.as_deref());
        Ok(())
    }

    /// Whom the server may ask during this call, which may be one of a tool.
    pub(super) fn caller(&self, server_name: &str, tool_name: Option<&str>) -> Caller {
        Caller {
            peer: Peer {
                server_name: server_name.to_owned(),
                user_id: self.user_id().map(str::to_owned),
                tool_name: tool_name.map(str::to_owned),
            },
            host: self.host.server_requests.clone(),
        }
    }

    /// Fails for a caller who has not set all that the config wants of each user.
    pub fn check_user_vars(&self, server: &ServerScope) -> Result<()> {
        let missing = server.config.missing_custom_user_vars(self.user_vars);
        if missing.is_empty() {
            return Ok(());
        }
        Err(missing_user_vars(&server.key.server_name, &missing))
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
                openid_token: None,
            },
        }
    }

    /// Identifies what a connection of this call is made from.
    pub(super) fn fingerprint(&self, server: &ServerScope) -> Result<Fingerprint> {
        let context = self.context(&server.key.owner);
        Ok(fingerprint(
            &server.config,
            &context,
            &server.rules,
            self.host.tool_rules()?.map(AsRef::as_ref),
        ))
    }

    /// The config as users without a name see it, where the call may be served over it: one that a tenant or a user has
    /// changed gets a connection of its own. Where the registry does not tell, what it gave to this user alone is the same
    /// as for all, unless it is the user's own.
    async fn app_config(
        &self,
        server_name: &str,
        known: Option<&Arc<ServerConfig>>,
    ) -> Result<Option<Arc<ServerConfig>>> {
        if let Some(config) = known
            && let Some(is_own) = (self.host.registry)
                .is_app_server_config(server_name)
                .await?
        {
            return Ok(is_own.then(|| Arc::clone(config)));
        }
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

/// Puts a token over the headers of a request, so that none but the call's own is ever sent.
pub fn with_bearer(
    headers: Option<Arc<HeaderMap>>,
    bearer: Option<&Secret>,
) -> Option<Arc<HeaderMap>> {
    let Some(bearer) = bearer else {
        return headers;
    };
    let mut headers = headers.map(Arc::unwrap_or_clone).unwrap_or_default();
    // An exchanged token was checked to fit a header when it came.
    if let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {}", bearer.expose())) {
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Some(Arc::new(headers))
}

/// The config that the host's registry has.
pub async fn registered_config(
    host: &Host,
    server_name: &str,
    lookup: Lookup<'_>,
) -> Result<Option<Arc<ServerConfig>>> {
    let raw = host.registry.server_config(server_name, lookup).await?;
    raw.map(|raw| raw.config()).transpose()
}

/// Whether a server of all may be shared in this call: a tenant with network rules of its own shares only what these do
/// not concern, which is processes.
#[must_use]
pub fn may_be_shared(config: &ServerConfig, of_tenant: bool) -> bool {
    !of_tenant || config.command.is_some()
}

/// The error of a caller who has not set these variables of the server.
#[must_use]
pub fn missing_user_vars(server_name: &str, missing: &[String]) -> Error {
    let names = missing.join(", ");
    Error::new(
        Code::MissingUserVars,
        format!(
            "MCP server '{server_name}' requires user-provided variable(s) [{names}] which are not set"
        ),
    )
}

/// A connection is not made with placeholders of a chat request that is not there. A host of June means them to be empty.
async fn check_body_fields(
    call: &CallScope<'_>,
    user_id: &str,
    server_name: &str,
    config: &ServerConfig,
) -> Result<()> {
    let missing = config.missing_body_fields(call.body);
    if missing.is_empty() || !call.host.registry.abilities().await?.is_current() {
        return Ok(());
    }
    let text = format!(
        "{} Request body field(s) required to resolve runtime MCP placeholders: {}.",
        log_prefix(Some(user_id), server_name),
        missing.join(", ")
    );
    Err(Error::mcp(Code::InvalidArgument, INVALID_REQUEST, &text))
}

/// Identifies a config without what calls and users fill in.
pub fn template(host: &Host, config: &ServerConfig, rules: &NetworkRules) -> Result<Fingerprint> {
    Ok(fingerprint(
        config,
        &Context::of_environment(&host.environment),
        rules,
        host.tool_rules()?.map(AsRef::as_ref),
    ))
}

/// A transport may have no place for the headers of single requests.
pub(super) fn check_request_headers(config: &ServerConfig, kind: TransportKind) -> Result<()> {
    if !config.has_request_headers() || kind.has_headers_per_request() {
        return Ok(());
    }
    Err(Error::invalid_config(format!(
        "requestHeaders is not available over the {} transport: its requests have no headers of their own",
        kind.as_str()
    )))
}

impl Manager {
    /// The server of a call, with the config that the call was given or else the registry's. The wait for the host ends
    /// with the call.
    pub async fn server(
        &self,
        call: &CallScope<'_>,
        server_name: &str,
        given: Option<Arc<ServerConfig>>,
        cancel: &CancellationToken,
    ) -> Result<ServerScope> {
        let finding = async {
            let config = match given {
                Some(config) => Some(config),
                None => self.registered(call, server_name).await?,
            };
            self.scope(call, server_name, config).await
        };
        self.until_cancelled(cancel, finding).await?
    }

    /// The config that the registry has for this user.
    pub async fn registered(
        &self,
        scope: &CallScope<'_>,
        server_name: &str,
    ) -> Result<Option<Arc<ServerConfig>>> {
        let lookup = Lookup {
            user_id: scope.user_id(),
            config_servers: true,
        };
        registered_config(scope.host, server_name, lookup).await
    }

    /// App-level where the registry's app-level config allows it, else the user's own connection
    /// (`packages/api/src/mcp/MCPManager.ts`, `getConnection`).
    pub async fn scope(
        &self,
        call: &CallScope<'_>,
        server_name: &str,
        mut config: Option<Arc<ServerConfig>>,
    ) -> Result<ServerScope> {
        let name: Arc<str> = Arc::from(server_name);
        let key = |owner| Key {
            owner,
            server_name: Arc::clone(&name),
        };
        let RulesOfCall { rules, of_tenant } = call.host.registry.network_rules().await?;
        let server = |key, config| ServerScope { key, config, rules };
        let user_id = call.user_id();
        if let Some(id) = user_id
            && let Some(own) = config.take_if(|config| {
                call.is_principals
                    || config.requires_user_scoped_connection()
                    || config.has_request_headers()
            })
        {
            check_body_fields(call, id, server_name, &own).await?;
            return Ok(server(key(self.user_owner(call, id, &own)), own));
        }
        if let Some(shared) = call
            .app_config(server_name, config.as_ref())
            .await?
            .filter(|config| config.allows_app_connection())
            .filter(|config| may_be_shared(config, of_tenant && user_id.is_some()))
        {
            return Ok(server(key(Owner::App), shared));
        }
        match (user_id, config) {
            (Some(id), Some(config)) => Ok(server(key(self.user_owner(call, id, &config)), config)),
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
}
