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
    /// Exchanges the federated access token of a user who signed in through OpenID for a token with these scopes (OAuth
    /// 2.0 On-Behalf-Of). Rejects with `code` `OBO_EXCHANGE_FAILED` or `OBO_CLAIMS_CHALLENGE`, `retryable`,
    /// `oboFailureReason`, `detail` and, for a challenge, `claims`.
    #[napi(
        ts_type = "(user: Record<string, any>, accessToken: string, scopes: string, fromCache?: boolean) => Promise<ExchangedToken>"
    )]
    pub exchange_obo_token: (),
    /// The same for Microsoft Graph: logs a failure and rejects with the text "Graph token acquisition failed: …".
    #[napi(
        ts_type = "(user: Record<string, any>, accessToken: string, scopes: string, fromCache?: boolean) => Promise<ExchangedToken>"
    )]
    pub get_graph_api_token: (),
    /// LibreChat's `MCPManager`.
    #[napi(ts_type = "MCPManager")]
    pub manager: (),
    /// The statics of LibreChat's `MCPManager`, bound to this runtime.
    #[napi(
        js_name = "MCPManager",
        ts_type = "{ createInstance(configs?: Record<string, any>): Promise<MCPManager>; getInstance(): MCPManager }"
    )]
    pub manager_statics: (),
    /// The statics of LibreChat's `MCPConnection`; without `userId` they concern the shared connection.
    #[napi(
        js_name = "MCPConnection",
        ts_type = "{ clearCooldown(serverName: string, userId?: string): void; decrementCycleCount(serverName: string, userId?: string): void }"
    )]
    pub connection_statics: (),
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
    #[napi(ts_type = "MCPLogger")]
    pub logger: Option<()>,
    /// Stored OAuth tokens and client registrations.
    #[napi(ts_type = "object | (() => object | Promise<object>)")]
    pub token_methods: Option<()>,
    /// OAuth flow states.
    #[napi(ts_type = "object | (() => object | Promise<object>)")]
    pub flow_manager: Option<()>,
    /// The OpenID client that exchanges tokens: openid-client v6 `Configuration`, or a plain object.
    #[napi(
        ts_type = "MCPOpenIdConfig | MCPOpenIdConfiguration | (() => MCPOpenIdConfig | MCPOpenIdConfiguration | Promise<MCPOpenIdConfig | MCPOpenIdConfiguration>)"
    )]
    pub open_id_config: Option<()>,
    /// A Keyv-like cache of exchanged tokens that processes share. Values are encrypted with the credentials key;
    /// without that key the cache is not used. Bound: 2 s.
    #[napi(ts_type = "MCPTokenCache | (() => MCPTokenCache | Promise<MCPTokenCache>)")]
    pub exchanged_tokens: Option<()>,
    /// Exchanges tokens in place of the runtime, when it connects and for tool calls.
    #[napi(
        ts_type = "(user: any, accessToken: string, scopes: string, fromCache: boolean) => Promise<{ access_token: string; expires_in?: number }>"
    )]
    pub obo_token_resolver: Option<()>,
    /// Whether a config may still use on-behalf-of; asked before each exchange. Whatever goes wrong means no.
    #[napi(
        ts_type = "(config: { source?: string; author?: string; dbId?: string }) => Promise<boolean>"
    )]
    pub obo_trust_checker: Option<()>,
    /// Like `oboTokenResolver`, for `{{LIBRECHAT_GRAPH_ACCESS_TOKEN}}`.
    #[napi(
        ts_type = "(user: any, accessToken: string, scopes: string, fromCache: boolean) => Promise<{ access_token: string; expires_in?: number }>"
    )]
    pub graph_token_resolver: Option<()>,
    /// The tenant of the call; tokens of one tenant are not given to another.
    #[napi(ts_type = "() => string | undefined")]
    pub get_tenant_id: Option<()>,
    /// A lock that processes share.
    #[napi(
        ts_type = "{ acquire(key: string, ttlMs: number): Promise<(() => Promise<void>) | null> }"
    )]
    pub lock: Option<()>,
    /// Answers `sampling/createMessage` with a `CreateMessageResult`. Servers may ask only where this is given.
    #[napi(ts_type = "(params: Record<string, any>, peer: MCPPeer) => unknown")]
    pub sampling: Option<()>,
    /// Answers `elicitation/create` with an `ElicitResult`; fields left out take the schema's defaults. Servers may ask
    /// only where this is given.
    #[napi(ts_type = "(params: Record<string, any>, peer: MCPPeer) => unknown")]
    pub elicitation: Option<()>,
    /// Answers `roots/list` with a `ListRootsResult`; without it there are no roots.
    #[napi(ts_type = "(params: Record<string, any>, peer: MCPPeer) => unknown")]
    pub roots: Option<()>,
    /// Hears the log messages of servers (`notifications/message`).
    #[napi(ts_type = "(params: Record<string, any>, peer: MCPPeer) => unknown")]
    pub on_log_message: Option<()>,
    /// `false` closes what a call opened when it has answered. Default `true`.
    pub keep_connections: Option<bool>,
    /// Hex key of stored tokens; `process.env.CREDS_KEY` unless given.
    pub credentials_key: Option<String>,
}

