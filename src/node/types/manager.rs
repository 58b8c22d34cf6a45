//! `runtime.manager` and its connections.

use napi::bindgen_prelude::Object;
use napi_derive::napi;

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
    /// The same.
    #[napi(ts_type = "() => Promise<void>")]
    pub dispose: (),
    #[napi(
        ts_type = "{ request(request: { method: string; params?: Record<string, any> }, resultSchema?: unknown, options?: { signal?: AbortSignal; timeout?: number }): Promise<any>; listTools(): Promise<{ tools: MCPTool[] }>; getInstructions(): string | undefined; getProtocolVersion(): string | undefined; getServerCapabilities(): Record<string, any> | undefined }"
    )]
    pub client: (),
    #[napi(ts_type = "(event: string, listener: (...args: any[]) => void) => MCPConnection")]
    pub on: (),
    #[napi(ts_type = "(event: string, listener: (...args: any[]) => void) => MCPConnection")]
    pub once: (),
    #[napi(ts_type = "(event: string, listener: (...args: any[]) => void) => MCPConnection")]
    pub off: (),
}

/// The connections of one chat request, by `userId:serverName`. A server whose config names fields of the request gets
/// its connection here; whoever made the object disposes of them when the request has been answered. Without it, such a
/// connection lasts as long as the call that needs it.
#[napi(
    object,
    js_name = "MCPRequestScopedConnections",
    object_from_js = false,
    object_to_js = false
)]
pub struct McpRequestScopedConnections {
    #[napi(ts_type = "Map<string, unknown>")]
    pub connections: (),
    /// What comes later is disposed of at once.
    pub cleanup_started: Option<bool>,
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
    /// `false` asks nobody to authorize: where somebody would have to, the call rejects with
    /// `MCP_AUTHORIZATION_REQUIRED`. Default `true`.
    pub authorize: Option<bool>,
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
    #[napi(ts_type = "MCPRequestScopedConnections")]
    pub request_scoped_connections: Option<()>,
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
    #[napi(ts_type = "MCPRequestScopedConnections")]
    pub request_scoped_connections: Option<()>,
    /// `timeout` starts again with every sign of progress; `maxTotalTimeout` does not. Milliseconds.
    #[napi(
        ts_type = "{ signal?: AbortSignal; timeout?: number; maxTotalTimeout?: number; onprogress?: (progress: { progress: number; total?: number; message?: string }) => void }"
    )]
    pub options: Option<()>,
}
