//! What a host gives to `createMCPRuntime`.

use napi_derive::napi;

/// What the runtime needs from its host. A member may be a getter where its type says so; getters may be async, are
/// called per use and never cached. Callbacks made during a call run in that call's `AsyncLocalStorage` context.
#[napi(
    object,
    js_name = "MCPHostServices",
    object_from_js = false,
    object_to_js = false
)]
pub struct McpHostServices {
    /// Server configurations and network rules. Required, unless `config` is given.
    #[napi(
        ts_type = "MCPServersRegistry | (() => MCPServersRegistry | Promise<MCPServersRegistry>)"
    )]
    pub registry: Option<()>,
    /// In place of `registry`: the path of a `librechat.yaml`, or an object with its `mcpServers` and `mcpSettings`.
    /// It is read once. Which servers want OAuth is found out where the file does not say so.
    #[napi(
        ts_type = "string | { mcpServers?: Record<string, any>; mcpSettings?: Record<string, any> }"
    )]
    pub config: Option<()>,
    /// Formats and stores the tools of a server; its value becomes `availableTools`. Without it tools are formatted
    /// here. `null` or `undefined` for tools that are there shows as `toolsError`. Without `userId` they are those of a
    /// server that users share, which happens only where the host gives `getNextAppToolsPublicationRevision`.
    /// `serverConfig` is the host's own object, where the host gives that service or `getMCPToolsCacheGeneration`.
    /// Bound: 30 s.
    #[napi(
        js_name = "updateMCPServerTools",
        ts_type = "(params: { userId?: string; serverName: string; tools: MCPTool[]; serverConfig?: any; publicationGeneration?: string; publicationRevision?: string }) => unknown"
    )]
    pub update_mcp_server_tools: Option<()>,
    /// What a user's tools are published under. It is read before a connection is made and again when its tools have
    /// been listed; where it changed meanwhile the list is discarded. Bound: 10 s.
    #[napi(
        js_name = "getMCPToolsCacheGeneration",
        ts_type = "(params: { userId: string; serverName: string }) => string | undefined | Promise<string | undefined>"
    )]
    pub get_mcp_tools_cache_generation: Option<()>,
    /// Says that a connection made under this generation is in use, at most every half of
    /// `MCP_USER_CONNECTION_IDLE_TIMEOUT`, and where it failed again at the next use. `false`: the connection is replaced at
    /// its next use. Bound: 10 s.
    #[napi(
        js_name = "renewMCPToolsCacheGeneration",
        ts_type = "(params: { userId: string; serverName: string; publicationGeneration: string }) => boolean | undefined | Promise<boolean | undefined>"
    )]
    pub renew_mcp_tools_cache_generation: Option<()>,
    /// Reserves the place of a list of tools of a server that users share, before the list is asked for. With it, lists
    /// of such servers are published when they are connected and when they announce other tools. LibreChat's own function
    /// can be given as it is, together with `getMCPAppToolsPublicationGeneration`: one that declares two parameters gets
    /// `(serverName, configGeneration)`. Bound: 10 s.
    #[napi(
        js_name = "getNextAppToolsPublicationRevision",
        ts_type = "((params: { serverName: string; serverConfig: any; configGeneration?: string }) => string | Promise<string>) | ((serverName: string, configGeneration: string) => string | Promise<string>)"
    )]
    pub get_next_app_tools_publication_revision: Option<()>,
    /// What the tools of a config are published under, where users share them; exported by `@librechat/api`.
    #[napi(
        js_name = "getMCPAppToolsPublicationGeneration",
        ts_type = "(serverConfig: any) => string | Promise<string>"
    )]
    pub get_mcp_app_tools_publication_generation: Option<()>,
    /// The host's policy on whose a server is. Where it has users share one whose config names them
    /// (`{{LIBRECHAT_USER_ID}}`), as LibreChat's of June 2026 does, the tools are listed over one connection, with the
    /// placeholders as they are; calls are made over each user's own. Bound: 10 s.
    #[napi(ts_type = "(serverConfig: any) => boolean")]
    pub requires_user_scoped_connection: Option<()>,
    /// LibreChat's own manager, where this runtime serves beside it: `reinitMCPServer` lists the tools of a server that
    /// users share over the connection which is open there, if one is, and opens none of its own.
    #[napi(
        ts_type = "{ appConnections: { getLoaded(): Promise<Map<string, any>> } | null } | (() => { appConnections: { getLoaded(): Promise<Map<string, any>> } | null } | Promise<{ appConnections: { getLoaded(): Promise<Map<string, any>> } | null }>)"
    )]
    pub connections: Option<()>,
    /// Winston-like. Without it the runtime is silent unless the environment variable `MCP_NATIVE_LOG` names a level.
    #[napi(ts_type = "MCPLogger")]
    pub logger: Option<()>,
    /// Stored OAuth tokens and client registrations.
    #[napi(ts_type = "MCPTokenMethods | (() => MCPTokenMethods | Promise<MCPTokenMethods>)")]
    pub token_methods: Option<()>,
    /// Around every change of a user's stored tokens, as the other three, for calls that bring none of their own. Bound: 30 s.
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
    /// OAuth flow states.
    #[napi(ts_type = "MCPFlowManager | (() => MCPFlowManager | Promise<MCPFlowManager>)")]
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
        ts_type = "(user: any, accessToken: string, scopes: string, fromCache: boolean, identityContext?: any) => Promise<{ access_token: string; expires_in?: number }>"
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
    ///
    /// This, `elicitation` and `roots` run in the context of the call on whose stream the server asks, with its user as
    /// `peer.userId`, and are waited for as long as that call is under way, at most five minutes; then `peer.signal` is
    /// aborted. Over a connection of one user, what belongs to no call runs in the context of the call that made it; over
    /// one that users share (stdio, HTTP+SSE, WebSocket, the GET stream of Streamable HTTP) it is refused with a JSON-RPC
    /// error: `startup: false` in a server's config gives each user a connection. At most 32 requests of a connection are
    /// asked at a time for each user, 256 for all.
    #[napi(ts_type = "(params: Record<string, any>, peer: MCPPeer) => unknown")]
    pub sampling: Option<()>,
    /// Answers `elicitation/create` with an `ElicitResult`; fields left out take the schema's defaults. Servers may ask
    /// only where this is given.
    #[napi(ts_type = "(params: Record<string, any>, peer: MCPPeer) => unknown")]
    pub elicitation: Option<()>,
    /// Answers `roots/list` with a `ListRootsResult`; without it there are no roots.
    #[napi(ts_type = "(params: Record<string, any>, peer: MCPPeer) => unknown")]
    pub roots: Option<()>,
    /// Hears the log messages of servers (`notifications/message`), in the context of the call on whose stream they come,
    /// with its user and tool. Over a connection of one user, what belongs to no call is heard in the context of the call
    /// that made it; over one that users share, without a user and in the context that the runtime was made in. 256 of a
    /// connection wait at most, 1 MiB of them; more are dropped, with a warning that counts them.
    #[napi(
        ts_type = "(params: Record<string, any>, peer: Pick<MCPPeer, 'serverName' | 'userId' | 'toolName'>) => unknown"
    )]
    pub on_log_message: Option<()>,
    /// Gets finished spans for the host's tracer, in batches and in the context of their call.
    #[napi(ts_type = "(spans: MCPSpan[]) => unknown")]
    pub on_spans: Option<()>,
    /// `false` closes what a call opened when it has answered. Default `true`.
    pub keep_connections: Option<bool>,
    /// Hex key of stored tokens; `process.env.CREDS_KEY` unless given.
    pub credentials_key: Option<String>,
    /// LibreChat's own error classes, such as all of `@librechat/api`: errors that this runtime rejects with are instances
    /// of them then, so that `instanceof` in LibreChat's code holds. The classes of this package are used where it has none.
    #[napi(
        ts_type = "{ MCPDomainNotAllowedError?: Function; MCPInspectionFailedError?: Function; MCPTokenRefreshUnavailableError?: Function; MCPTokenStorageUnavailableError?: Function; OboTokenResolutionError?: Function; ReauthenticationRequiredError?: Function }"
    )]
    pub error_classes: Option<()>,
}

