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
    #[napi(ts_type = "(userId: string, serverName: string, tenantId?: string | null) => string")]
    pub generate_flow_id: (),
    /// The id of the flow of type `mcp_get_tokens`; the same text.
    #[napi(ts_type = "(userId: string, serverName: string, tenantId?: string | null) => string")]
    pub generate_token_flow_id: (),
    /// Whose flow it is; `null` for what is no id of a flow.
    #[napi(
        ts_type = "(flowId: string) => { userId: string; serverName: string; tenantId?: string } | null"
    )]
    pub parse_flow_id: (),
    /// Discovers the authorization server, finds or registers a client and builds the authorization URL. Stores
    /// nothing.
    #[napi(
        js_name = "initiateOAuthFlow",
        ts_type = "(serverName: string, serverUrl: string, userId: string, oauthHeaders: Record<string, string>, config?: Record<string, any>, allowedDomains?: string[] | null, findToken?: (...args: any[]) => unknown, allowedAddresses?: string[] | null, tenantId?: string | null) => Promise<{ authorizationUrl: string; flowId: string; flowMetadata: Record<string, any> }>"
    )]
    pub initiate_oauth_flow: (),
    /// Exchanges the code and completes the flow. `persistBeforeComplete` stores the tokens, which have
    /// `credential_set_id`, `obtained_at` and `expires_at`, before anybody who waits gets them: its result is what the flow
    /// is completed with, and what is returned; if it rejects, the flow has failed. `received`, which may come in its place
    /// or after it, is what the callback was called with: `state` must be
    /// there and the flow's, `iss`, where there is one, the authorization server's (RFC 9207). `oauthHeaders` are for flows
    /// that were started without any.
    ///
    /// A function that calls `completePersistedFlow` completes the flow itself, as a part of its own transaction. After it
    /// may come a function that undoes it where the flow cannot be completed, then the flow that the caller has looked at
    /// (another one in its place is refused), then `received`.
    #[napi(
        js_name = "completeOAuthFlow",
        ts_type = "(flowId: string, authorizationCode: string, flowManager: object, oauthHeaders?: Record<string, string>, persistBeforeComplete?: ((tokens: Record<string, any>, completePersistedFlow: (tokens: Record<string, any>) => Promise<void>) => unknown) | { state?: string; iss?: string } | null, received?: ((tokens: Record<string, any>) => unknown) | { state?: string; iss?: string } | null, expectedAttempt?: { createdAt: number; state: string } | null, receivedAfterThese?: { state?: string; iss?: string } | null) => Promise<Record<string, any>>"
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
    /// Forgets a `state`; whether the flow manager took that.
    #[napi(ts_type = "(state: string, flowManager: object) => Promise<boolean>")]
    pub delete_state_mapping: (),
    /// Fails a flow that is still the given one, and makes its `state` unusable. Rejects where the mapping of the `state`
    /// cannot be deleted.
    #[napi(
        ts_type = "(flowId: string, flowState: { createdAt: number; metadata?: Record<string, any> }, flowManager: object, error: Error | string) => Promise<void>"
    )]
    pub fail_flow_and_delete_state_mapping: (),
    /// Deletes a flow, then the `state` that leads to it. Rejects where either may be left.
    #[napi(ts_type = "(flowId: string, flowManager: object) => Promise<void>")]
    pub delete_flow_and_state_mapping: (),
    /// What `storeTokens` takes as `metadata`: the authorization server's, with `server_url`, `client_source` and, where
    /// the resource document names one, `resource`. `undefined` without metadata, URL or source.
    #[napi(
        ts_type = "(metadata?: Record<string, any> | null, resourceMetadata?: Record<string, any> | null, serverUrl?: string | null, clientSource?: 'configured' | 'dynamic' | null) => Record<string, any> | undefined"
    )]
    pub build_stored_client_metadata: (),
    /// Throws `MCP_REAUTHENTICATION_REQUIRED` unless a stored client is for this server, and is the one that the config
    /// wants today. `storedMetadata` is what `buildStoredClientMetadata` made.
    #[napi(
        ts_type = "(serverName: string, serverUrl?: string | null, clientInfo?: Record<string, any> | null, storedMetadata?: Record<string, any> | null, config?: Record<string, any> | null) => void"
    )]
    pub assert_stored_client_binding: (),
    /// Sends a refresh request to the stored token endpoint, else, for a client without a secret, to `config.token_url`,
    /// once more without `scope` where the endpoint takes none. Rejects with `MCP_REAUTHENTICATION_REQUIRED`, and sends nothing, where there is neither,
    /// where they differ, or, where `storedServerUrl` or `clientSource` is given, where `assertStoredClientBinding` would
    /// throw. `signal` ends the wait. Stores nothing.
    #[napi(
        js_name = "refreshOAuthTokens",
        ts_type = "(refreshToken: string, metadata: { serverName: string; serverUrl?: string; clientInfo?: Record<string, any>; storedTokenEndpoint?: string; storedAuthMethods?: string[]; storedServerUrl?: string; clientSource?: 'configured' | 'dynamic'; resource?: string }, oauthHeaders?: Record<string, string>, config?: Record<string, any>, allowedDomains?: string[] | null, allowedAddresses?: string[] | null, signal?: AbortSignal) => Promise<Record<string, any>>"
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
    /// Encrypts and stores the tokens and, where given, the client that they were issued to, all of one credential set: that of
    /// the tokens, else a new one. Rows are replaced only while they are those that were read. With `expectedCredentialSetId` it is
    /// a refresh of that set. Resolves to the tokens with `credential_set_id`, `obtained_at` and `expires_at`; rejects with a
    /// `ReauthenticationRequiredError` where somebody else has stored others meanwhile. With a `flowManager` that has leases the
    /// rows are written under that of the user and server, for which it waits `persistenceWaitTimeoutMs` (15000), and it rejects
    /// with an `MCPTokenStorageUnavailableError` where it cannot have that. `onStorePreparing` is called before the first row is
    /// written, `onStoreCommitted` when all are; where either fails, nothing is stored.
    #[napi(
        ts_type = "(params: { userId: string; serverName: string; tokens: Record<string, any>; createToken: (...args: any[]) => unknown; updateToken?: (...args: any[]) => unknown; findToken?: (...args: any[]) => unknown; deleteTokens?: (...args: any[]) => unknown; clientInfo?: Record<string, any>; metadata?: Record<string, any>; existingTokens?: { accessToken?: Record<string, any> | null; refreshToken?: Record<string, any> | null; clientInfoToken?: Record<string, any> | null }; expectedCredentialSetId?: string; flowManager?: object; persistenceWaitTimeoutMs?: number; onStorePreparing?: () => unknown; onStoreCommitted?: (tokens: Record<string, any>) => unknown }) => Promise<Record<string, any>>"
    )]
    pub store_tokens: (),
    /// The stored tokens, refreshed where they have expired; `null` where that failed. Rejects with a
    /// `ReauthenticationRequiredError` where there is nothing to refresh with, or what is stored does not belong together.
    /// With a `flowManager` that has leases, `MCPTokenStorageUnavailableError` and `MCPTokenRefreshUnavailableError` take the
    /// place of `null` where another try may work.
    #[napi(
        ts_type = "(params: { userId: string; serverName: string; findToken: (...args: any[]) => unknown; createToken?: (...args: any[]) => unknown; updateToken?: (...args: any[]) => unknown; deleteTokens?: (...args: any[]) => unknown; refreshTokens?: (refreshToken: string, metadata: Record<string, any>, signal: AbortSignal) => Promise<Record<string, any>>; singleFlightScope?: string; flowManager?: object; persistenceWaitTimeoutMs?: number; refreshWaitTimeoutMs?: number; coordinateRefresh?: boolean; onRefreshSuccess?: (tokens: Record<string, any>) => unknown; onRefreshPreparing?: () => unknown; onTokensAdopted?: (tokens: Record<string, any>) => unknown }) => Promise<Record<string, any> | null>"
    )]
    pub get_tokens: (),
    /// Refreshes, whatever the access token says. Calls for the same tenant, user, server and `singleFlightScope` share one
    /// refresh; `signal` ends only the wait of its caller, with `null`. `onRefreshSuccess` is called when the tokens are stored.
    ///
    /// With a `flowManager` that has leases nothing is stored across a teardown, and it rejects as `getTokens` does. With
    /// `coordinateRefresh` one process at a time refreshes: others wait `refreshWaitTimeoutMs` (15000, at most 30000) and adopt
    /// what it has stored, which `onTokensAdopted` (else `onRefreshSuccess`) hears. What `onRefreshPreparing` resolves to is
    /// called with the stored tokens in place of `onRefreshSuccess`. `rejectedCredentialSetId` is marked as
    /// `markAuthorizationRejected` does it.
    #[napi(
        ts_type = "(params: { userId: string; serverName: string; findToken: (...args: any[]) => unknown; createToken?: (...args: any[]) => unknown; updateToken?: (...args: any[]) => unknown; deleteTokens?: (...args: any[]) => unknown; refreshTokens?: (refreshToken: string, metadata: Record<string, any>, signal: AbortSignal) => Promise<Record<string, any>>; singleFlightScope?: string; signal?: AbortSignal; onRefreshSuccess?: (tokens: Record<string, any>) => unknown; flowManager?: object; persistenceWaitTimeoutMs?: number; refreshWaitTimeoutMs?: number; coordinateRefresh?: boolean; rejectedCredentialSetId?: string | null; existingAccessToken?: Record<string, any> | null; existingRefreshToken?: Record<string, any> | null; onRefreshPreparing?: () => unknown; onTokensAdopted?: (tokens: Record<string, any>) => unknown }) => Promise<Record<string, any> | null>"
    )]
    pub force_refresh_tokens: (),
    /// Notes that a server has refused the tokens of this credential set: `hasStoredAuthorization` is `false` until others are
    /// stored. Another set that is stored meanwhile is left alone.
    #[napi(
        ts_type = "(params: { userId: string; serverName: string; credentialSetId: string; findToken: (...args: any[]) => unknown; updateToken: (...args: any[]) => unknown; flowManager?: object; persistenceWaitTimeoutMs?: number }) => Promise<void>"
    )]
    pub mark_authorization_rejected: (),
    /// Whether there are tokens that are good without asking the user, of the same credential set as the stored client.
    /// `validateClientBinding` throws where that is not the client that the config wants.
    #[napi(
        ts_type = "(params: { userId: string; serverName: string; findToken: (...args: any[]) => unknown; validateClientBinding: (clientInfo: Record<string, any>, clientMetadata: Record<string, any>) => unknown }) => Promise<boolean>"
    )]
    pub has_stored_authorization: (),
    /// Whether this access token is the stored one, of this credential set, and has not expired.
    #[napi(
        ts_type = "(params: { userId: string; serverName: string; accessToken: string; credentialSetId?: string; findToken: (...args: any[]) => unknown }) => Promise<boolean>"
    )]
    pub is_current_access_token: (),
    /// Throws a `ReauthenticationRequiredError` unless the stored client is of the tokens' credential set.
    #[napi(
        ts_type = "(serverName: string, credentialSetId: string | undefined, clientMetadata: Record<string, any> | undefined) => void"
    )]
    pub assert_credential_set_binding: (),
    /// The stored client registration, decrypted; `null` where there is none.
    #[napi(
        ts_type = "(params: { userId: string; serverName: string; findToken: (...args: any[]) => unknown }) => Promise<{ clientInfo: Record<string, any>; clientMetadata: Record<string, any> } | null>"
    )]
    pub get_client_info_and_metadata: (),
    /// Forgets a client registration; with `credentialSetId` only one of that credential set.
    #[napi(
        ts_type = "(params: { userId: string; serverName: string; deleteTokens: (...args: any[]) => unknown; credentialSetId?: string }) => Promise<void>"
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
