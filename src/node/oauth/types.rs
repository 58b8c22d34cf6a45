//! The shapes of `runtime.oauth` and `runtime.tokens` in `index.d.ts`.

#![expect(dead_code, reason = "read by the generator of index.d.ts only")]

use napi_derive::napi;

/// The statics of LibreChat's `MCPOAuthHandler`. Rejections are `Error`s with a `code`; no message holds a token, a
/// secret or a raw answer of a token endpoint.
#[napi(
    object,
    js_name = "MCPOAuth",
    object_from_js = false,
    object_to_js = false
)]
pub struct McpOAuth {
    /// The id of a user's flow for a server; one at a time.
    #[napi(ts_type = "(userId: string, serverName: string) => string")]
    pub generate_flow_id: (),
    /// Discovers the authorization server, finds or registers a client and builds the authorization URL. Stores
    /// nothing.
    #[napi(
        js_name = "initiateOAuthFlow",
        ts_type = "(serverName: string, serverUrl: string, userId: string, oauthHeaders: Record<string, string>, config?: Record<string, any>, allowedDomains?: string[] | null, findToken?: (...args: any[]) => unknown, allowedAddresses?: string[] | null) => Promise<{ authorizationUrl: string; flowId: string; flowMetadata: Record<string, any> }>"
    )]
    pub initiate_oauth_flow: (),
    /// Exchanges the code and completes the flow. `received` is what the callback was called with: `state` must be
    /// there and the flow's, `iss`, where there is one, the authorization server's (RFC 9207). `oauthHeaders` are for flows
    /// that were started without any.
    #[napi(
        js_name = "completeOAuthFlow",
        ts_type = "(flowId: string, authorizationCode: string, flowManager: object, oauthHeaders?: Record<string, string>, received?: { state?: string; iss?: string }) => Promise<Record<string, any>>"
    )]
    pub complete_oauth_flow: (),
    /// The metadata of a flow.
    #[napi(
        ts_type = "(flowId: string, flowManager: object) => Promise<Record<string, any> | null>"
    )]
    pub get_flow_state: (),
    /// Remembers which flow a `state` belongs to, before the URL is handed out.
    #[napi(ts_type = "(state: string, flowId: string, flowManager: object) => Promise<void>")]
    pub store_state_mapping: (),
    /// The flow that a `state` belongs to; `null` where there is none.
    #[napi(ts_type = "(state: string, flowManager: object) => Promise<string | null>")]
    pub resolve_state_to_flow_id: (),
    /// Forgets a `state`.
    #[napi(ts_type = "(state: string, flowManager: object) => Promise<void>")]
    pub delete_state_mapping: (),
    /// Sends a refresh request to the stored token endpoint, else to `config.token_url`, once more without `scope` where
    /// the endpoint takes none. Rejects with `MCP_REAUTHENTICATION_REQUIRED`, and sends nothing, where there is neither,
    /// where they differ, or where `storedServerUrl` is another server than `serverUrl`. Stores nothing.
    #[napi(
        js_name = "refreshOAuthTokens",
        ts_type = "(refreshToken: string, metadata: { serverName: string; serverUrl?: string; clientInfo?: Record<string, any>; storedTokenEndpoint?: string; storedAuthMethods?: string[]; storedServerUrl?: string; resource?: string }, oauthHeaders?: Record<string, string>, config?: Record<string, any>, allowedDomains?: string[] | null, allowedAddresses?: string[] | null) => Promise<Record<string, any>>"
    )]
    pub refresh_oauth_tokens: (),
    /// RFC 7009. Without `revocationEndpoint` the metadata of `issuer`, the stored one, says where; without either nothing
    /// is sent. Rejects with `MCP_OAUTH_REVOCATION_FAILED`, or `MCP_OAUTH_DISCOVERY_FAILED` where the endpoint must not be
    /// contacted or cannot be found out.
    #[napi(
        js_name = "revokeOAuthToken",
        ts_type = "(serverName: string, token: string, tokenType: 'refresh' | 'access', metadata: { serverUrl: string; clientId: string; clientSecret: string; revocationEndpoint?: string; revocationEndpointAuthMethodsSupported?: string[]; issuer?: string }, oauthHeaders?: Record<string, string>, allowedDomains?: string[] | null, allowedAddresses?: string[] | null) => Promise<void>"
    )]
    pub revoke_oauth_token: (),
    /// Whether a server wants OAuth; never rejects because of the server.
    #[napi(
        js_name = "detectOAuthRequirement",
        ts_type = "(serverUrl: string, allowedDomains?: string[] | null, allowedAddresses?: string[] | null) => Promise<{ requiresOAuth: boolean; method: 'protected-resource-metadata' | '401-challenge-metadata' | 'no-metadata-found'; metadata: Record<string, any> | null }>"
    )]
    pub detect_oauth_requirement: (),
}

