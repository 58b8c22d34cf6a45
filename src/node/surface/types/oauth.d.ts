/**
 * The statics of LibreChat's `MCPOAuthHandler`. Rejections are `Error`s with a `code`; no message holds a token, a
 * secret or a raw answer of a token endpoint.
 */
export interface MCPOAuth {
  /** The id of a user's flow for a server; one at a time. */
  generateFlowId: (userId: string, serverName: string, tenantId?: string | null) => string
  /** The id of the flow of type `mcp_get_tokens`; the same text. */
  generateTokenFlowId: (userId: string, serverName: string, tenantId?: string | null) => string
  /** Whose flow it is; `null` for what is no id of a flow. */
  parseFlowId: (flowId: string) => { userId: string; serverName: string; tenantId?: string } | null
  /**
   * Discovers the authorization server, finds or registers a client and builds the authorization URL. Stores
   * nothing.
   */
  initiateOAuthFlow: (serverName: string, serverUrl: string, userId: string, oauthHeaders: Record<string, string>, config?: MCPOAuthConfig, allowedDomains?: string[] | null, findToken?: MCPTokenMethods['findToken'], allowedAddresses?: string[] | null, tenantId?: string | null) => Promise<{ authorizationUrl: string; flowId: string; flowMetadata: MCPOAuthFlowMetadata }>
  /**
   * Exchanges the code and completes the flow. `persistBeforeComplete` stores the tokens, which have
   * `credential_set_id`, `obtained_at` and `expires_at`, before anybody who waits gets them: its result is what the flow
   * is completed with, and what is returned; if it rejects, the flow has failed. `received`, which may come in its place
   * or after it, is what the callback was called with: `state` must be
   * there and the flow's, `iss`, where there is one, the authorization server's (RFC 9207). `oauthHeaders` are for flows
   * that were started without any.
   *
   * A function that calls `completePersistedFlow` completes the flow itself, as a part of its own transaction. After it
   * may come a function that undoes it where the flow cannot be completed, then the flow that the caller has looked at
   * (another one in its place is refused), then `received`.
   */
  completeOAuthFlow: (flowId: string, authorizationCode: string, flowManager: MCPFlowManager, oauthHeaders?: Record<string, string>, persistBeforeComplete?: ((tokens: MCPOAuthTokens, completePersistedFlow: (tokens: MCPOAuthTokens) => Promise<void>) => unknown) | { state?: string; iss?: string } | null, received?: ((tokens: MCPOAuthTokens) => unknown) | { state?: string; iss?: string } | null, expectedAttempt?: { createdAt: number; state: string } | null, receivedAfterThese?: { state?: string; iss?: string } | null) => Promise<MCPOAuthTokens>
  /** The metadata of a flow. */
  getFlowState: (flowId: string, flowManager: MCPFlowManager) => Promise<MCPOAuthFlowMetadata | null>
  /** Remembers which flow a `state` belongs to, before the URL is handed out. */
  storeStateMapping: (state: string, flowId: string, flowManager: MCPFlowManager) => Promise<void>
  /** The flow that a `state` belongs to; `null` where there is none. */
  resolveStateToFlowId: (state: string, flowManager: MCPFlowManager) => Promise<string | null>
  /** Forgets a `state`; whether the flow manager took that. */
  deleteStateMapping: (state: string, flowManager: MCPFlowManager) => Promise<boolean>
  /**
   * Fails a flow that is still the given one, and makes its `state` unusable. Rejects where the mapping of the `state`
   * cannot be deleted.
   */
  failFlowAndDeleteStateMapping: (flowId: string, flowState: { createdAt: number; metadata?: object }, flowManager: MCPFlowManager, error: Error | string) => Promise<void>
  /** Deletes a flow, then the `state` that leads to it. Rejects where either may be left. */
  deleteFlowAndStateMapping: (flowId: string, flowManager: MCPFlowManager) => Promise<void>
  /**
   * What `storeTokens` takes as `metadata`: the authorization server's, with `server_url`, `client_source` and, where
   * the resource document names one, `resource`. `undefined` without metadata, URL or source.
   */
  buildStoredClientMetadata: (metadata?: object | null, resourceMetadata?: object | null, serverUrl?: string | null, clientSource?: 'configured' | 'dynamic' | null) => Record<string, unknown> | undefined
  /**
   * Throws `MCP_REAUTHENTICATION_REQUIRED` unless a stored client is for this server, and is the one that the config
   * wants today. `storedMetadata` is what `buildStoredClientMetadata` made.
   */
  assertStoredClientBinding: (serverName: string, serverUrl?: string | null, clientInfo?: MCPOAuthClient | null, storedMetadata?: object | null, config?: MCPOAuthConfig | null) => void
  /**
   * Sends a refresh request to the stored token endpoint, else, for a client without a secret, to `config.token_url`,
   * once more without `scope` where the endpoint takes none. Rejects with `MCP_REAUTHENTICATION_REQUIRED`, and sends nothing, where there is neither,
   * where they differ, or, where `storedServerUrl` or `clientSource` is given, where `assertStoredClientBinding` would
   * throw. `signal` ends the wait. Stores nothing.
   */
  refreshOAuthTokens: (refreshToken: string, metadata: { serverName: string; serverUrl?: string; clientInfo?: MCPOAuthClient; storedTokenEndpoint?: string; storedAuthMethods?: string[]; storedServerUrl?: string; clientSource?: 'configured' | 'dynamic'; resource?: string }, oauthHeaders?: Record<string, string>, config?: MCPOAuthConfig, allowedDomains?: string[] | null, allowedAddresses?: string[] | null, signal?: AbortSignal) => Promise<MCPOAuthTokens>
  /**
   * RFC 7009. Without `revocationEndpoint` the metadata of `issuer`, the stored one, says where; without either nothing
   * is sent. Rejects with `MCP_OAUTH_REVOCATION_FAILED`, or `MCP_OAUTH_DISCOVERY_FAILED` where the endpoint must not be
   * contacted or cannot be found out.
   */
  revokeOAuthToken: (serverName: string, token: string, tokenType: 'refresh' | 'access', metadata: { serverUrl: string; clientId: string; clientSecret: string; revocationEndpoint?: string; revocationEndpointAuthMethodsSupported?: string[]; issuer?: string }, oauthHeaders?: Record<string, string>, allowedDomains?: string[] | null, allowedAddresses?: string[] | null) => Promise<void>
  /** Whether a server wants OAuth; never rejects because of the server. */
  detectOAuthRequirement: (serverUrl: string, allowedDomains?: string[] | null, allowedAddresses?: string[] | null) => Promise<{ requiresOAuth: boolean; method: 'protected-resource-metadata' | '401-challenge-metadata' | 'no-metadata-found'; metadata: Record<string, unknown> | null }>
}

