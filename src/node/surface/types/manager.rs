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
    /// The tools of a server, with the tokens that the user has, else as it shows them to anybody; nobody is asked to
    /// authorize. `tools` is `null` where there are none to be had, or where `deadlineMs` is over, in milliseconds since
    /// the epoch. Where tokens are still being refreshed then, `onDiscoveryDetached` gets a promise that resolves when
    /// that is done. `authenticationKind` says what `oauthRequired` is about.
    #[napi(
        ts_type = "(params: MCPConnectionParams & { deadlineMs?: number; onDiscoveryDetached?: (discovery: Promise<void>) => unknown }) => Promise<{ tools: MCPTool[] | null; oauthRequired: boolean; oauthUrl: null; authenticationKind?: 'oauth' | 'obo' | 'server' }>"
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
    /// Ends the connection, or the attempt in flight. Resolves when its session has ended. What catalog recovery knows of
    /// the server is forgotten, too, unless `reason` is another than `mutation`, the default.
    #[napi(
        ts_type = "(userId: string, serverName: string, options?: { reason?: string }) => Promise<void>"
    )]
    pub disconnect_user_connection: (),
    /// All of a user's, attempts in flight included.
    #[napi(ts_type = "(userId: string) => Promise<void>")]
    pub disconnect_user_connections: (),
    /// The tools of an open connection in LibreChat's format; `null` where there is none.
    #[napi(
        ts_type = "(userId: string, serverName: string) => Promise<Record<string, any> | null>"
    )]
    pub get_server_tool_functions: (),
    /// The same with what it is published under. `tools` is `null` where there is no connection, or none that was made
    /// from this config and under the generation of now; such a one is ended. `null` also where `deadlineMs` is over, in
    /// milliseconds since the epoch. Rejects for nothing that a server or the host does.
    #[napi(
        ts_type = "(userId: string, serverName: string, serverConfig?: any, options?: { deadlineMs?: number; signal?: AbortSignal }) => Promise<{ tools: Record<string, any> | null; publicationGeneration?: string; publicationRevision?: string }>"
    )]
    pub get_server_tool_functions_snapshot: (),
    /// Opens the connections of all servers that users share, three at a time, and lists their tools. What fails is
    /// logged.
    #[napi(ts_type = "() => Promise<void>")]
    pub connect_app_servers: (),
    /// Ends the connections that users share. Resolves when their sessions have ended.
    #[napi(ts_type = "() => Promise<void>")]
    pub disconnect_app_servers: (),
    /// The connections that users share and that are open, by server name.
    #[napi(ts_type = "() => Promise<Map<string, MCPConnection>>")]
    pub get_loaded_app_connections: (),
    /// What LibreChat's `loadMCPServerCatalogs` remembers between requests: discoveries under way, and servers that are not
    /// asked again before their time. `createInstance` sets its limits.
    #[napi(ts_type = "() => MCPCatalogRecoveryTracker")]
    pub get_catalog_recovery_tracker: (),
    /// Has a user's server, or all of a user's, asked again at once: what it was asked with has changed. With a
    /// `generation`, which names the change, a discovery under way goes on and is compared with it.
    #[napi(
        ts_type = "(userId: string, serverName?: string, generation?: string, capabilityProfile?: string) => void"
    )]
    pub clear_catalog_recovery_state: (),
    /// The `toolFunctions` of all configurations, in one object. Where the runtime has a `config` in place of a
    /// registry, servers that all users share are inspected for it, once.
    #[napi(ts_type = "() => Promise<Record<string, any>>")]
    pub get_app_tool_functions: (),
    /// The instructions of the named servers, or of all, as one text for the model.
    #[napi(
        ts_type = "(serverNames?: string[], configServers?: Record<string, any>) => Promise<string>"
    )]
    pub format_instructions_for_context: (),
    /// What `getMCPToolsCacheGeneration` said before the connection was made.
    #[napi(ts_type = "(connection: MCPConnection) => string | undefined")]
    pub get_tool_publication_generation: (),
    /// The identity of the config that a user's connection was made from.
    #[napi(ts_type = "(connection: MCPConnection) => string | undefined")]
    pub get_tool_config_generation: (),
    /// Runs work on a user's connection, which stays open until the work has settled, at most ten minutes, whoever
    /// replaces it meanwhile.
    #[napi(
        ts_type = "<T>(params: MCPConnectionParams, operation: (connection: MCPConnection) => T | Promise<T>) => Promise<T>"
    )]
    pub with_user_connection_lease: (),
    /// How many users and connections there are.
    #[napi(
        ts_type = "() => { trackedUsers: number; totalConnections: number; activityEntries: number; appConnectionCount: number }"
    )]
    pub get_connection_stats: (),
    /// The connections that all users share.
    #[napi(ts_type = "MCPAppConnections")]
    pub app_connections: (),
}

