//! Steps 5 and 6: the connection, and the tools that it lists.

use std::sync::Arc;

use tokio::time::Instant;

use super::run::Run;
use crate::connection::{CallOptions, DEFAULT_INIT_TIMEOUT, Recipe, is_superseded};
use crate::error::{Code, Error, Result};
use crate::log::{Level, LogMeta};
use crate::manager::{
    Acquire, CallScope, Consent, ConsentOutcome, Credentials, Discover, Disposal, HeaderTokens,
    Lease, Manager, Owner, Reading, ServerScope, Snapshot, TokenRequest,
};
use crate::obo::TokenUse;
use crate::secret::Secret;
use crate::server_config::ServerConfig;

/// What connecting came to.
#[derive(Default)]
pub(super) struct Connected {
    pub lease: Option<Lease>,
    /// After the lease, which keeps the connection open.
    disposal: Option<Disposal>,
    options: Option<CallOptions>,
    /// The token of the requests, on behalf of the user or the user's own, and what server it is for.
    obo: Option<(ServerScope, Secret)>,
    /// For Microsoft Graph.
    graph: Option<Secret>,
    pub oauth_required: bool,
    /// Whether the user authorizes with the server.
    pub authorizes: bool,
    pub asked: ConsentOutcome,
    pub discovered: Option<Snapshot>,
    /// Tools that were listed over a connection of the host, which takes the place of one of ours.
    pub of_host: Option<Snapshot>,
    pub is_of_host: bool,
    pub error: Option<Error>,
}

impl Connected {
    /// What follows is sent with the token that the connection was accepted with.
    fn settle(
        &mut self,
        scope: &CallScope<'_>,
        server: &ServerScope,
        own: &Arc<Recipe>,
        token: Option<Secret>,
    ) -> Result<()> {
        if let (Some(token), Some(lease), Some(options)) = (token, &self.lease, &mut self.options) {
            let token = Manager::settle_token(lease, own, token);
            let tokens = HeaderTokens {
                graph: self.graph.as_ref(),
                access: Some(&token),
            };
            scope.set_headers(server, tokens, options)?;
            self.obo = Some((server.clone(), token));
        }
        Ok(())
    }
}