/**
 * The statics of LibreChat's `MCPTokenStorage`. The token methods are those of the parameter. A runtime with a `config` that
 * keeps the tokens itself needs none: without `findToken`, `createToken` and the one that deletes, its own are meant.
 */
export interface MCPTokens {
  /**
   * Encrypts and stores the tokens and, where given, the client that they were issued to, all of one credential set: that of
   * the tokens, else a new one. Rows are replaced only while they are those that were read. With `expectedCredentialSetId` it is
   * a refresh of that set. Resolves to the tokens with `credential_set_id`, `obtained_at` and `expires_at`; rejects with a
   * `ReauthenticationRequiredError` where somebody else has stored others meanwhile. With a `flowManager` that has leases the
   * rows are written under that of the user and server, for which it waits `persistenceWaitTimeoutMs` (15000), and it rejects
   * with an `MCPTokenStorageUnavailableError` where it cannot have that. `onStorePreparing` is called before the first row is
   * written, `onStoreCommitted` when all are; where either fails, nothing is stored.
   */
  storeTokens: (params: { userId: string; serverName: string; tokens: MCPOAuthTokens; createToken: MCPTokenMethods['createToken']; updateToken?: MCPTokenMethods['updateToken']; findToken?: MCPTokenMethods['findToken']; deleteTokens?: MCPTokenMethods['deleteTokens']; clientInfo?: MCPOAuthClient; metadata?: object; existingTokens?: { accessToken?: object | null; refreshToken?: object | null; clientInfoToken?: object | null }; expectedCredentialSetId?: string; flowManager?: MCPFlowManager; persistenceWaitTimeoutMs?: number; onStorePreparing?: () => unknown; onStoreCommitted?: (tokens: MCPOAuthTokens) => unknown }) => Promise<MCPOAuthTokens>
  /**
   * The stored tokens, refreshed where they have expired; `null` where that failed. Rejects with a
   * `ReauthenticationRequiredError` where there is nothing to refresh with, or what is stored does not belong together.
   * With a `flowManager` that has leases, `MCPTokenStorageUnavailableError` and `MCPTokenRefreshUnavailableError` take the
   * place of `null` where another try may work.
   */
  getTokens: (params: { userId: string; serverName: string; findToken?: MCPTokenMethods['findToken']; createToken?: MCPTokenMethods['createToken']; updateToken?: MCPTokenMethods['updateToken']; deleteTokens?: MCPTokenMethods['deleteTokens']; refreshTokens?: (refreshToken: string, metadata: MCPOAuthRefreshMetadata, signal: AbortSignal) => Promise<MCPOAuthTokens>; singleFlightScope?: string; flowManager?: MCPFlowManager; persistenceWaitTimeoutMs?: number; refreshWaitTimeoutMs?: number; coordinateRefresh?: boolean; onRefreshSuccess?: (tokens: MCPOAuthTokens) => unknown; onRefreshPreparing?: () => unknown; onTokensAdopted?: (tokens: MCPOAuthTokens) => unknown }) => Promise<MCPOAuthTokens | null>
  /**
   * Refreshes, whatever the access token says. Calls for the same tenant, user, server and `singleFlightScope` share one
   * refresh; `signal` ends only the wait of its caller, with `null`. `onRefreshSuccess` is called when the tokens are stored.
   *
   * With a `flowManager` that has leases nothing is stored across a teardown, and it rejects as `getTokens` does. With
   * `coordinateRefresh` one process at a time refreshes: others wait `refreshWaitTimeoutMs` (15000, at most 30000) and adopt
   * what it has stored, which `onTokensAdopted` (else `onRefreshSuccess`) hears. What `onRefreshPreparing` resolves to is
   * called with the stored tokens in place of `onRefreshSuccess`. `rejectedCredentialSetId` is marked as
   * `markAuthorizationRejected` does it.
   */
  forceRefreshTokens: (params: { userId: string; serverName: string; findToken?: MCPTokenMethods['findToken']; createToken?: MCPTokenMethods['createToken']; updateToken?: MCPTokenMethods['updateToken']; deleteTokens?: MCPTokenMethods['deleteTokens']; refreshTokens?: (refreshToken: string, metadata: MCPOAuthRefreshMetadata, signal: AbortSignal) => Promise<MCPOAuthTokens>; singleFlightScope?: string; signal?: AbortSignal; onRefreshSuccess?: (tokens: MCPOAuthTokens) => unknown; flowManager?: MCPFlowManager; persistenceWaitTimeoutMs?: number; refreshWaitTimeoutMs?: number; coordinateRefresh?: boolean; rejectedCredentialSetId?: string | null; existingAccessToken?: object | null; existingRefreshToken?: object | null; onRefreshPreparing?: () => unknown; onTokensAdopted?: (tokens: MCPOAuthTokens) => unknown }) => Promise<MCPOAuthTokens | null>
  /**
   * Notes that a server has refused the tokens of this credential set: `hasStoredAuthorization` is `false` until others are
   * stored. Another set that is stored meanwhile is left alone.
   */
  markAuthorizationRejected: (params: { userId: string; serverName: string; credentialSetId: string; findToken?: MCPTokenMethods['findToken']; updateToken: MCPTokenMethods['updateToken']; flowManager?: MCPFlowManager; persistenceWaitTimeoutMs?: number }) => Promise<void>
  /**
   * Whether there are tokens that are good without asking the user, of the same credential set as the stored client.
   * `validateClientBinding` throws where that is not the client that the config wants.
   */
  hasStoredAuthorization: (params: { userId: string; serverName: string; findToken?: MCPTokenMethods['findToken']; validateClientBinding: (clientInfo: MCPOAuthClient, clientMetadata: Record<string, unknown>) => unknown }) => Promise<boolean>
  /** Whether this access token is the stored one, of this credential set, and has not expired. */
  isCurrentAccessToken: (params: { userId: string; serverName: string; accessToken: string; credentialSetId?: string; findToken?: MCPTokenMethods['findToken'] }) => Promise<boolean>
  /** Throws a `ReauthenticationRequiredError` unless the stored client is of the tokens' credential set. */
  assertCredentialSetBinding: (serverName: string, credentialSetId: string | undefined, clientMetadata: object | undefined) => void
  /** The stored client registration, decrypted; `null` where there is none. */
  getClientInfoAndMetadata: (params: { userId: string; serverName: string; findToken?: MCPTokenMethods['findToken'] }) => Promise<{ clientInfo: MCPOAuthClient; clientMetadata: Record<string, unknown> } | null>
  /** Forgets a client registration; with `credentialSetId` only one of that credential set. */
  deleteClientRegistration: (params: { userId: string; serverName: string; deleteTokens: MCPTokenMethods['deleteTokens']; credentialSetId?: string }) => Promise<void>
  /**
   * Forgets a user's tokens and client registration of a server, and before them the user's flows: a call takes the tokens of
   * one that was completed lately. `flowManager`: where flows are, the runtime's unless given. Rejects where something may be
   * left; what could be deleted is.
   */
  deleteUserTokens: (params: { userId: string; serverName: string; deleteToken?: MCPTokenMethods['deleteTokens']; flowManager?: MCPFlowManager }) => Promise<void>
}

