//! `reinitMCPServer`: connect a server for a user, list its tools, tell the host.
//!
//! Follows `api/server/services/Tools/mcp.js` of the reference step by step; where the specification says better
//! (chapter 2), it is better.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::connection::{CallOptions, ToolList, list_tools};
use crate::error::{Code, Error, Result};
use crate::host::{Host, HostValue, Level, LogMeta, Lookup, RawTools, Storage, User};
use crate::manager::{
    Acquire, Asked, CallScope, Consent, Discover, Lease, Manager, OboCall, ServerScope,
    registered_config, with_bearer,
};
use crate::obo::TokenUse;
use crate::secret::Secret;
use crate::server_config::ServerConfig;
use crate::settings::Settings;

const DEFAULT_BUDGET: Duration = Duration::from_secs(30);
const REINSPECTION_TIMEOUT: Duration = Duration::from_mins(1);

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
    pub cancel: CancellationToken,
}

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

/// Runs one call. `None` is the reference's `undefined`: something outside the connection failed and was logged.
pub async fn reinit(manager: &Manager, call: &Reinit) -> Option<Reinitialized> {
    // One token for the requests of this call: its own abort, and the end of the runtime.
    let cancel = manager.closing().child_token();
    let run = Run {
        manager,
        call,
        settings: Settings::from_environment(&call.host.environment),
        cancel: cancel.clone(),
        name: call.server_name.as_deref().unwrap_or("undefined"),
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
    match outcome {
        Ok(result) => Some(result),
        Err(error) if matches!(error.code, Code::Aborted | Code::Closed) => Some(run.failed(error)),
        Err(error) => {
            let message =
                "[MCP Reinitialize] Error loading MCP Tools, servers may still be initializing:";
            call.host
                .logger
                .with(Level::Error, message, LogMeta::Error(error));
            None
        }
    }
}

struct Run<'a> {
    manager: &'a Manager,
    call: &'a Reinit,
    settings: Settings,
    name: &'a str,
    cancel: CancellationToken,
}

/// What connecting came to.
#[derive(Default)]
struct Connected {
    lease: Option<Lease>,
    options: Option<CallOptions>,
    /// The token on behalf of the user, and what server it is for.
    obo: Option<(ServerScope, Secret)>,
    oauth_required: bool,
    /// Whether the user authorizes with the server.
    authorizes: bool,
    asked: Asked,
    discovered: Option<ToolList>,
    error: Option<Error>,
}