/// Whose request it is that a server makes.
#[napi(
    object,
    js_name = "MCPPeer",
    object_from_js = false,
    object_to_js = false
)]
pub struct McpPeer {
    /// As the registry knows it.
    pub server_name: String,
    /// The user in whose call the server asks. Absent for calls without a user, and for log messages that belong to no
    /// call, over a connection that all users share.
    pub user_id: Option<String>,
    /// The tool in whose call the server asks, as the caller named it. Absent outside of such a call.
    pub tool_name: Option<String>,
    /// Aborted when nobody waits for the answer any more: the call was aborted or has ended, the server has withdrawn its
    /// request (`notifications/cancelled`), the connection has ended, or five minutes are over.
    #[napi(ts_type = "AbortSignal")]
    pub signal: (),
    /// What the server calls its request in JSON-RPC. One inside a result (`inputRequests` of 2026-07-28) has its key
    /// there.
    #[napi(ts_type = "string | number")]
    pub request_id: (),
}

/// LibreChat's `MCPServersRegistry`. Each function may be async; bound: 10 s, and 60 s for `reinspectServer`.
#[napi(
    object,
    js_name = "MCPServersRegistry",
    object_from_js = false,
    object_to_js = false
)]
pub struct McpServersRegistry {
    /// The config that a user sees; `undefined` for an unknown server.
    #[napi(
        ts_type = "(serverName: string, userId?: string, configServers?: Record<string, any>) => unknown"
    )]
    pub get_server_config: (),
    /// All configs that a user sees, by server name.
    #[napi(ts_type = "(userId?: string, configServers?: Record<string, any>) => unknown")]
    pub get_all_server_configs: (),
    /// Inspects a server again and returns `{ serverName, config }`; throws when it is still unreachable.
    #[napi(
        ts_type = "(serverName: string, storageLocation: 'DB' | 'CACHE', userId?: string) => unknown"
    )]
    pub reinspect_server: (),
    /// Whether private and reserved addresses are refused.
    #[napi(
        js_name = "shouldEnableSSRFProtection",
        ts_type = "() => boolean | Promise<boolean>"
    )]
    pub should_enable_ssrf_protection: (),
    /// `mcpSettings.allowedDomains`.
    #[napi(ts_type = "() => string[] | null | undefined | Promise<string[] | null | undefined>")]
    pub get_allowed_domains: (),
    /// `mcpSettings.allowedAddresses`: `host:port` pairs of private space that may be contacted.
    #[napi(ts_type = "() => string[] | null | undefined | Promise<string[] | null | undefined>")]
    pub get_allowed_addresses: (),
    /// In place of the three: the rules of a user's tenant and role, asked in the context of the call before each
    /// connection, discovery and tool call. Who has other rules than the operator's shares no connection to a remote
    /// server.
    #[napi(
        ts_type = "(whose: { userId?: string; role?: string }) => Promise<{ allowedDomains?: string[] | null; allowedAddresses?: string[] | null; useSSRFProtection: boolean }>"
    )]
    pub resolve_allowlists: Option<()>,
    /// Whether a config is the operator's own. One that is not, such as a tenant's overlay, gets a connection of the
    /// user's own.
    #[napi(ts_type = "(serverName: string, effectiveConfig: any) => boolean | Promise<boolean>")]
    pub is_app_server_config: Option<()>,
    /// Inspects a server and adds it; `createInstance` calls this and the next two where the registry has them.
    #[napi(
        ts_type = "(serverName: string, config: any, storageLocation: 'CACHE' | 'DB') => unknown"
    )]
    pub add_server: Option<()>,
    /// Adds a server that could not be inspected.
    #[napi(ts_type = "(serverName: string, config: any, storageLocation: 'CACHE') => unknown")]
    pub add_server_stub: Option<()>,
    /// Removes a server.
    #[napi(ts_type = "(serverName: string, storageLocation: 'CACHE' | 'DB') => unknown")]
    pub remove_server: Option<()>,
}

