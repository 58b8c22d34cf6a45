//! Calling a tool (`packages/api/src/mcp/MCPManager.ts`, `callTool`).

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::content::{Item, ToolContent, format_content};
use super::scope::registered_config;
use super::{CallScope, Consent, ConsentOutcome, Credentials, HeaderTokens, Manager, TokenRequest};
use crate::connection::{
    CallOptions, DEFAULT_INIT_TIMEOUT, Params, Progress, ProgressSink, is_superseded,
};
use crate::error::{Code, Error, Result};
use crate::foreign_text::{SentSecrets, foreign_text};
use crate::host::Lookup;
use crate::log::{Level, LogMeta, log_prefix};
use crate::nesting::{self, MAX_NESTING};
use crate::server_config::ServerConfig;
use crate::telemetry::{Kind, Operation, Started, TOOL_ERROR};

/// Bound on a call where neither the caller nor the config has one.
const CALL_TIMEOUT: Duration = Duration::from_mins(1);

/// One tool call.
pub struct CallTool<'a> {
    pub scope: CallScope<'a>,
    pub server_name: &'a str,
    /// A config that the caller already has.
    pub config: Option<Arc<ServerConfig>>,
    pub tool_name: &'a str,
    /// A JSON object.
    pub arguments: Option<Box<RawValue>>,
    pub provider: &'a str,
    /// How long nothing may be heard; progress starts it again.
    pub timeout: Option<Duration>,
    /// How long the call may take altogether.
    pub max_total_timeout: Option<Duration>,
    pub progress: Option<ProgressSink>,
    pub cancel: CancellationToken,
}

/// What shows only while a call is made.
#[derive(Default)]
struct Observed {
    transport: Option<&'static str>,
    is_error: bool,
    /// Users authorize with the server.
    authorizes: bool,
}

impl Manager {
    /// Calls a tool over the user's connection or the one that all users share, and formats the result. The headers of
    /// the call are the caller's own, whoever's connection carries it.
    pub async fn call_tool(&self, mut call: CallTool<'_>) -> Result<ToolContent> {
        let user_id = call.scope.user.and_then(|user| user.id.as_deref());
        let server_name = call.server_name;
        let logger = call.scope.host.logger.clone();
        let tool_name = call.tool_name;
        let started = Started::now(Kind::ToolCall, call.server_name, user_id);
        let mut seen = Observed::default();
        let outcome = self.call(&mut call, &mut seen).await;
        let outcome = outcome.map_err(|error| {
            if seen.authorizes {
                as_wanted_authorization(error)
            } else {
                error
            }
        });
        let ended = match &outcome {
            Ok(_) if seen.is_error => started.ended(TOOL_ERROR, true),
            outcome => started.ended_with(outcome.as_ref()),
        };
        let operation = Operation {
            transport: seen.transport,
            // A model wrote it.
            tool: Some(foreign_text(tool_name, &SentSecrets::default())),
            ..ended
        };
        self.record(operation, &logger);
        if let Err(error) = &outcome {
            let prefix = log_prefix(user_id, server_name);
            let message = format!("{prefix}[{tool_name}] Tool call failed");
            logger.with(Level::Error, message, LogMeta::Error(error.clone()));
        }
        outcome
    }