impl Connected {
    /// What follows is sent with the token that the connection was accepted with.
    fn settle(&mut self, server: &ServerScope, token: Option<Secret>) {
        if let (Some(token), Some(lease), Some(options)) = (token, &self.lease, &mut self.options) {
            let token = Manager::settle_token(lease, token);
            options.headers = with_bearer(options.headers.take(), Some(&token));
            self.obo = Some((server.clone(), token));
        }
    }
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
            if let Some(incomplete) = &list.incomplete {
                logger.warn(format!("[MCP Reinitialize] {name}: {incomplete}"));
                result.tools_error = Some(incomplete.clone());
            }
            if list.count > 0 {
                result.available_tools = self.publish(&list.tools).await?;
            }
            result.tools = Some(list.tools).filter(|_| list.count > 0 || !connected.oauth_required);
            self.conclude(
                &mut result,
                connected.lease.is_some(),
                list.count,
                connected.error,
            );
        } else {
            self.conclude(&mut result, connected.lease.is_some(), 0, connected.error);
        }
        Ok(result)
    }

    /// Step 6: the tools of the connection, where there is one.
    async fn list(&self, connected: &mut Connected) -> Result<Option<Result<ToolList>>> {
        let (Some(lease), Some(options), false) = (
            &connected.lease,
            &connected.options,
            connected.oauth_required,
        ) else {
            return Ok(None);
        };
        // Not cut off from outside: an aborted request tells the server so.
        let mut outcome = list_tools(lease.connection(), options).await;
        if let (Err(refusal), Some(on_behalf)) = (&outcome, &connected.obo) {
            match self.renewed(on_behalf, refusal).await {
                Ok(Some(token)) => {
                    let mut options = options.clone();
                    options.headers = with_bearer(options.headers.take(), Some(&token));
                    outcome = list_tools(lease.connection(), &options).await;
                }
                Ok(None) => {}
                Err(error) => outcome = Err(error),
            }
        }
        if let Err(error) = &outcome {
            if matches!(error.code, Code::Aborted | Code::Closed) {
                if let Some(lease) = connected.lease.take() {
                    lease.abandon();
                }
                return Err(error.clone());
            }
            let prefix = lease.connection().recipe.log_prefix();
            let logger = &self.call.host.logger;
            logger.error(format!("{prefix} Failed to fetch tools: {error}"));
        }
        Ok(Some(outcome))
    }

    /// Another token on behalf of the user, where the server no longer takes the one that was sent.
    async fn renewed(
        &self,
        (server, token): &(ServerScope, Secret),
        refusal: &Error,
    ) -> Result<Option<Secret>> {
        let scope = self.scope();
        self.manager
            .renewed_obo_token(&scope, server, self.obo_call(), token, refusal)
            .await
    }

    /// Step 1: the caller's config, else the registry's.
    async fn config(&self) -> Result<Option<ServerConfig>> {
        match &self.call.server_config {
            Some(members) => ServerConfig::from_members(members.clone()).map(Some),
            None => self.lookup().await,
        }
    }

    async fn lookup(&self) -> Result<Option<ServerConfig>> {
        let lookup = Lookup {
            user_id: self.user_id(),
            config_servers: true,
        };
        self.until_cancelled(registered_config(&self.call.host, self.name, lookup))
            .await
    }

    /// Step 2: a server whose inspection failed earlier is inspected again. The inner error means "still unreachable".
    async fn reinspect(
        &self,
        config: Option<&ServerConfig>,
    ) -> Result<Result<Option<ServerConfig>>> {
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
        let outcome = self.until_cancelled(async { Ok(bounded.await) }).await?;
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
            Some(members) => Some(ServerConfig::from_members(members)?),
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

    /// Step 5: a connection, or what stands in its way.
    /// `refusal` is why the user has to authorize although there is a token.
    async fn connect(
        &self,
        config: Option<ServerConfig>,
        refusal: Option<Error>,
    ) -> Result<Connected> {
        let (name, logger) = (self.name, &self.call.host.logger);
        let scope = self.scope();
        let mut connected = Connected {
            authorizes: config.as_ref().is_some_and(ServerConfig::runs_oauth_flow),
            ..Connected::default()
        };
        let server = self
            .until_cancelled(self.manager.scope(&scope, name, config))
            .await;
        let error = match server {
            Ok(server) => {
                connected.authorizes = server.config.runs_oauth_flow();
                let establishing = self.establish(&scope, &server, refusal, &mut connected);
                match Box::pin(establishing).await {
                    Ok(()) => {
                        logger.info(format!(
                            "[MCP Reinitialize] Successfully established connection for {name}"
                        ));
                        return Ok(connected);
                    }
                    Err(error) => error,
                }
            }
            Err(error) => error,
        };
        if matches!(
            error.code,
            Code::Aborted | Code::Closed | Code::HostError | Code::HostTimeout
        ) {
            return Err(error);
        }
        logger.info(format!(
            "[MCP Reinitialize] getConnection threw error: {error}"
        ));
        let url = connected
            .asked
            .issued
            .as_ref()
            .and_then(|it| it.url.as_ref());
        logger.info(format!(
            "[MCP Reinitialize] OAuth state - oauthRequired: {}, oauthUrl: {}",
            url.is_some(),
            url.map_or("null", |_| "present")
        ));
        if error.wants_user() && connected.authorizes {
            logger.info(format!(
                "[MCP Reinitialize] OAuth required for {name}, attempting tool discovery without auth"
            ));
            connected.oauth_required = true;
        } else {
            let message =
                format!("[MCP Reinitialize] Error initializing MCP server {name} for user:");
            logger.with(Level::Error, message, LogMeta::Error(error.clone()));
        }
        connected.error = Some(error);
        Ok(connected)
    }

    async fn establish(
        &self,
        scope: &CallScope<'_>,
        server: &ServerScope,
        refusal: Option<Error>,
        connected: &mut Connected,
    ) -> Result<()> {
        let call = self.call;
        let recipe = self
            .until_cancelled(self.manager.recipe(scope, server))
            .await?;
        let limit = recipe.config.init_timeout.unwrap_or(DEFAULT_BUDGET);
        // The caller's time covers the exchange too; the server's own begins after it.
        let deadline = call
            .connection_timeout
            .map(|timeout| Instant::now() + timeout);
        let token = self
            .manager
            .obo_token(scope, server, self.obo_call())
            .await?;
        let options = CallOptions {
            deadline: deadline.unwrap_or_else(|| Instant::now() + limit),
            cancel: self.cancel.clone(),
            headers: with_bearer(scope.headers(server, None)?.map(Arc::new), token.as_ref()),
            progress: None,
        };
        let mut request = Acquire {
            key: server.key.clone(),
            recipe,
            updated_at: server.config.updated_at,
            force_new: call.force_new,
            options,
        };
        let consent = Consent {
            prompt: call.host.prompt.clone(),
            waits: !call.return_on_oauth,
            limit: call.connection_timeout,
            refusal,
        };
        let acquired = self
            .manager
            .acquire_asking(scope, server, &mut request, &consent, &mut connected.asked)
            .await;
        let error = match acquired {
            Ok(lease) => {
                connected.lease = Some(lease);
                connected.options = Some(request.options);
                connected.settle(server, token);
                return Ok(());
            }
            Err(error) => error,
        };
        if error.wants_user() && connected.authorizes {
            self.discover(request, connected).await?;
        }
        Err(error)
    }

    /// Tools that the server shows to anybody.
    async fn discover(&self, request: Acquire, connected: &mut Connected) -> Result<()> {
        let discovery = Discover {
            recipe: request.recipe,
            options: request.options,
        };
        match self.manager.discover(discovery).await {
            Ok(list) if list.count > 0 => connected.discovered = Some(list),
            Ok(_) => {}
            Err(failure) => self.call.host.logger.debug(format!(
                "[MCP Reinitialize] Tool discovery failed for {}: {failure}",
                self.name
            )),
        }
        self.check()
    }

    fn obo_call(&self) -> OboCall<'_> {
        OboCall {
            purpose: TokenUse::Connection,
            timeout: self.call.connection_timeout,
            cancel: &self.cancel,
        }
    }

    /// Step 7: the host formats and stores the tools; without a user or a host they are formatted here.
    async fn publish(&self, tools: &Arc<RawTools>) -> Result<Option<AvailableTools>> {
        match (&self.call.host.publisher, self.user_id()) {
            (Some(publisher), Some(user_id)) => {
                let tools = self
                    .until_cancelled(publisher.publish(user_id, self.name, tools))
                    .await?;
                Ok(tools.map(AvailableTools::Host))
            }
            _ => Ok(Some(AvailableTools::Native(crate::manager::format_tools(
                self.name, tools,
            )?))),
        }
    }

    /// Step 8: message and `success`.
    fn conclude(
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

    fn scope(&self) -> CallScope<'_> {
        let call = self.call;
        CallScope {
            host: &call.host,
            settings: &self.settings,
            user: call.user.as_ref(),
            user_vars: call.user_vars.as_ref(),
            body: call.request_body.as_ref(),
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

    fn failed(&self, error: Error) -> Reinitialized {
        Reinitialized {
            message: format!("Failed to reinitialize MCP server '{}'", self.name),
            failure_reason: Some(FailureReason::InitializationFailed),
            error: Some(error),
            ..Reinitialized::default()
        }
    }

    fn unreachable(&self, error: Error) -> Reinitialized {
        Reinitialized {
            message: format!("MCP server '{}' is still unreachable", self.name),
            failure_reason: Some(FailureReason::Unreachable),
            error: Some(error),
            ..Reinitialized::default()
        }
    }

    fn missing_variables(&self, missing: Vec<String>) -> Reinitialized {
        let (name, names) = (self.name, missing.join(", "));
        let message = format!(
            "MCP server '{name}' requires user-provided variable(s) [{names}] which are not set"
        );
        Reinitialized {
            error: Some(Error::new(Code::MissingUserVars, message.clone())),
            message,
            failure_reason: Some(FailureReason::MissingCustomUserVars),
            missing_user_vars: missing,
            ..Reinitialized::default()
        }
    }

    fn deferred(&self) -> Reinitialized {
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