/// LibreChat's `MCPServerCatalogRecoveryTracker`, as its `loadMCPServerCatalogs` calls it. `policy` is
/// `mcpSettings.catalogRecovery`, all members given.
#[napi(
    object,
    js_name = "MCPCatalogRecoveryTracker",
    object_from_js = false,
    object_to_js = false
)]
pub struct McpCatalogRecoveryTracker {
    /// Discovers, joins the discovery of the same that is under way, or tells what the last one came to: `discover` is not
    /// called before `reauthRetryMs` and `discoveryBackoffMs` are over. `generation` names what the user's credentials
    /// are.
    #[napi(
        ts_type = "(user: { id: string }, candidate: { serverName: string; serverConfig: any; capabilityProfile?: string }, policy: any, generation: string | undefined, discover: (trackPublication: (publish: () => Promise<string | undefined>) => Promise<string | undefined>, detach: (discovery: Promise<unknown>) => void) => Promise<any>) => Promise<any>"
    )]
    pub run: (),
    /// Whether a discovery that shares nothing with others may begin.
    #[napi(
        ts_type = "(user: { id: string }, candidate: { serverName: string; serverConfig: any; capabilityProfile?: string }, policy: any) => boolean"
    )]
    pub admits_discovery: (),
    /// Counts such a one, which nobody waits for any more, until it settles.
    #[napi(
        ts_type = "(user: { id: string }, candidate: { serverName: string; serverConfig: any; capabilityProfile?: string }, policy: any, discovery: Promise<unknown>) => void"
    )]
    pub detach_discovery: (),
    /// As `clearCatalogRecoveryState`.
    #[napi(
        ts_type = "(userId: string, serverName?: string, generation?: string, capabilityProfile?: string) => void"
    )]
    pub clear: (),
}

/// The connections that all users share (LibreChat's `ConnectionsRepository`).
#[napi(
    object,
    js_name = "MCPAppConnections",
    object_from_js = false,
    object_to_js = false
)]
pub struct McpAppConnections {
    /// Connects where necessary; `null` for a server that belongs to users.
    #[napi(ts_type = "(serverName: string) => Promise<MCPConnection | null>")]
    pub get: (),
    /// Whether a server is one that all users share.
    #[napi(ts_type = "(serverName: string) => Promise<boolean>")]
    pub has: (),
    /// Connects three at a time. `continueOnError` logs and leaves out a server that cannot be reached.
    #[napi(
        ts_type = "(serverNames: string[], options?: { continueOnError?: boolean; refreshTools?: boolean }) => Promise<Map<string, MCPConnection>>"
    )]
    pub get_many: (),
    /// The connections that are open, by server name.
    #[napi(ts_type = "() => Promise<Map<string, MCPConnection>>")]
    pub get_loaded: (),
    /// All of them, by server name; connects where necessary.
    #[napi(
        ts_type = "(options?: { continueOnError?: boolean; refreshTools?: boolean }) => Promise<Map<string, MCPConnection>>"
    )]
    pub get_all: (),
    /// Resolves when the session has ended.
    #[napi(ts_type = "(serverName: string) => Promise<void>")]
    pub disconnect: (),
    /// One promise for each connection.
    #[napi(ts_type = "() => Promise<void>[]")]
    pub disconnect_all: (),
    /// How many are open.
    #[napi(ts_type = "() => number")]
    pub get_connection_count: (),
}

