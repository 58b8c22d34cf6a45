//! Connections that are asked for: what the caller wants, and how it gets it.

use std::sync::Arc;

use tokio::time::Instant;

use super::call::Call;
use super::methods::Invocation;
use crate::connection::{CallOptions, DEFAULT_INIT_TIMEOUT};
use crate::error::{Code, Error, Result};
use crate::manager::{
    Acquire, Consent, ConsentOutcome, HeaderTokens, Lease, Manager, Owner, ServerScope,
    TokenRequest,
};
use crate::node::engine::JsResult;
use crate::obo::TokenUse;

/// What `getConnection` and its like are asked for.
#[expect(clippy::struct_excessive_bools, reason = "members of parameters")]
pub struct ConnectionParams {
    pub server_name: String,
    force_new: bool,
    /// Hands out the authorization URL and rejects, instead of waiting for the user.
    return_on_oauth: bool,
    authorize: bool,
    retry: bool,
}

/// Who connects.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Connects {
    Anybody,
    /// A user, over a connection of their own.
    User,
    /// `runtime.client`, whose user has to have set each of the server's `customUserVars`, and is asked to authorize only
    /// where somebody is told the URL.
    Client,
}

pub fn read<'env, T>(
    invocation: &Invocation<'env, T>,
    function: &'static str,
) -> JsResult<'env, (Call, ConnectionParams)> {
    let params = invocation.params(function)?;
    let wanted = ConnectionParams {
        server_name: params.text("serverName")?.unwrap_or_default(),
        force_new: params.boolean("forceNew")?.unwrap_or(false),
        return_on_oauth: params.boolean("returnOnOAuth")?.unwrap_or(false),
        authorize: params.boolean("authorize")?.unwrap_or(true),
        retry: params.boolean("retry")?.unwrap_or(true),
    };
    let call = invocation.runtime.call(invocation.scope, Some(&params))?;
    call.look_up_now(invocation.scope, &wanted.server_name);
    Ok((call, wanted))
}

/// A request for a connection of this scope.
pub async fn request(
    manager: &Manager,
    call: &Call,
    server: &ServerScope,
    force_new: bool,
) -> Result<Acquire<'static>> {
    let scope = call.scope();
    let graph = manager.graph_token(&scope, server, &call.cancel).await?;
    let recipe = Arc::new(manager.recipe(&scope, server, graph.as_ref())?);
    let limit = call
        .connection_timeout
        .or(recipe.config.init_timeout)
        .unwrap_or(DEFAULT_INIT_TIMEOUT);
    let mut options = CallOptions::new(Instant::now() + limit, call.cancel.clone());
    let token = if call.host.upstream_tokens.is_some() {
        let wanted = TokenRequest {
            purpose: TokenUse::Connection,
            timeout: call.connection_timeout,
            of_tool_call: false,
            cancel: &call.cancel,
        };
        manager.call_token(&scope, server, wanted).await?
    } else {
        None
    };
    let tokens = HeaderTokens {
        graph: graph.as_ref(),
        access: token.as_ref(),
    };
    scope.set_headers(server, tokens, &mut options)?;
    let mut request = Acquire::new(server.key.clone(), recipe, options);
    request.updated_at = server.config.updated_at;
    request.force_new = force_new;
    request.go_on_with(manager, token.as_ref())?;
    Ok(request)
}

/// Connects as an argument of JavaScript asks for it.
pub async fn find(
    manager: &Manager,
    call: &Call,
    params: &ConnectionParams,
    connects: Connects,
) -> Result<(Acquire<'static>, Lease)> {
    let (scope, of_user) = (call.scope(), connects == Connects::User);
    let user_id = call.user.as_ref().and_then(|user| user.id.as_deref());
    if of_user && user_id.is_none() {
        let text = "[MCP] User object missing id property";
        return Err(Error::mcp(Code::UserRequired, -32600, text));
    }
    let given = call.config()?;
    let finding = manager.server(&scope, &params.server_name, given, &call.cancel);
    let mut server = finding.await?;
    if connects == Connects::Client {
        scope.check_user_vars(&server)?;
    }
    if of_user && server.key.owner == Owner::App {
        let (id, name) = (user_id.unwrap_or_default(), &params.server_name);
        let text = format!(
            "[MCP][User: {id}] Trying to create user-specific connection for app-level server \"{name}\""
        );
        return Err(Error::mcp(Code::InvalidArgument, -32600, &text));
    }
    // The key's name is what callers asked for.
    server.key.server_name = Arc::from(params.server_name.as_str());
    let mut request = request(manager, call, &server, params.force_new).await?;
    if !params.retry {
        request.try_once();
    }
    let consent = match connects {
        Connects::Client => Consent::of_call(&call.host),
        Connects::Anybody | Connects::User => Some(Consent::waiting(&call.host)),
    };
    let Some(consent) = consent.filter(|_| params.authorize) else {
        let lease = manager.acquire(&request).await?;
        return Ok((request, lease));
    };
    let consent = Consent {
        waits: !params.return_on_oauth,
        limit: call.connection_timeout,
        ..consent
    };
    let mut asked = ConsentOutcome::default();
    let lease = manager
        .acquire_asking(&scope, &server, &mut request, &consent, &mut asked)
        .await?;
    Ok((request, lease))
}
