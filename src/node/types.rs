//! The shapes that `index.d.ts` shows. Values are built and read piece by piece elsewhere in this folder, because
//! objects of the host must stay the host's own; these structures only describe them.

#![expect(dead_code, reason = "read by the generator of index.d.ts only")]

use napi::bindgen_prelude::Object;
use napi_derive::napi;

/// A runtime: all connections, caches and timers that were made through it. Its functions work unbound.
#[napi(
    object,
    js_name = "MCPRuntime",
    object_from_js = false,
    object_to_js = false
)]
pub struct McpRuntime {
    /// Connects a server for a user, lists its tools and hands them to the host. Resolves to `undefined` when
    /// something outside the connection failed, such as a getter of the host; that was logged.
    ///
    /// Rejects with a `TypeError` when a member of `params` has a wrong type.
    #[napi(
        js_name = "reinitMCPServer",
        ts_type = "(params: ReinitMCPServerParams) => Promise<ReinitMCPServerResult | undefined>"
    )]
    pub reinit_mcp_server: (),
    #[napi(ts_type = "MCPOAuth")]
    pub oauth: (),
    #[napi(ts_type = "MCPTokens")]
    pub tokens: (),
    #[napi(
        js_name = "OAuthReconnectionManager",
        ts_type = "{ createInstance(flowManager: object, tokenMethods: object): Promise<OAuthReconnectionManager>; getInstance(): OAuthReconnectionManager }"
    )]
    pub oauth_reconnection_manager: (),
    /// Disconnects everything. Resolves when no child process, socket or timer of the runtime is left; may be called
    /// again. A `reinitMCPServer` in flight resolves with `success: false`.
    #[napi(ts_type = "() => Promise<void>")]
    pub close: (),
}

/// What the runtime needs from its host. A member may be a getter where its type says so; getters may be async, are
/// called per use and never cached. Callbacks made during a call run in that call's `AsyncLocalStorage` context.
#[napi(
    object,
    js_name = "MCPHostServices",
    object_from_js = false,
    object_to_js = false
)]
pub struct McpHostServices {
    /// Server configurations and network rules.
    #[napi(
        ts_type = "MCPServersRegistry | (() => MCPServersRegistry | Promise<MCPServersRegistry>)"
    )]
    pub registry: (),
    /// Formats and stores the tools of a server; its value becomes `availableTools`. Without it tools are formatted
    /// here. Bound: 30 s.
    #[napi(
        js_name = "updateMCPServerTools",
        ts_type = "(params: { userId: string; serverName: string; tools: MCPTool[] }) => unknown"
    )]
    pub update_mcp_server_tools: Option<()>,
    /// Winston-like. Without it the runtime is silent unless the environment variable `MCP_NATIVE_LOG` names a level.
    pub logger: Option<McpLogger>,
    /// Stored OAuth tokens and client registrations.
    #[napi(ts_type = "object | (() => object | Promise<object>)")]
    pub token_methods: Option<()>,
    /// OAuth flow states.
    #[napi(ts_type = "object | (() => object | Promise<object>)")]
    pub flow_manager: Option<()>,
    /// openid-client v6 `Configuration`, or a plain object.
    #[napi(ts_type = "object | (() => object | Promise<object>)")]
    pub open_id_config: Option<()>,
    /// A Keyv-like cache of exchanged tokens that processes share.
    #[napi(ts_type = "object | (() => object | Promise<object>)")]
    pub exchanged_tokens: Option<()>,
    #[napi(ts_type = "(...args: any[]) => unknown")]
    pub obo_token_resolver: Option<()>,
    #[napi(ts_type = "(...args: any[]) => unknown")]
    pub obo_trust_checker: Option<()>,
    #[napi(ts_type = "(...args: any[]) => unknown")]
    pub graph_token_resolver: Option<()>,
    #[napi(ts_type = "() => string | undefined")]
    pub get_tenant_id: Option<()>,
    /// A lock that processes share.
    #[napi(
        ts_type = "{ acquire(key: string, ttlMs: number): Promise<(() => Promise<void>) | null> }"
    )]
    pub lock: Option<()>,
    /// `false` closes what a call opened when it has answered. Default `true`.
    pub keep_connections: Option<bool>,
    /// Hex key of stored tokens; `process.env.CREDS_KEY` unless given.
    pub credentials_key: Option<String>,
}