/** Reconnects a user's OAuth servers from stored tokens, without asking anybody to authorize. */
export interface OAuthReconnectionManager {
  /** Whether a reconnection is under way. */
  isReconnecting: (userId: string, serverName: string) => boolean
  /** Forgets failures, such as after the user has authorized. */
  clearReconnection: (userId: string, serverName: string) => void
  /** Resolves when the reconnections have begun. */
  reconnectServers: (userId: string) => Promise<void>
  /** Reconnects one server; whether that worked. */
  reconnectServer: (userId: string, serverName: string) => Promise<boolean>
  /** How many users have failed or running reconnections. */
  getTrackerStats: () => { usersWithFailedServers: number; usersWithActiveReconnections: number; activeTimestamps: number }
}

/** What a token endpoint answers (RFC 6749, section 5.1), with what is added when it has come. */
export interface MCPOAuthTokens {
  /** What goes into the `Authorization` header, after `Bearer`. */
  access_token: string
  /** `Bearer`. */
  token_type?: string
  /** Gets the next tokens. */
  refresh_token?: string
  /** Seconds from `obtained_at`. */
  expires_in?: number
  /** The granted scopes, separated by spaces. */
  scope?: string
  /** A login by OpenID Connect. */
  id_token?: string
  /** Milliseconds since the epoch. */
  obtained_at?: number
  /** Milliseconds since the epoch. */
  expires_at?: number
  /** Of one login or refresh: `docs/oauth.md`. */
  credential_set_id?: string
}

