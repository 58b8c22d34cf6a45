//! One request to a server for a caller: whose connection carries it, with which tokens, and what is done where the server
//! refuses these (`packages/api/src/mcp/MCPManager.ts`, `callTool`).

mod observed;

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::observed::Observed;
use super::governed::NotSent;
use super::{
    Acquire, CallScope, Consent, ConsentOutcome, Credentials, Governed, HeaderTokens, Lease,
    Manager, Observation, ServerScope, Subject, TokenRequest,
};
use crate::connection::{
    CallOptions, DEFAULT_INIT_TIMEOUT, Params, Progress, ProgressSink, TaskCall, is_superseded,
};
use crate::error::{Error, Result};
use crate::log::{Level, LogMeta, log_prefix};
use crate::obo::TokenUse;
use crate::server_config::ServerConfig;

/// Bound on a request where neither the caller nor the config has one.
const CALL_TIMEOUT: Duration = Duration::from_mins(1);

/// One request to a server, and for whom.
pub struct ServerCall<'a> {
    pub scope: CallScope<'a>,
    pub server_name: &'a str,
    /// A config that the caller already has, or why that cannot be used.
    pub config: Result<Option<Arc<ServerConfig>>, Box<Error>>,
    pub method: &'a str,
    /// A tool of [`Params::Tool`] goes by the name that models know.
    pub params: Params<'a>,
    /// Refuses a caller without a value for each of the server's `customUserVars`. `LibreChat` sends their names then.
    pub requires_user_vars: bool,
    /// How the user is asked to authorize; absent where nobody is to be asked.
    pub consent: Option<Consent>,
    /// How long connecting may take, else as the config says.
    pub connect_timeout: Option<Duration>,
    /// How long nothing may be heard; progress starts it again.
    pub timeout: Option<Duration>,
    /// How long the request may take altogether.
    pub max_total_timeout: Option<Duration>,
    /// Since when that counts; absent where it does from when the request is sent.
    pub since: Option<Instant>,
    pub progress: Option<ProgressSink>,
    /// Hears whose connection carries the request, before that is sent.
    pub carried_by: Option<&'a (dyn Fn(&Lease) + Sync)>,
    pub cancel: CancellationToken,
}

impl ServerCall<'_> {
    fn tool_name(&self) -> Option<&str> {
        self.params.tool_name(self.method)
    }

    fn token_request(&self, manager: &Manager, server: &ServerScope) -> TokenRequest<'_> {
        let tool_name = self.tool_name();
        TokenRequest {
            purpose: tool_name.map_or(TokenUse::Connection, |it| manager.token_use(server, it)),
            timeout: None,
            of_tool_call: tool_name.is_some(),
            cancel: &self.cancel,
        }
    }

    fn user_id(&self) -> Option<&str> {
        self.scope.user.and_then(|user| user.id.as_deref())
    }

    /// What the request may take, who hears of it, and who may be asked about it.
    fn options(&self, server: &ServerScope) -> CallOptions {
        let timeout = self.timeout.or(server.config.timeout);
        // Progress may stretch a request, but not for ever.
        let longest = self.max_total_timeout.unwrap_or(Duration::from_hours(24));
        CallOptions {
            progress: Some(Progress {
                timeout: timeout.unwrap_or(CALL_TIMEOUT),
                sink: self.progress.clone(),
            }),
            caller: Some(self.scope.caller(self.server_name, self.tool_name())),
            ..CallOptions::new(
                self.since.unwrap_or_else(Instant::now) + longest,
                self.cancel.clone(),
            )
        }
    }
}

