//! `reinitMCPServer`.

use napi::bindgen_prelude::Object;
use napi_derive::napi;

/// The parameters of `reinitMCPServer` (`api/server/services/Tools/mcp.js` of LibreChat). `null` counts as absent.
#[napi(
    object,
    js_name = "ReinitMCPServerParams",
    object_from_js = false,
    object_to_js = false
)]
pub struct ReinitMcpServerParams<'env> {
    /// The user of the request. Read are `id`, `provider`, `openidId`, `federatedTokens`, `openidTokens` and the
    /// fields that placeholders may name.
    pub user: Option<Object<'env>>,
    /// Ends the call at every step.
    #[napi(ts_type = "AbortSignal")]
    pub signal: Option<()>,
    /// Makes the user's connection anew and replaces the one there. App-level connections ignore it.
    pub force_new: Option<bool>,
    /// As the registry knows it.
    pub server_name: Option<String>,
    /// Passed on to `registry.getServerConfig`.
    #[napi(ts_type = "Record<string, any>")]
    pub config_servers: Option<()>,
    /// By `mcp_<serverName>`, the user's values for the server's `customUserVars`.
    #[napi(
        js_name = "userMCPAuthMap",
        ts_type = "Record<string, Record<string, string>>"
    )]
    pub user_mcp_auth_map: Option<()>,
    /// Milliseconds for all work with the server; else the server's `initTimeout`, else 30000.
    pub connection_timeout: Option<f64>,
    /// Hand out the authorization URL and return (default), or wait for the user.
    #[napi(js_name = "returnOnOAuth")]
    pub return_on_oauth: Option<bool>,
    /// Called once with the URL that the user has to open, and for a flow that was pending already with the time until
    /// when it can be joined.
    #[napi(
        js_name = "oauthStart",
        ts_type = "(authURL: string, options?: { expiresAt: number }) => unknown"
    )]
    pub oauth_start: Option<()>,
    /// Called once when the user has authorized, before connecting.
    #[napi(js_name = "oauthEnd", ts_type = "() => unknown")]
    pub oauth_end: Option<()>,
    /// In place of the host's.
    #[napi(ts_type = "MCPFlowManager")]
    pub flow_manager: Option<()>,
    /// In place of the host's.
    #[napi(ts_type = "MCPTokenMethods")]
    pub token_methods: Option<()>,
    /// Around every change of the user's stored tokens for an OAuth server, as the other three; before the host's.
    #[napi(
        js_name = "onOAuthCredentialsChanging",
        ts_type = "MCPOAuthCredentialEvents['onOAuthCredentialsChanging']"
    )]
    pub on_oauth_credentials_changing: Option<()>,
    /// Where `onOAuthCredentialsChanging` is not given.
    #[napi(
        js_name = "onOAuthCredentialsChanged",
        ts_type = "MCPOAuthCredentialEvents['onOAuthCredentialsChanged']"
    )]
    pub on_oauth_credentials_changed: Option<()>,
    /// Tokens of another process are used.
    #[napi(
        js_name = "onOAuthCredentialsAdopted",
        ts_type = "MCPOAuthCredentialEvents['onOAuthCredentialsAdopted']"
    )]
    pub on_oauth_credentials_adopted: Option<()>,
    /// What is known of the tokens is out of date.
    #[napi(
        js_name = "onOAuthCredentialsInvalidated",
        ts_type = "MCPOAuthCredentialEvents['onOAuthCredentialsInvalidated']"
    )]
    pub on_oauth_credentials_invalidated: Option<()>,
    /// A config that the caller already has; the registry is not asked for it.
    #[napi(ts_type = "Record<string, any>")]
    pub server_config: Option<()>,
    /// Where the connections of the chat request are kept: newer LibreChat's `getMCPRequestContext(req, res)`.
    #[napi(ts_type = "MCPRequestScopedConnections")]
    pub request_scoped_connections: Option<()>,
    /// The user's login session.
    #[napi(ts_type = "MCPUpstreamTokenProvider")]
    pub upstream_token_provider: Option<()>,
    /// Asked only where there is no `upstreamTokenProvider`.
    #[napi(ts_type = "MCPUpstreamTokenProviderResolver")]
    pub upstream_token_provider_resolver: Option<()>,
    /// Whose login it is.
    #[napi(ts_type = "MCPOboIdentityContext")]
    pub obo_identity_context: Option<()>,
    /// In place of `serverConfig`.
    #[napi(ts_type = "MCPConnectionTarget")]
    pub connection_target: Option<()>,
    /// LibreChat's policy on MCP Apps, which are not supported: `enabled: true` is warned of once.
    #[napi(ts_type = "{ enabled?: boolean }")]
    pub mcp_apps: Option<()>,
    /// Bounds work of the host's that is done around changes of credentials; nothing here depends on it.
    #[napi(ts_type = "Record<string, any>")]
    pub recovery_policy: Option<()>,
    /// What the host files failures of a stream under; nothing here depends on it.
    #[napi(ts_type = "string | null")]
    pub stream_id: Option<()>,
    /// Milliseconds since the epoch; the same.
    pub job_created_at: Option<f64>,
    /// Fields of the chat request, for `{{LIBRECHAT_BODY_*}}`. With this key, a server that needs missing fields is
    /// deferred.
    #[napi(ts_type = "Record<string, any>")]
    pub request_body: Option<()>,
}