/// An event emitter that stands for the connection of one owner to one server, whichever session serves it: there is one
/// object for all of them. Events: `connectionChange` (a state), `toolsChanged` (the tools as they were listed again, and
/// their `publicationRevision` where users share the server), `resourcesChanged`, `promptsChanged`.
#[napi(
    object,
    js_name = "MCPConnection",
    object_from_js = false,
    object_to_js = false
)]
pub struct McpConnectionObject {
    /// As the registry knows it.
    pub server_name: String,
    /// When the config was read that it is made from, in milliseconds since the epoch.
    pub created_at: f64,
    /// Placeholders filled in; absent for a process.
    pub url: Option<String>,
    /// As configured.
    pub icon_path: Option<String>,
    /// Milliseconds for one request, where configured.
    pub timeout: Option<f64>,
    /// As it is now; `error` after a loss, or an attempt that failed.
    #[napi(ts_type = "'disconnected' | 'connecting' | 'connected' | 'error'")]
    pub connection_state: (),
    /// Empty where the list cannot be had; the reason is logged.
    #[napi(ts_type = "() => Promise<MCPTool[]>")]
    pub fetch_tools: (),
    /// A list that no announcement of the server has made out of date. `complete` is false, and the list empty, where
    /// there is none, or none before `deadlineMs`, in milliseconds since the epoch. Of a server that users share it has
    /// the place that was reserved for it, or says that none could be.
    #[napi(
        ts_type = "(deadlineMs?: number, signal?: AbortSignal) => Promise<{ tools: MCPTool[]; complete: boolean; publicationRevision?: string; orderingUnavailable?: boolean }>"
    )]
    pub fetch_ordered_tools_snapshot: (),
    /// The same, whatever the server announces meanwhile.
    #[napi(
        ts_type = "(deadlineMs?: number, signal?: AbortSignal) => Promise<{ tools: MCPTool[]; complete: boolean; publicationRevision?: string; orderingUnavailable?: boolean }>"
    )]
    pub fetch_tools_snapshot: (),
    /// Lists the tools again, publishes them and emits `toolsChanged`. What fails is logged, and tried again later.
    #[napi(ts_type = "() => Promise<void>")]
    pub refresh_tool_list: (),
    /// Whether users authorize with the server.
    #[napi(js_name = "usesOAuth", ts_type = "() => boolean")]
    pub uses_oauth: (),
    /// Empty where the list cannot be had; the reason is logged.
    #[napi(ts_type = "() => Promise<any[]>")]
    pub fetch_resources: (),
    /// Empty where the list cannot be had; the reason is logged.
    #[napi(ts_type = "() => Promise<any[]>")]
    pub fetch_prompts: (),
    /// Asks the server, unless it was seen alive a moment ago.
    #[napi(ts_type = "(signal?: AbortSignal) => Promise<boolean>")]
    pub is_connected: (),
    /// Whether a config with this `updatedAt`, in milliseconds since the epoch, is newer than `createdAt`.
    #[napi(ts_type = "(updatedAt: number) => boolean")]
    pub is_stale: (),
    /// Connects again where the session has ended. Rejects with `MCP_CONNECTION_LOST` where somebody disconnects
    /// meanwhile.
    #[napi(ts_type = "() => Promise<void>")]
    pub connect: (),
    /// Resolves when the session has ended.
    #[napi(ts_type = "() => Promise<void>")]
    pub disconnect: (),
    /// The same.
    #[napi(ts_type = "() => Promise<void>")]
    pub dispose: (),
    /// The surface of the MCP SDK's client, as far as LibreChat uses it. `params` are sent as the `toolArguments` of
    /// `callTool` are.
    #[napi(
        ts_type = "{ request(request: { method: string; params?: Record<string, any> }, resultSchema?: unknown, options?: { signal?: AbortSignal; timeout?: number }): Promise<any>; listTools(): Promise<{ tools: MCPTool[] }>; getInstructions(): string | undefined; getProtocolVersion(): string | undefined; getServerCapabilities(): Record<string, any> | undefined }"
    )]
    pub client: (),
    /// Listens; see above for the events.
    #[napi(ts_type = "(event: string, listener: (...args: any[]) => unknown) => MCPConnection")]
    pub on: (),
    /// Listens for the next one.
    #[napi(ts_type = "(event: string, listener: (...args: any[]) => unknown) => MCPConnection")]
    pub once: (),
    /// Ends listening.
    #[napi(ts_type = "(event: string, listener: (...args: any[]) => unknown) => MCPConnection")]
    pub off: (),
    /// Ends all listening, to one event or to all.
    #[napi(ts_type = "(event?: string) => MCPConnection")]
    pub remove_all_listeners: (),
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
    /// By server name.
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
    /// As the registry knows it.
    pub server_name: String,
    /// Whose connection; see `ReinitMCPServerParams.user`.
    pub user: Option<Object<'env>>,
    /// Ends the call at every step.
    #[napi(ts_type = "AbortSignal")]
    pub signal: Option<()>,
    /// Makes the user's connection anew and replaces the one there.
    pub force_new: Option<bool>,
    /// `false` asks nobody to authorize: where somebody would have to, the call rejects with
    /// `MCP_AUTHORIZATION_REQUIRED`. Default `true`.
    pub authorize: Option<bool>,
    /// Called once with the URL that the user has to open, and for a flow that was pending already with the time until
    /// when it can be joined. The call waits until they have authorized, unless `returnOnOAuth` says otherwise; without this, too.
    #[napi(
        js_name = "oauthStart",
        ts_type = "(authURL: string, options?: { expiresAt: number }) => unknown"
    )]
    pub oauth_start: Option<()>,
    /// Called once when the user has authorized, before connecting.
    #[napi(js_name = "oauthEnd", ts_type = "() => unknown")]
    pub oauth_end: Option<()>,
    /// `true`: rejects with `MCP_OAUTH_REQUIRED` once the URL is handed out. Default `false`.
    #[napi(js_name = "returnOnOAuth")]
    pub return_on_oauth: Option<bool>,
    /// In place of the host's.
    #[napi(ts_type = "MCPFlowManager")]
    pub flow_manager: Option<()>,
    /// In place of the host's.
    #[napi(ts_type = "MCPTokenMethods")]
    pub token_methods: Option<()>,
    /// The user's values for the server's `customUserVars`.
    #[napi(ts_type = "Record<string, string>")]
    pub custom_user_vars: Option<()>,
    /// Milliseconds.
    pub connection_timeout: Option<f64>,
    /// A config that the caller already has; the registry is not asked for it.
    #[napi(ts_type = "Record<string, any>")]
    pub server_config: Option<()>,
    /// Passed on to `registry.getServerConfig`.
    #[napi(ts_type = "Record<string, any>")]
    pub config_servers: Option<()>,
    /// Fields of the chat request, for `{{LIBRECHAT_BODY_*}}`.
    #[napi(ts_type = "Record<string, any>")]
    pub request_body: Option<()>,
    /// Where connections are kept that belong to one chat request.
    #[napi(ts_type = "MCPRequestScopedConnections")]
    pub request_scoped_connections: Option<()>,
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
}