impl Manager {
    /// Makes a request over the user's connection or the one that all users share; `read` makes something of its result,
    /// and says whether that is a tool's own error. The headers are the caller's own, whoever's connection carries them.
    /// `task` is what a tool call may become, or goes on with.
    pub async fn call<T>(
        &self,
        mut call: ServerCall<'_>,
        task: &mut TaskCall,
        read: impl FnOnce(Box<RawValue>) -> Result<(T, bool)>,
    ) -> Result<T> {
        let logger = call.scope.host.logger.clone();
        let request = (call.method, call.params);
        let user_id = call.scope.user.and_then(|user| user.id.as_deref());
        let subject = Subject {
            server_name: call.server_name,
            user_id,
            params: call.params,
        };
        let mut seen = Observed {
            request: Observation::begin(request, call.server_name, call.user_id(), &logger),
            governed: Governed::of(self, call.scope.host, (call.method, subject)),
            authorizes: false,
            recipe: None,
        };
        let given = std::mem::replace(&mut call.config, Ok(None));
        let kept = self.read_kept_result(request, call.server_name, call.user_id());
        let answer = match kept {
            Some(answer) => answer,
            None => self.answer(&call, task, given, &mut seen).await,
        };
        let outcome = answer.and_then(read);
        let is_error = matches!(outcome, Ok((_, true)));
        let outcome = outcome.map(|(result, _)| result);
        let outcome = outcome.map_err(|error| {
            if seen.authorizes {
                as_wanted_authorization(error)
            } else {
                error
            }
        });
        let prefix = log_prefix(call.user_id(), call.server_name);
        let tool_name = call.tool_name().filter(|_| is_error || outcome.is_err());
        let tool_name = tool_name.map(|name| seen.shown(name));
        seen.request.end(outcome.as_ref(), is_error, self, &logger);
        if let Some(governed) = seen.governed {
            governed.end(outcome.as_ref().err(), is_error).await;
        }
        if let (Some(tool_name), true) = (&tool_name, is_error) {
            logger.debug(format!(
                "{prefix}[{tool_name}] The tool answered with an error"
            ));
        }
        if let Err(error) = &outcome {
            // Who makes other requests hears of it, and is no part of LibreChat.
            let (level, message) = match &tool_name {
                Some(tool_name) => (
                    Level::Error,
                    format!("{prefix}[{tool_name}] Tool call failed"),
                ),
                None => (Level::Debug, format!("{prefix} {} failed", call.method)),
            };
            logger.with(level, message, LogMeta::Error(error.clone()));
        }
        outcome
    }

    /// What the server calls the tool, where that is not what the caller does.
    fn wire_name_of(&self, lease: &Lease, params: Params<'_>) -> Option<String> {
        match params {
            Params::Tool { name, .. } => self.wire_name(&lease.connection().recipe, name),
            _ => None,
        }
    }

    async fn answer(
        &self,
        call: &ServerCall<'_>,
        task: &mut TaskCall,
        given: Result<Option<Arc<ServerConfig>>, Box<Error>>,
        seen: &mut Observed<'_>,
    ) -> Result<Box<RawValue>> {
        let (scope, name) = (&call.scope, call.server_name);
        let server = self.server(scope, name, given?, &call.cancel).await?;
        seen.stands_under(&server, scope.host, call.user_id())?;
        if call.requires_user_vars {
            scope.check_user_vars(&server)?;
        }
        let _disposal = self.disposal(scope, &server.key);
        let graph_token = self.graph_token(scope, &server, &call.cancel).await?;
        let limit = call
            .connect_timeout
            .or(server.config.init_timeout)
            .unwrap_or(DEFAULT_INIT_TIMEOUT);
        let options = CallOptions::new(Instant::now() + limit, call.cancel.clone());
        let (request, kind) = self.request(scope, &server, graph_token.as_ref(), options)?;
        seen.request.goes_over(kind);
        seen.authorizes = server.config.runs_oauth_flow();
        let obo = call.token_request(self, &server);
        let token = self.call_token(scope, &server, obo).await?;
        request.go_on_with(self, token.as_ref())?;
        let mut connecting = Connecting {
            manager: self,
            call,
            server: &server,
            request,
            limit,
            asked: ConsentOutcome::default(),
            was_superseded: false,
        };
        let mut lease = connecting.lease(None).await?;
        let token = match token {
            Some(token) => {
                let own = connecting.request.recipe(self)?;
                Some(Self::settle_token(&lease, &own, token))
            }
            None => None,
        };
        let mut options = call.options(&server);
        seen.request.follow(&mut options);
        let tokens = HeaderTokens {
            graph: graph_token.as_ref(),
            access: token.as_ref(),
        };
        scope.set_headers(&server, tokens, &mut options)?;
        let wire_name = self.wire_name_of(&lease, call.params);
        let params = named(call.params, wire_name.as_deref());
        let mut credentials = Credentials {
            scope,
            server: &server,
            tokens,
            renewal: obo,
            is_renewed: false,
            renewed: None,
        };
        loop {
            // Whether the task is one of another login, too, is the server's to say.
            let is_left = lease.connection().is_closed() || lease.connection().is_superseded();
            if task.is_running() && is_left {
                match connecting.lease(None).await {
                    Ok(another) => lease = another,
                    Err(error) => {
                        task.try_again(error, &options).await?;
                        continue;
                    }
                }
            }
            let connection = seen.carried_by(call.carried_by, &lease);
            let answer = async {
                if let Params::Tool { name: tool, .. } = params {
                    self.refuse_hidden(connection, tool, &options).await?;
                }
                if let Some(governed) = &mut seen.governed {
                    return governed.call(params, connection, task, &options).await;
                }
                let sent = connection.request_whole(call.method, params, &options);
                sent.await
            };
            let error = match answer.await {
                Ok(answer) => return seen.given(answer, &options).await,
                Err(error) => error,
            };
            match seen.not_sent() {
                Some(NotSent::Refused) => return Err(error),
                Some(NotSent::Outlived) => {
                    lease = connecting.lease(None).await?;
                    continue;
                }
                None => {}
            }
            let error = match task.try_again(error, &options).await {
                Ok(()) => continue,
                Err(error) => error,
            };
            if token.is_some() {
                // A task may outlive more than one token.
                credentials.is_renewed &= !task.was_heard();
                credentials.renew(self, error, &mut options).await?;
                continue;
            }
            lease = connecting.another(lease, error).await?;
        }
    }
}