/// The result of `reinitMCPServer`. The optional members are absent where they do not apply.
#[napi(
    object,
    js_name = "ReinitMCPServerResult",
    object_from_js = false,
    object_to_js = false
)]
pub struct ReinitMcpServerResult {
    /// By function name, in LibreChat's format: what `updateMCPServerTools` returned, or formatted here.
    #[napi(ts_type = "Record<string, any> | null")]
    pub available_tools: (),
    /// Whether the server is connected, or the user has been given a URL.
    pub success: bool,
    /// LibreChat's text, for people.
    pub message: String,
    /// Whether the user has to authorize.
    pub oauth_required: bool,
    /// As it was passed.
    #[napi(ts_type = "string | undefined")]
    pub server_name: (),
    /// What the user has to open; `null` where the caller's own `oauthStart` got it.
    #[napi(ts_type = "string | null")]
    pub oauth_url: (),
    /// The tools as the server sent them.
    #[napi(ts_type = "MCPTool[] | null")]
    pub tools: (),
    /// Why `success` is false. `unreachable`: the inspection of the server had failed, and did so again. A connection that
    /// is refused is `initialization_failed`.
    #[napi(
        ts_type = "'unreachable' | 'missing_custom_user_vars' | 'oauth_required' | 'initialization_failed'"
    )]
    pub failure_reason: Option<()>,
    /// Names of the variables that the user has not set.
    pub missing_user_vars: Option<Vec<String>>,
    /// No connection yet: the server needs fields of a chat turn.
    pub connection_deferred: Option<bool>,
    /// Until when the pending flow can be joined, in milliseconds since the epoch.
    pub oauth_expires_at: Option<f64>,
    /// Beside every `failureReason`.
    #[napi(ts_type = "MCPErrorSummary")]
    pub error: Option<()>,
    /// Connected, but the tools could not be listed, or not all.
    #[napi(ts_type = "MCPErrorSummary")]
    pub tools_error: Option<()>,
}

/// An error in a result; `docs/errors.md` lists the codes.
#[napi(
    object,
    js_name = "MCPErrorSummary",
    object_from_js = false,
    object_to_js = false
)]
pub struct McpErrorSummary {
    /// Stable, such as `MCP_TIMEOUT`.
    pub code: String,
    /// For people; without tokens and secrets.
    pub message: String,
    /// Whether the same call may succeed later without anybody changing a configuration.
    pub retryable: bool,
}

/// A tool (MCP, chapter "Tools"). Fields that are not listed here pass through as the server sent them. A schema of more
/// than 512 bytes is parsed when it is first looked at.
#[napi(
    object,
    js_name = "MCPTool",
    object_from_js = false,
    object_to_js = false
)]
pub struct McpTool {
    /// Unique within the server.
    pub name: String,
    /// For people.
    pub title: Option<String>,
    /// For the model.
    pub description: Option<String>,
    /// JSON Schema of the arguments.
    #[napi(ts_type = "Record<string, any>")]
    pub input_schema: Option<()>,
    /// JSON Schema of `structuredContent`.
    #[napi(ts_type = "Record<string, any>")]
    pub output_schema: Option<()>,
    /// Hints such as `readOnlyHint`.
    #[napi(ts_type = "Record<string, any>")]
    pub annotations: Option<()>,
}