/// Whose connection to which server.
#[napi(
    object,
    js_name = "MCPPeer",
    object_from_js = false,
    object_to_js = false
)]
pub struct McpPeer {
    pub server_name: String,
    /// Absent for a connection that all users share.
    pub user_id: Option<String>,
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

/// The OpenID client of the operator, in plain form.
#[napi(
    object,
    js_name = "MCPOpenIdConfig",
    object_from_js = false,
    object_to_js = false
)]
pub struct McpOpenIdConfig {
    pub issuer: Option<String>,
    pub token_endpoint: String,
    pub client_id: String,
    pub client_secret: Option<String>,
    /// How the client authenticates; with a secret, `client_secret_post` unless given. A certificate signs with PS256
    /// unless `alg` says otherwise; an assertion is asked for anew for each request.
    #[napi(
        ts_type = "'client_secret_post' | 'client_secret_basic' | { privateKeyPem: string; certificatePem: string; alg?: 'PS256' | 'RS256' } | { clientAssertion: () => string | Promise<string> }"
    )]
    pub client_auth: Option<()>,
}

/// What the runtime uses of openid-client's `Configuration`.
#[napi(
    object,
    js_name = "MCPOpenIdConfiguration",
    object_from_js = false,
    object_to_js = false
)]
pub struct McpOpenIdConfiguration {
    #[napi(ts_type = "() => { issuer: string; token_endpoint?: string }")]
    pub server_metadata: (),
    #[napi(ts_type = "() => { client_id: string }")]
    pub client_metadata: (),
}

/// A cache such as Keyv.
#[napi(
    object,
    js_name = "MCPTokenCache",
    object_from_js = false,
    object_to_js = false
)]
pub struct McpTokenCache {
    #[napi(ts_type = "(key: string) => unknown")]
    pub get: (),
    #[napi(ts_type = "(key: string, value: string, ttlMs: number) => unknown")]
    pub set: (),
    #[napi(ts_type = "(key: string) => unknown")]
    pub delete: (),
}

/// A token for one server or API.
#[napi(object, object_from_js = false, object_to_js = false)]
pub struct ExchangedToken {
    #[napi(js_name = "access_token")]
    pub access_token: String,
    #[napi(js_name = "token_type", ts_type = "'Bearer'")]
    pub token_type: (),
    /// Seconds that are left, also for a token from the cache.
    #[napi(js_name = "expires_in")]
    pub expires_in: f64,
    pub scope: String,
}

/// A problem with a config.
#[napi(
    object,
    js_name = "MCPConfigIssue",
    object_from_js = false,
    object_to_js = false
)]
pub struct McpConfigIssue {
    #[napi(ts_type = "Array<string | number>")]
    pub path: (),
    pub message: String,
}

/// A server's domain is not among those that are allowed.
#[napi(
    object,
    js_name = "MCPDomainNotAllowedError",
    object_from_js = false,
    object_to_js = false
)]
pub struct McpDomainNotAllowedError {
    #[napi(ts_type = "'MCPDomainNotAllowedError'")]
    pub name: (),
    pub message: String,
    pub stack: Option<String>,
    #[napi(ts_type = "'MCP_DOMAIN_NOT_ALLOWED'")]
    pub code: (),
    #[napi(ts_type = "403")]
    pub status_code: (),
    pub domain: String,
}

/// A server could not be reached for inspection.
#[napi(
    object,
    js_name = "MCPInspectionFailedError",
    object_from_js = false,
    object_to_js = false
)]
pub struct McpInspectionFailedError {
    #[napi(ts_type = "'MCPInspectionFailedError'")]
    pub name: (),
    pub message: String,
    pub stack: Option<String>,
    #[napi(ts_type = "'MCP_INSPECTION_FAILED'")]
    pub code: (),
    #[napi(ts_type = "400")]
    pub status_code: (),
    pub server_name: String,
    #[napi(ts_type = "unknown")]
    pub cause: Option<()>,
}