/// The params of a call, with the server's own name of the tool where that is another.
fn named<'a>(params: Params<'a>, wire_name: Option<&'a str>) -> Params<'a> {
    match (params, wire_name) {
        (Params::Tool { arguments, .. }, Some(name)) => Params::Tool { name, arguments },
        (params, _) => params,
    }
}

/// Getting the connection of a call, and another one in its place.
struct Connecting<'a> {
    manager: &'a Manager,
    call: &'a ServerCall<'a>,
    server: &'a ServerScope,
    request: Acquire<'a>,
    limit: Duration,
    asked: ConsentOutcome,
    /// The call has found that its session was of another login.
    was_superseded: bool,
}

impl Connecting<'_> {
    /// `refusal` is what a request on an open connection has failed with: the user is asked at once.
    async fn lease(&mut self, refusal: Option<&Error>) -> Result<Lease> {
        // What came before, such as an exchange of tokens, has bounds of its own.
        self.request.options.deadline = Instant::now() + self.limit;
        let Some(consent) = &self.call.consent else {
            let acquired = self.manager.acquire(&self.request).await;
            return acquired.inspect_err(|error| self.hear(error));
        };
        let consent = Consent {
            refusal: refusal.cloned(),
            ..consent.clone()
        };
        let (scope, asked) = (&self.call.scope, &mut self.asked);
        let request = &mut self.request;
        let acquired = self
            .manager
            .acquire_asking(scope, self.server, request, &consent, asked)
            .await;
        acquired.inspect_err(|error| self.hear(error))
    }

    /// The next call, or a reinit, asks the user where the server turns out to want that.
    fn hear(&self, error: &Error) {
        let (scope, name) = (&self.call.scope, self.call.server_name);
        scope.hear_challenge(name, &self.server.config, error);
    }

    /// The connection that the call is made over again after `error`, which is given back where that would not help.
    async fn another(&mut self, lease: Lease, error: Error) -> Result<Lease> {
        self.hear(&error);
        let is_anew = !self.was_superseded && is_superseded(&error);
        self.was_superseded |= is_anew;
        let refusal = error.refusal().filter(|_| self.may_ask());
        if refusal.is_some() {
            // The session lives, but its token does not, and nothing but the user brings another.
            lease.discard();
        } else if !is_anew {
            return Err(error);
        }
        self.lease(refusal).await
    }

    /// Whether the user can be asked, and was not yet.
    fn may_ask(&self) -> bool {
        let can_ask = self.call.consent.is_some() && self.server.config.runs_oauth_flow();
        can_ask && !self.asked.was_asked
    }
}

/// `LibreChat` knows by the text of an error that the user has to authorize, whatever stood in the way of that.
fn as_wanted_authorization(mut error: Error) -> Error {
    const WANTED: &str = "OAuth authentication required";
    if error.wants_user() && !error.message.contains(WANTED) {
        error.message = format!("{WANTED}: {}", error.message);
    }
    error
}