    async fn call(&self, call: &mut CallTool<'_>, seen: &mut Observed) -> Result<ToolContent> {
        let given = call.config.take();
        let (scope, name) = (&call.scope, call.server_name);
        let server = self.server(scope, name, given, &call.cancel).await?;
        let _disposal = self.disposal(scope, &server.key);
        let graph_token = self.graph_token(scope, &server, &call.cancel).await?;
        let limit = server.config.init_timeout.unwrap_or(DEFAULT_INIT_TIMEOUT);
        let options = CallOptions::new(Instant::now() + limit, call.cancel.clone());
        let (mut request, kind) = self.request(scope, &server, graph_token.as_ref(), options)?;
        seen.transport = Some(kind.as_str());
        seen.authorizes = server.config.runs_oauth_flow();
        let obo = TokenRequest {
            purpose: self.token_use(&server, call.tool_name),
            timeout: None,
            of_tool_call: true,
            cancel: &call.cancel,
        };
        let token = self.call_token(scope, &server, obo).await?;
        request.go_on_with(self, token.as_ref())?;
        // The exchange of tokens has bounds of its own.
        request.options.deadline = Instant::now() + limit;
        let timeout = call
            .timeout
            .or(server.config.timeout)
            .unwrap_or(CALL_TIMEOUT);
        let (mut consent, mut asked) = (Consent::waiting(scope.host), ConsentOutcome::default());
        let mut lease = self
            .acquire_asking(scope, &server, &mut request, &consent, &mut asked)
            .await?;
        let token = match token {
            Some(token) => Some(Self::settle_token(&lease, &request.recipe(self)?, token)),
            None => None,
        };
        // Progress may stretch a call, but not for ever.
        let longest = call.max_total_timeout.unwrap_or(Duration::from_hours(24));
        let mut options = CallOptions {
            progress: Some(Progress {
                timeout,
                sink: call.progress.clone(),
            }),
            caller: Some(scope.caller(name, call.tool_name)),
            ..CallOptions::new(Instant::now() + longest, call.cancel.clone())
        };
        let tokens = HeaderTokens {
            graph: graph_token.as_ref(),
            access: token.as_ref(),
        };
        scope.set_headers(&server, tokens, &mut options)?;
        let wire_name = self.wire_name(&lease.connection().recipe, call.tool_name);
        let params = Params::Tool {
            name: wire_name.as_deref().unwrap_or(call.tool_name),
            arguments: call.arguments.as_deref(),
        };
        let mut credentials = Credentials {
            scope,
            server: &server,
            tokens,
            renewal: obo,
            is_renewed: false,
        };
        let mut was_superseded = false;
        let answer = loop {
            let sent = lease.connection().request("tools/call", params, &options);
            let error = match sent.await {
                Ok(answer) => break answer,
                Err(error) => error,
            };
            if token.is_some() {
                credentials.renew(self, error, &mut options).await?;
                continue;
            }
            let is_anew = !was_superseded && is_superseded(&error);
            was_superseded |= is_anew;
            let may_ask = !asked.was_asked && server.config.runs_oauth_flow();
            consent.refusal = error.refusal().filter(|_| may_ask).cloned();
            if consent.refusal.is_some() {
                // The session lives, but its token does not, and nothing but the user brings another.
                lease.discard();
            } else if !is_anew {
                return Err(error);
            }
            request.options.deadline = Instant::now() + limit;
            lease = self
                .acquire_asking(scope, &server, &mut request, &consent, &mut asked)
                .await?;
        };
        let (result, items, structured) = read(&answer).map_err(|_| unreadable(&answer))?;
        if result.is_error == Some(Value::Bool(true)) {
            seen.is_error = true;
            let user_id = scope.user.and_then(|user| user.id.as_deref());
            let prefix = log_prefix(user_id, name);
            scope.host.logger.debug(format!(
                "{prefix}[{}] The tool answered with an error",
                call.tool_name
            ));
        }
        format_content(
            &items,
            structured.as_ref(),
            call.provider,
            scope.settings.image_data_max_bytes,
        )
    }

    /// The config that the registry has for this user.
    pub async fn registered(
        &self,
        scope: &CallScope<'_>,
        server_name: &str,
    ) -> Result<Option<Arc<ServerConfig>>> {
        let user_id = scope.user.and_then(|user| user.id.as_deref());
        let lookup = Lookup {
            user_id,
            config_servers: true,
        };
        registered_config(scope.host, server_name, lookup).await
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

/// What is read of a tool's result.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolResult<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    structured_content: Option<&'a RawValue>,
    is_error: Option<Value>,
}

fn unreadable(answer: &RawValue) -> Error {
    let why = if nesting::is_deeper(answer.get(), MAX_NESTING) {
        format!(": it is nested deeper than {MAX_NESTING} levels")
    } else {
        String::new()
    };
    Error::new(
        Code::InvalidResponse,
        format!("The server answered tools/call with an invalid result{why}"),
    )
}

/// The result, its items, and the structured content of one that has none.
type Read<'a> = (ToolResult<'a>, Vec<Item<'a>>, Option<Value>);

fn read(answer: &RawValue) -> serde_json::Result<Read<'_>> {
    let result: ToolResult = serde_json::from_str(answer.get())?;
    let content = Item::all(result.content)?;
    let structured = result
        .structured_content
        .filter(|structured| content.is_empty() && structured.get() != "null")
        .map(|structured| nesting::parse(structured.get(), MAX_NESTING))
        .transpose()?;
    Ok((result, content, structured))
}