/** A client at an authorization server, as it was configured or registered (RFC 7591); members that are not listed stay. */
export interface MCPOAuthClient {
  /** As the authorization server knows it. */
  client_id: string
  /** Its secret, where it has one. */
  client_secret?: string
  /** Where users come back to. */
  redirect_uris?: string[]
  /** How it authenticates at the token endpoint. */
  token_endpoint_auth_method?: string
  /** What it may ask for, separated by spaces. */
  scope?: string
}

/** What a flow is begun with. It has secrets (`codeVerifier`, `state`), which leave the flow manager for nobody else. */
export interface MCPOAuthFlowMetadata {
  /** As the registry knows it. */
  serverName: string
  /** Whose flow it is. */
  userId: string
  /** The MCP server. */
  serverUrl: string
  /** What comes back beside the code. */
  state: string
  /** The proof key (RFC 7636). */
  codeVerifier?: string
  /** The client that the code is for. */
  clientInfo?: MCPOAuthClient
  /** Where the client comes from. */
  clientSource?: 'configured' | 'dynamic'
  /** The authorization server's (RFC 8414). */
  metadata?: Record<string, unknown>
  /** The protected resource's (RFC 9728). */
  resourceMetadata?: Record<string, unknown>
  /** What the user has to open. */
  authorizationUrl?: string
  /** Of requests to the authorization server. */
  oauthHeaders?: Record<string, string>
  /** Whose data the flow is for, where a deployment serves several tenants. */
  tenantId?: string
}

/** What a caller's `refreshTokens` gets beside the refresh token. */
export interface MCPOAuthRefreshMetadata {
  /** Whose tokens. */
  userId: string
  /** As the registry knows it. */
  serverName: string
  /** Of the row: `mcp:SERVER`. */
  identifier: string
  /** The stored client. */
  clientInfo?: MCPOAuthClient
  /** From the client's row. */
  storedTokenEndpoint?: string
  /** From the client's row. */
  storedAuthMethods?: string[]
  /** From the client's row. */
  storedServerUrl?: string
  /** From the client's row. */
  clientSource?: 'configured' | 'dynamic'
  /** From the client's row (RFC 8707). */
  resource?: string
}