/// There is no token on behalf of the user. The runtime's own errors have this shape too; `detail`, `claims` and what
/// the identity provider answered are set on them where they apply.
#[napi(object, object_from_js = false, object_to_js = false)]
pub struct OboTokenResolutionError {
    #[napi(ts_type = "'OboTokenResolutionError'")]
    pub name: (),
    pub message: String,
    pub stack: Option<String>,
    #[napi(
        ts_type = "'OBO_MISSING_UPSTREAM_TOKEN' | 'OBO_EXCHANGE_FAILED' | 'OBO_CLAIMS_CHALLENGE'"
    )]
    pub code: (),
    #[napi(
        ts_type = "'missing_upstream_token' | 'missing_upstream_access_token' | 'empty_exchange_response' | 'exchange_failed'"
    )]
    pub reason: (),
    pub retryable: bool,
    pub user_message: String,
    #[napi(
        ts_type = "'bad_assertion' | 'client_credentials' | 'configuration' | 'consent_required' | 'expired_assertion' | 'interaction_required' | 'invalid_response' | 'invalid_scope' | 'throttled' | 'unavailable'"
    )]
    pub detail: Option<()>,
    /// What an interactive login has to ask for.
    pub claims: Option<String>,
    #[napi(ts_type = "unknown")]
    pub cause: Option<()>,
}

/// The user has to authorize a server again.
#[napi(object, object_from_js = false, object_to_js = false)]
pub struct ReauthenticationRequiredError {
    #[napi(ts_type = "'ReauthenticationRequiredError'")]
    pub name: (),
    pub message: String,
    pub stack: Option<String>,
    #[napi(ts_type = "'MCP_REAUTHENTICATION_REQUIRED'")]
    pub code: (),
}

/// LibreChat's `MCPManager`: connections by owner and server. All functions work unbound and reject with `MCP_CLOSED`
/// after `runtime.close()`. What LibreChat's class throws as an `McpError` has that name, its numeric `code`, and ours
/// in `mcpCode`.
#[napi(
    object,
    js_name = "MCPManager",
    object_from_js = false,
    object_to_js = false
)]
pub struct McpManagerObject {
    /// The user's own connection, or the one that all users share.
    #[napi(ts_type = "(params: MCPConnectionParams) => Promise<MCPConnection>")]
    pub get_connection: (),
    /// The user's own connection; rejects for a server that all users share.
    #[napi(ts_type = "(params: MCPConnectionParams) => Promise<MCPConnection>")]
    pub get_user_connection: (),
    #[napi(
        ts_type = "(params: MCPConnectionParams) => Promise<{ tools: MCPTool[] | null; oauthRequired: boolean; oauthUrl: null }>"
    )]
    pub discover_server_tools: (),
    /// `[content, artifacts]`, formatted for the provider as LibreChat's `formatToolContent` does.
    #[napi(
        ts_type = "(params: MCPCallToolParams) => Promise<[string, Record<string, any> | undefined]>"
    )]
    pub call_tool: (),
    /// By server name; `undefined` for a user without connections.
    #[napi(ts_type = "(userId: string) => Map<string, MCPConnection> | undefined")]
    pub get_user_connections: (),
    /// Ends the connection, or the attempt in flight. Resolves when its session has ended.
    #[napi(ts_type = "(userId: string, serverName: string) => Promise<void>")]
    pub disconnect_user_connection: (),
    #[napi(ts_type = "(userId: string) => Promise<void>")]
    pub disconnect_user_connections: (),
    #[napi(
        ts_type = "(userId: string, serverName: string) => Promise<Record<string, any> | null>"
    )]
    pub get_server_tool_functions: (),
    #[napi(ts_type = "() => Promise<Record<string, any>>")]
    pub get_app_tool_functions: (),
    #[napi(
        ts_type = "(serverNames?: string[], configServers?: Record<string, any>) => Promise<string>"
    )]
    pub format_instructions_for_context: (),
    #[napi(
        ts_type = "() => { trackedUsers: number; totalConnections: number; activityEntries: number; appConnectionCount: number }"
    )]
    pub get_connection_stats: (),
    #[napi(ts_type = "MCPAppConnections")]
    pub app_connections: (),
}

/// The connections that all users share (LibreChat's `ConnectionsRepository`).
#[napi(
    object,
    js_name = "MCPAppConnections",
    object_from_js = false,
    object_to_js = false
)]
pub struct McpAppConnections {
    #[napi(ts_type = "(serverName: string) => Promise<MCPConnection | null>")]
    pub get: (),
    #[napi(ts_type = "(serverName: string) => Promise<boolean>")]
    pub has: (),
    /// Connects three at a time.
    #[napi(ts_type = "(serverNames: string[]) => Promise<Map<string, MCPConnection>>")]
    pub get_many: (),
    #[napi(ts_type = "() => Promise<Map<string, MCPConnection>>")]
    pub get_loaded: (),
    #[napi(ts_type = "() => Promise<Map<string, MCPConnection>>")]
    pub get_all: (),
    #[napi(ts_type = "(serverName: string) => Promise<void>")]
    pub disconnect: (),
    #[napi(ts_type = "() => Promise<void>[]")]
    pub disconnect_all: (),
    #[napi(ts_type = "() => number")]
    pub get_connection_count: (),
}