/// LibreChat's `MCPServersRegistry`. Each function may be async; bound: 10 s, and 60 s for `reinspectServer`.
#[napi(
    object,
    js_name = "MCPServersRegistry",
    object_from_js = false,
    object_to_js = false
)]
pub struct McpServersRegistry {
    #[napi(
        ts_type = "(serverName: string, userId?: string, configServers?: Record<string, any>) => unknown"
    )]
    pub get_server_config: (),
    #[napi(ts_type = "(userId?: string, configServers?: Record<string, any>) => unknown")]
    pub get_all_server_configs: (),
    /// Inspects a server again and returns `{ serverName, config }`; throws when it is still unreachable.
    #[napi(
        ts_type = "(serverName: string, storageLocation: 'DB' | 'CACHE', userId?: string) => unknown"
    )]
    pub reinspect_server: (),
    #[napi(
        js_name = "shouldEnableSSRFProtection",
        ts_type = "() => boolean | Promise<boolean>"
    )]
    pub should_enable_ssrf_protection: (),
    #[napi(ts_type = "() => string[] | null | undefined | Promise<string[] | null | undefined>")]
    pub get_allowed_domains: (),
    #[napi(ts_type = "() => string[] | null | undefined | Promise<string[] | null | undefined>")]
    pub get_allowed_addresses: (),
}

#[napi(
    object,
    js_name = "MCPLogger",
    object_from_js = false,
    object_to_js = false
)]
pub struct McpLogger {
    #[napi(ts_type = "(message: string, ...meta: any[]) => unknown")]
    pub debug: (),
    #[napi(ts_type = "(message: string, ...meta: any[]) => unknown")]
    pub info: (),
    #[napi(ts_type = "(message: string, ...meta: any[]) => unknown")]
    pub warn: (),
    #[napi(ts_type = "(message: string, ...meta: any[]) => unknown")]
    pub error: (),
}

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
    #[napi(js_name = "oauthEnd", ts_type = "() => unknown")]
    pub oauth_end: Option<()>,
    #[napi(ts_type = "object")]
    pub flow_manager: Option<()>,
    /// A config that the caller already has; the registry is not asked for it.
    #[napi(ts_type = "Record<string, any>")]
    pub server_config: Option<()>,
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
    pub success: bool,
    pub message: String,
    pub oauth_required: bool,
    #[napi(ts_type = "string | undefined")]
    pub server_name: (),
    #[napi(ts_type = "string | null")]
    pub oauth_url: (),
    /// The tools as the server sent them.
    #[napi(ts_type = "MCPTool[] | null")]
    pub tools: (),
    /// Why `success` is false.
    #[napi(
        ts_type = "'unreachable' | 'missing_custom_user_vars' | 'oauth_required' | 'initialization_failed'"
    )]
    pub failure_reason: Option<()>,
    pub missing_user_vars: Option<Vec<String>>,
    /// No connection yet: the server needs fields of a chat turn.
    pub connection_deferred: Option<bool>,
    /// Until when the pending flow can be joined, in milliseconds since the epoch.
    pub oauth_expires_at: Option<f64>,
    /// Beside every `failureReason`.
    pub error: Option<McpErrorSummary>,
    /// Connected, but the tools could not be listed, or not all.
    pub tools_error: Option<McpErrorSummary>,
}

/// An error in a result; `docs/errors.md` lists the codes.
#[napi(
    object,
    js_name = "MCPErrorSummary",
    object_from_js = false,
    object_to_js = false
)]
pub struct McpErrorSummary {
    pub code: String,
    pub message: String,
    /// Whether the same call may succeed later without anybody changing a configuration.
    pub retryable: bool,
}

/// A tool (MCP, chapter "Tools"). Fields that are not listed here pass through as the server sent them.
#[napi(
    object,
    js_name = "MCPTool",
    object_from_js = false,
    object_to_js = false
)]
pub struct McpTool {
    pub name: String,
    pub title: Option<String>,
    pub description: Option<String>,
    #[napi(ts_type = "Record<string, any>")]
    pub input_schema: Option<()>,
    #[napi(ts_type = "Record<string, any>")]
    pub output_schema: Option<()>,
    #[napi(ts_type = "Record<string, any>")]
    pub annotations: Option<()>,
}
