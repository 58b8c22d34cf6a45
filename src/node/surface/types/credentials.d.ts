/**
 * The login session: resolves to its tokens as they are now (`expires_at` in seconds since the epoch), refreshed first where
 * that is due or `forceRefresh` says so, or to `null` where it has none and the user's own count. Rejects where they could not
 * be refreshed. Bound: 15 s. It is not asked after the call.
 */
export type MCPUpstreamTokenProvider = (options?: { forceRefresh?: boolean; signal?: AbortSignal }) => MCPUpstreamTokens | null | undefined | Promise<MCPUpstreamTokens | null | undefined>

/** Tokens of a login session. */
export interface MCPUpstreamTokens {
  /** What servers and token exchanges get. */
  access_token?: string
  /** For `{{LIBRECHAT_OPENID_ID_TOKEN}}`. */
  id_token?: string
  /** Seconds since the epoch. */
  expires_at?: number
}

/** Finds the login session for a server that gets tokens on behalf of the user. */
export type MCPUpstreamTokenProviderResolver = (options: { signal?: AbortSignal; target: { mcpServer: string; scopes: string } }) => unknown

/** Whose login it is. Exchanged tokens are kept apart by it; the host's `oboTokenResolver` gets it as its fifth argument. */
export interface MCPOboIdentityContext {
  /** The user's id at the host. */
  appUserId?: string
  /** `sub` of the login. */
  openidSubject?: string
  /** Whose data the login is for, where a deployment serves several tenants. */
  tenantId?: string
  /** `iss` of the login. */
  openidIssuer?: string
}

/** A config that is resolved, and whose connection it is: `principal` makes it the user's own, whatever the config allows. */
export interface MCPConnectionTarget {
  /** As the host resolved it. */
  serverConfig: object
  /** `operator`: as the config allows. `principal`: the user's own. */
  connectionOwner: 'operator' | 'principal'
}

/** What a host hears of changes of users' stored tokens. A failure of the first two undoes the change. Bound: 30 s each. */
export interface MCPOAuthCredentialEvents {
  /**
   * Before the first row of a refresh or a login is written. What it resolves to is called when all rows are, and resolves
   * to the generation that the change was published under.
   */
  onOAuthCredentialsChanging?: (scope: { userId: string; serverName: string }) => (() => unknown) | undefined | Promise<(() => unknown) | undefined>
  /** When the rows are written, where `onOAuthCredentialsChanging` is not there or resolved to no function. */
  onOAuthCredentialsChanged?: (scope: { userId: string; serverName: string }) => unknown
  /** Tokens that somebody else has stored are used from now on, published under this generation. */
  onOAuthCredentialsAdopted?: (publicationGeneration: string) => unknown
  /** Another process has refreshed: resolves to the generation that holds now, if there is one. */
  onOAuthCredentialsInvalidated?: () => string | undefined | void | Promise<string | undefined | void>
}