/// An event emitter that stands for the connection of one owner to one server, whichever session serves it. Events:
/// `connectionChange` (a state), `toolsChanged`, `resourcesChanged`, `promptsChanged`.
#[napi(
    object,
    js_name = "MCPConnection",
    object_from_js = false,
    object_to_js = false
)]
pub struct McpConnectionObject {
    pub server_name: String,
    /// Milliseconds since the epoch.
    pub created_at: f64,
    pub url: Option<String>,
    pub icon_path: Option<String>,
    /// Milliseconds for one request, where configured.
    pub timeout: Option<f64>,
    #[napi(ts_type = "'disconnected' | 'connecting' | 'connected' | 'error'")]
    pub connection_state: (),
    /// Empty where the list cannot be had; the reason is logged.
    #[napi(ts_type = "() => Promise<MCPTool[]>")]
    pub fetch_tools: (),
    #[napi(ts_type = "() => Promise<any[]>")]
    pub fetch_resources: (),
    #[napi(ts_type = "() => Promise<any[]>")]
    pub fetch_prompts: (),
    #[napi(ts_type = "() => Promise<boolean>")]
    pub is_connected: (),
    /// Whether the connection is older than a config's `updatedAt`, in milliseconds.
    #[napi(ts_type = "(updatedAt: number) => boolean")]
    pub is_stale: (),
    #[napi(ts_type = "() => Promise<void>")]
    pub connect: (),
    #[napi(ts_type = "() => Promise<void>")]
    pub disconnect: (),
    #[napi(
        ts_type = "{ request(request: { method: string; params?: Record<string, any> }, resultSchema?: unknown, options?: { signal?: AbortSignal; timeout?: number }): Promise<any>; listTools(): Promise<{ tools: MCPTool[] }>; getInstructions(): string | undefined; getServerCapabilities(): Record<string, any> | undefined }"
    )]
    pub client: (),
    #[napi(ts_type = "(event: string, listener: (...args: any[]) => void) => MCPConnection")]
    pub on: (),
    #[napi(ts_type = "(event: string, listener: (...args: any[]) => void) => MCPConnection")]
    pub once: (),
    #[napi(ts_type = "(event: string, listener: (...args: any[]) => void) => MCPConnection")]
    pub off: (),
}

/// The parameters of `getConnection` and its like.
#[napi(
    object,
    js_name = "MCPConnectionParams",
    object_from_js = false,
    object_to_js = false
)]
pub struct McpConnectionParams<'env> {
    pub server_name: String,
    pub user: Option<Object<'env>>,
    #[napi(ts_type = "AbortSignal")]
    pub signal: Option<()>,
    pub force_new: Option<bool>,
    #[napi(ts_type = "Record<string, string>")]
    pub custom_user_vars: Option<()>,
    /// Milliseconds.
    pub connection_timeout: Option<f64>,
    #[napi(ts_type = "Record<string, any>")]
    pub server_config: Option<()>,
    #[napi(ts_type = "Record<string, any>")]
    pub config_servers: Option<()>,
    #[napi(ts_type = "Record<string, any>")]
    pub request_body: Option<()>,
}

/// The parameters of `callTool`.
#[napi(
    object,
    js_name = "MCPCallToolParams",
    object_from_js = false,
    object_to_js = false
)]
pub struct McpCallToolParams<'env> {
    pub server_name: String,
    pub tool_name: String,
    /// Decides on the format of the content.
    pub provider: Option<String>,
    #[napi(ts_type = "Record<string, any>")]
    pub tool_arguments: Option<()>,
    pub user: Option<Object<'env>>,
    #[napi(ts_type = "Record<string, string>")]
    pub custom_user_vars: Option<()>,
    #[napi(ts_type = "Record<string, any>")]
    pub server_config: Option<()>,
    #[napi(ts_type = "Record<string, any>")]
    pub request_body: Option<()>,
    /// `timeout` starts again with every sign of progress; `maxTotalTimeout` does not. Milliseconds.
    #[napi(
        ts_type = "{ signal?: AbortSignal; timeout?: number; maxTotalTimeout?: number; onprogress?: (progress: { progress: number; total?: number; message?: string }) => void }"
    )]
    pub options: Option<()>,
}