/// The parameters of `callTool`.
#[napi(
    object,
    js_name = "MCPCallToolParams",
    object_from_js = false,
    object_to_js = false
)]
pub struct McpCallToolParams<'env> {
    /// As the registry knows it.
    pub server_name: String,
    /// As the server calls it.
    pub tool_name: String,
    /// Decides on the format of the content.
    pub provider: Option<String>,
    /// By the tool's `inputSchema`. They are sent as `JSON.stringify` writes them; what it cannot write, or is nested
    /// deeper than 512 levels, is a `TypeError` with the path to it.
    #[napi(ts_type = "Record<string, any>")]
    pub tool_arguments: Option<()>,
    /// Whose connection and tokens are used; see `ReinitMCPServerParams.user`.
    pub user: Option<Object<'env>>,
    /// The user's values for the server's `customUserVars`.
    #[napi(ts_type = "Record<string, string>")]
    pub custom_user_vars: Option<()>,
    /// A config that the caller already has; the registry is not asked for it.
    #[napi(ts_type = "Record<string, any>")]
    pub server_config: Option<()>,
    /// Called once with the URL that the user has to open, and for a flow that was pending already with the time until
    /// when it can be joined. The call waits until they have authorized, at most as long as users have (`MCP_OAUTH_HANDLING_TIMEOUT`); without this, too.
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
    /// Fields of the chat request, for `{{LIBRECHAT_BODY_*}}`.
    #[napi(ts_type = "Record<string, any>")]
    pub request_body: Option<()>,
    /// In place of the host's.
    #[napi(ts_type = "MCPHostServices['oboTokenResolver']")]
    pub obo_token_resolver: Option<()>,
    /// In place of the host's.
    #[napi(ts_type = "MCPHostServices['oboTrustChecker']")]
    pub obo_trust_checker: Option<()>,
    /// In place of the host's.
    #[napi(ts_type = "MCPHostServices['graphTokenResolver']")]
    pub graph_token_resolver: Option<()>,
    /// Where connections are kept that belong to one chat request.
    #[napi(ts_type = "MCPRequestScopedConnections")]
    pub request_scoped_connections: Option<()>,
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
    /// `timeout` starts again with every sign of progress; `maxTotalTimeout` does not. Milliseconds.
    #[napi(
        ts_type = "{ signal?: AbortSignal; timeout?: number; maxTotalTimeout?: number; onprogress?: (progress: { progress: number; total?: number; message?: string }) => unknown }"
    )]
    pub options: Option<()>,
}