/// LibreChat's token methods, over rows of one user, type and identifier each. Values are encrypted before they come here;
/// the rows are described in `docs/oauth.md`. Bound: 10 s each.
#[napi(
    object,
    js_name = "MCPTokenMethods",
    object_from_js = false,
    object_to_js = false
)]
pub struct McpTokenMethods {
    /// The row, with `token`, `expiresAt`, `createdAt` and `metadata` (an object or a `Map`); `null` where there is none.
    #[napi(ts_type = "(query: { userId: string; type: string; identifier: string }) => unknown")]
    pub find_token: (),
    /// Stores a row. `expiresIn` is in seconds.
    #[napi(
        ts_type = "(row: { userId: string; type: string; identifier: string; token: string; expiresIn: number; metadata?: Record<string, any> }) => unknown"
    )]
    pub create_token: (),
    /// Changes the row that has this `token` and, as `metadata.credential_set_id`, this `metadataCredentialSetId` (`null`:
    /// none), where they are given, in one step. `null` where there is no such row.
    #[napi(
        ts_type = "(query: { userId: string; type: string; identifier: string; token?: string; metadataCredentialSetId?: string | null }, changes: { token?: string; expiresIn?: number; expiresAt?: Date; metadata?: Record<string, any> }) => unknown"
    )]
    pub update_token: (),
    /// Deletes the rows that match as in `updateToken`, and says how many: `{ deletedCount }`.
    #[napi(
        ts_type = "(query: { userId: string; type: string; identifier: string; token?: string; metadataCredentialSetId?: string | null }) => unknown"
    )]
    pub delete_tokens: (),
}

