//! The runtime object.

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
    /// Rejects with a `TypeError` when a member of `params` has a wrong type, and with `MCP_CLOSED` after `close`.
    #[napi(
        js_name = "reinitMCPServer",
        ts_type = "(params: ReinitMCPServerParams) => Promise<ReinitMCPServerResult | undefined>"
    )]
    pub reinit_mcp_server: (),
    /// Exchanges the federated access token of a user who signed in through OpenID for a token with these scopes (OAuth
    /// 2.0 On-Behalf-Of). Rejects with `code` `OBO_EXCHANGE_FAILED` or `OBO_CLAIMS_CHALLENGE`, `retryable`,
    /// `oboFailureReason`, `detail` and, for a challenge, `claims`; for another user, or without a token or scopes, with a
    /// `TypeError`.
    #[napi(
        ts_type = "(user: Record<string, any>, accessToken: string, scopes: string, fromCache?: boolean) => Promise<ExchangedToken>"
    )]
    pub exchange_obo_token: (),
    /// The same for Microsoft Graph: logs a failure and rejects with the text "Graph token acquisition failed: …".
    #[napi(
        ts_type = "(user: Record<string, any>, accessToken: string, scopes: string, fromCache?: boolean) => Promise<ExchangedToken>"
    )]
    pub get_graph_api_token: (),
    /// LibreChat's `MCPServerInspector.inspect`: resolves to a copy of the config with `requiresOAuth`, `oauthMetadata`
    /// and, from a server that asks nothing of users, `resolvedInstructions`, `capabilities`, `tools` and
    /// `toolFunctions`. Without lists of its own (`null`: none) the registry's rules hold.
    ///
    /// Rejects with an `MCPDomainNotAllowedError`, or an `MCPInspectionFailedError` whose `cause` says why.
    #[napi(
        ts_type = "(serverName: string, rawConfig: Record<string, any>, connection?: MCPConnection | null, allowedDomains?: string[] | null, allowedAddresses?: string[] | null) => Promise<Record<string, any>>"
    )]
    pub inspect_server: (),
    /// LibreChat's `MCPManager`.
    #[napi(ts_type = "MCPManager")]
    pub manager: (),
    /// The statics of LibreChat's `MCPManager`, bound to this runtime. `createInstance` inspects and adds the servers that
    /// the registry does not have from this process's life, and removes those that are configured no more; a registry
    /// without `addServer` is left alone. The options are limits of `getCatalogRecoveryTracker`; a host that brings them
    /// strips servers' names off tools, as LibreChat of autumn does, so tools are formatted here that way, too.
    #[napi(
        js_name = "MCPManager",
        ts_type = "{ createInstance(configs?: Record<string, any>, options?: { catalogRecoveryMaxStateEntries?: number; catalogRecoveryMaxDetachedDiscoveries?: number }): Promise<MCPManager>; getInstance(): MCPManager }"
    )]
    pub manager_statics: (),
    /// The statics of LibreChat's `MCPConnection`; without `userId` they concern the shared connection.
    #[napi(
        js_name = "MCPConnection",
        ts_type = "{ clearCooldown(serverName: string, userId?: string): void; decrementCycleCount(serverName: string, userId?: string): void }"
    )]
    pub connection_statics: (),
    /// LibreChat's `MCPOAuthHandler`, for its OAuth routes.
    #[napi(ts_type = "MCPOAuth")]
    pub oauth: (),
    /// LibreChat's `MCPTokenStorage`.
    #[napi(ts_type = "MCPTokens")]
    pub tokens: (),
    /// The statics of LibreChat's class, bound to this runtime.
    #[napi(
        js_name = "OAuthReconnectionManager",
        ts_type = "{ createInstance(flowManager: object, tokenMethods: object): Promise<OAuthReconnectionManager>; getInstance(): OAuthReconnectionManager }"
    )]
    pub oauth_reconnection_manager: (),
    /// What the runtime has done and has open: counters by server name, outcome or error code; `docs/operations.md`
    /// describes each.
    #[napi(ts_type = "() => MCPRuntimeStats")]
    pub stats: (),
    /// The same as Prometheus' text format (version 0.0.4).
    #[napi(ts_type = "() => string")]
    pub metrics: (),
    /// Disconnects everything. Resolves when no child process, socket or timer of the runtime is left; may be called
    /// again. A `reinitMCPServer` in flight resolves with `success: false`.
    #[napi(ts_type = "() => Promise<void>")]
    pub close: (),
}