/// The statics of LibreChat's `MCPTokenStorage`. The token methods are those of the parameter.
#[napi(
    object,
    js_name = "MCPTokens",
    object_from_js = false,
    object_to_js = false
)]
pub struct McpTokens {
    /// Encrypts and stores the tokens and, where given, the client that they were issued to. A stored refresh token of
    /// another client or token endpoint is deleted then.
    #[napi(
        ts_type = "(params: { userId: string; serverName: string; tokens: Record<string, any>; createToken: (...args: any[]) => unknown; updateToken?: (...args: any[]) => unknown; findToken?: (...args: any[]) => unknown; deleteTokens?: (...args: any[]) => unknown; clientInfo?: Record<string, any>; metadata?: Record<string, any> }) => Promise<void>"
    )]
    pub store_tokens: (),
    /// Rejects with a `ReauthenticationRequiredError` where there is nothing to refresh with.
    #[napi(
        ts_type = "(params: { userId: string; serverName: string; findToken: (...args: any[]) => unknown; createToken?: (...args: any[]) => unknown; updateToken?: (...args: any[]) => unknown; deleteTokens?: (...args: any[]) => unknown; refreshTokens?: (refreshToken: string, metadata: Record<string, any>) => Promise<Record<string, any>> }) => Promise<Record<string, any> | null>"
    )]
    pub get_tokens: (),
    /// The stored client registration, decrypted; `null` where there is none.
    #[napi(
        ts_type = "(params: { userId: string; serverName: string; findToken: (...args: any[]) => unknown }) => Promise<{ clientInfo: Record<string, any>; clientMetadata: Record<string, any> } | null>"
    )]
    pub get_client_info_and_metadata: (),
    /// Forgets a client registration.
    #[napi(
        ts_type = "(params: { userId: string; serverName: string; deleteTokens: (...args: any[]) => unknown }) => Promise<void>"
    )]
    pub delete_client_registration: (),
    /// Forgets a user's tokens and client registration of a server.
    #[napi(
        ts_type = "(params: { userId: string; serverName: string; deleteToken: (...args: any[]) => unknown }) => Promise<void>"
    )]
    pub delete_user_tokens: (),
}

/// Reconnects a user's OAuth servers from stored tokens, without asking anybody to authorize.
#[napi(
    object,
    js_name = "OAuthReconnectionManager",
    object_from_js = false,
    object_to_js = false
)]
pub struct OAuthReconnectionManager {
    /// Whether a reconnection is under way.
    #[napi(ts_type = "(userId: string, serverName: string) => boolean")]
    pub is_reconnecting: (),
    /// Forgets failures, such as after the user has authorized.
    #[napi(ts_type = "(userId: string, serverName: string) => void")]
    pub clear_reconnection: (),
    /// Resolves when the reconnections have begun.
    #[napi(ts_type = "(userId: string) => Promise<void>")]
    pub reconnect_servers: (),
    /// Reconnects one server; whether that worked.
    #[napi(ts_type = "(userId: string, serverName: string) => Promise<boolean>")]
    pub reconnect_server: (),
    /// How many users have failed or running reconnections.
    #[napi(
        ts_type = "() => { usersWithFailedServers: number; usersWithActiveReconnections: number; activeTimestamps: number }"
    )]
    pub get_tracker_stats: (),
}