impl Run<'_> {
    /// Step 5: a connection, or what stands in its way.
    /// `refusal` is why the user has to authorize although there is a token.
    pub(super) async fn connect(
        &self,
        config: Option<Arc<ServerConfig>>,
        refusal: Option<Error>,
    ) -> Result<Connected> {
        let (name, logger) = (self.name, &self.call.host.logger);
        let scope = self.scope();
        let mut connected = Connected {
            authorizes: config.as_ref().is_some_and(|it| it.runs_oauth_flow()),
            ..Connected::default()
        };
        let server = self
            .until_cancelled(self.manager.scope(&scope, name, config))
            .await
            .flatten();
        let error = match server {
            Ok(server) => {
                connected.authorizes = server.config.runs_oauth_flow();
                connected.disposal = self.manager.disposal(&scope, &server.key);
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

    /// The tools of a server that users share, over the connection that the host keeps to it.
    async fn tools_of_host(&self, server: &ServerScope) -> Result<Option<Snapshot>> {
        let Some(connections) = &self.call.host.connections else {
            return Ok(None);
        };
        if server.key.owner != Owner::App {
            return Ok(None);
        }
        let limit = self.call.connection_timeout.or(server.config.init_timeout);
        let asking = tokio::time::timeout(
            limit.unwrap_or(DEFAULT_INIT_TIMEOUT),
            connections.tools(self.name),
        );
        let answer = self.until_cancelled(asking).await?;
        match answer {
            Ok(Ok(found)) => Ok(found.map(Snapshot::of_host)),
            Ok(Err(error)) => {
                self.call.host.logger.debug(format!(
                    "[MCP Reinitialize] The host's connection to {} is of no use: {error}",
                    self.name
                ));
                Ok(None)
            }
            Err(_) => Err(Error::timeout(
                "The host's connection did not list its tools in time",
            )),
        }
    }

    async fn establish(
        &self,
        scope: &CallScope<'_>,
        server: &ServerScope,
        refusal: Option<Error>,
        connected: &mut Connected,
    ) -> Result<()> {
        let call = self.call;
        connected.graph = self
            .manager
            .graph_token(scope, server, &self.cancel)
            .await?;
        let recipe = Arc::new(
            self.manager
                .recipe(scope, server, connected.graph.as_ref())?,
        );
        connected.of_host = self.tools_of_host(server).await?;
        if connected.of_host.is_some() {
            return Ok(());
        }
        let limit = recipe.config.init_timeout.unwrap_or(DEFAULT_INIT_TIMEOUT);
        // The caller's time covers the exchange too; the server's own begins after it.
        let deadline = call
            .connection_timeout
            .map(|timeout| Instant::now() + timeout);
        let token = self
            .manager
            .call_token(scope, server, self.token_request())
            .await?;
        let deadline = deadline.unwrap_or_else(|| Instant::now() + limit);
        let mut options = CallOptions::new(deadline, self.cancel.clone());
        let tokens = HeaderTokens {
            graph: connected.graph.as_ref(),
            access: token.as_ref(),
        };
        scope.set_headers(server, tokens, &mut options)?;
        let mut request = Acquire::new(server.key.clone(), Arc::clone(&recipe), options);
        request.updated_at = server.config.updated_at;
        request.force_new = call.force_new;
        request.go_on_with(self.manager, token.as_ref())?;
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
                return connected.settle(scope, server, &recipe, token);
            }
            Err(error) => error,
        };
        if error.wants_user() && connected.authorizes {
            let options = request.options;
            Box::pin(self.discover(Discover { recipe, options }, connected)).await?;
        }
        Err(error)
    }

    /// Tools that the server shows to anybody.
    async fn discover(&self, discovery: Discover, connected: &mut Connected) -> Result<()> {
        match self.manager.discover(discovery).await {
            Ok(list) if list.tools.count() > 0 => connected.discovered = Some(list.into()),
            Ok(_) => {}
            Err(failure) => self.call.host.logger.debug(format!(
                "[MCP Reinitialize] Tool discovery failed for {}: {failure}",
                self.name
            )),
        }
        self.check()
    }

    /// Step 6: the tools of the connection, where there is one.
    pub(super) async fn list(&self, connected: &mut Connected) -> Result<Option<Result<Snapshot>>> {
        if let Some(snapshot) = connected.of_host.take() {
            connected.is_of_host = true;
            return Ok(Some(Ok(snapshot)));
        }
        let (Some(lease), Some(options), false) = (
            &connected.lease,
            &connected.options,
            connected.oauth_required,
        ) else {
            return Ok(None);
        };
        // Not cut off from outside: an aborted request tells the server so.
        let publisher = self.call.host.publisher.as_ref();
        let scope = self.scope();
        let mut credentials = connected.obo.as_ref().map(|(server, token)| Credentials {
            scope: &scope,
            server,
            tokens: HeaderTokens {
                graph: connected.graph.as_ref(),
                access: Some(token),
            },
            renewal: self.token_request(),
            is_renewed: false,
            renewed: None,
        });
        let mut sending = options.clone();
        let outcome = loop {
            let connection = lease.connection();
            // A user who reinitializes a server wants its tools as they are now.
            connection.expire_lists();
            let read = Snapshot::read(connection, publisher, Reading::InOrder, &sending).await;
            match (read, &mut credentials) {
                (Err(error), Some(credentials)) => {
                    let renewed = credentials.renew(self.manager, error, &mut sending);
                    if let Err(error) = renewed.await {
                        break Err(error);
                    }
                }
                (outcome, _) => break outcome,
            }
        };
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
            let refusal = error.refusal();
            // The user is asked next, or another connection made.
            let goes_on = is_superseded(error) || connected.authorizes && refusal.is_some();
            let answers = goes_on || lease.connection().answers(error, options).await;
            self.check()?;
            if !answers {
                connected.error = Some(refusal.unwrap_or(error).clone());
                if let Some(lease) = connected.lease.take() {
                    lease.discard();
                }
                return Ok(None);
            }
        }
        Ok(Some(outcome))
    }

    fn token_request(&self) -> TokenRequest<'_> {
        TokenRequest {
            purpose: TokenUse::Connection,
            timeout: self.call.connection_timeout,
            of_tool_call: false,
            cancel: &self.cancel,
        }
    }
}