/// LibreChat's `FlowStateManager`. A flow is known by its id and its type, and is kept until it expires or is deleted.
/// Values are JSON. Bound: 10 s each.
#[napi(
    object,
    js_name = "MCPFlowManager",
    object_from_js = false,
    object_to_js = false
)]
pub struct McpFlowManager {
    /// `{ status, metadata, createdAt, completedAt, result, error }`, with a `status` of `PENDING`, `COMPLETED` or `FAILED`
    /// and times in milliseconds since the epoch; `null` where there is none.
    #[napi(ts_type = "(flowId: string, type: string) => unknown")]
    pub get_flow_state: (),
    /// Stores a pending flow, in place of the one that is there.
    #[napi(ts_type = "(flowId: string, type: string, metadata?: any) => unknown")]
    pub init_flow: (),
    /// Completes a flow.
    #[napi(ts_type = "(flowId: string, type: string, result: any) => unknown")]
    pub complete_flow: (),
    /// Fails a flow.
    #[napi(ts_type = "(flowId: string, type: string, error: any) => unknown")]
    pub fail_flow: (),
    /// Forgets a flow; `false` where that failed.
    #[napi(ts_type = "(flowId: string, type: string) => unknown")]
    pub delete_flow: (),
    /// A lease that processes share, `null` where somebody else has it for `waitMs`, or at once where the generation is not the
    /// expected one. With this and the next, tokens are written under leases: `docs/oauth.md`. Bound: `waitMs` and 10 s.
    #[napi(
        ts_type = "(leaseId: string, options: { expectedGeneration?: number; leaseMs?: number; waitMs?: number }) => unknown"
    )]
    pub acquire_lease: Option<()>,
    /// Which life of what the lease guards this is; `null` while it is torn down.
    #[napi(ts_type = "(leaseId: string) => unknown")]
    pub get_lease_generation: Option<()>,
}

/// Winston-like; what the functions return is ignored.
#[napi(
    object,
    js_name = "MCPLogger",
    object_from_js = false,
    object_to_js = false
)]
pub struct McpLogger {
    /// Every step.
    #[napi(ts_type = "(message: string, ...meta: any[]) => unknown")]
    pub debug: (),
    /// What began and ended.
    #[napi(ts_type = "(message: string, ...meta: any[]) => unknown")]
    pub info: (),
    /// What was amiss, and gone on without.
    #[napi(ts_type = "(message: string, ...meta: any[]) => unknown")]
    pub warn: (),
    /// What failed.
    #[napi(ts_type = "(message: string, ...meta: any[]) => unknown")]
    pub error: (),
}
