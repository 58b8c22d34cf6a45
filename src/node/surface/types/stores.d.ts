/**
 * LibreChat's `MCPServersRegistry`: which servers there are for whom, and what may be contacted. Each function may be async;
 * bound: 10 s, and 60 s for `reinspectServer`. One that throws, answers nonsense or takes longer fails the call that asked, with
 * `MCP_HOST_ERROR` or `MCP_HOST_TIMEOUT`: no connection is made under rules that are not known.
 */
export interface MCPServersRegistry {
  /**
   * The config that a user sees; `undefined` for an unknown server (`MCP_CONFIG_NOT_FOUND`). Asked by each call that has no
   * `serverConfig`.
   */
  getServerConfig(serverName: string, userId?: string, configServers?: Record<string, object>): object | null | undefined | Promise<object | null | undefined>
  /** All configs that a user sees, by server name. Asked where a call concerns all servers, such as `connectAppServers`. */
  getAllServerConfigs(userId?: string, configServers?: Record<string, object>): Record<string, object> | Promise<Record<string, object>>
  /**
   * Inspects a server again that has `inspectionFailed`, and returns `{ serverName, config }`. Asked by `reinitMCPServer`; throws
   * when the server is still unreachable, which is the `failureReason` `unreachable`.
   */
  reinspectServer(serverName: string, storageLocation: 'DB' | 'CACHE', userId?: string): unknown
  /** Whether private and reserved addresses are refused. Asked before each connection, as the next two. */
  shouldEnableSSRFProtection(): boolean | Promise<boolean>
  /** `mcpSettings.allowedDomains`. */
  getAllowedDomains(): string[] | null | undefined | Promise<string[] | null | undefined>
  /** `mcpSettings.allowedAddresses`: `host:port` pairs of private space that may be contacted. */
  getAllowedAddresses(): string[] | null | undefined | Promise<string[] | null | undefined>
  /**
   * In place of the three: the rules of a user's tenant and role, asked in the context of the call before each
   * connection, discovery and tool call. Who has other rules than the operator's shares no connection to a remote
   * server.
   */
  resolveAllowlists?(whose: { userId?: string; role?: string }): Promise<{ allowedDomains?: string[] | null; allowedAddresses?: string[] | null; useSSRFProtection: boolean }>
  /**
   * Whether a config is the operator's own. One that is not, such as a tenant's overlay, gets a connection of the
   * user's own.
   */
  isAppServerConfig?(serverName: string, effectiveConfig: object): boolean | Promise<boolean>
  /** Inspects a server and adds it; `createInstance` calls this and the next two where the registry has them. */
  addServer?(serverName: string, config: object, storageLocation: 'CACHE' | 'DB'): unknown
  /** Adds a server that could not be inspected. */
  addServerStub?(serverName: string, config: object, storageLocation: 'CACHE'): unknown
  /** Removes a server. */
  removeServer?(serverName: string, storageLocation: 'CACHE' | 'DB'): unknown
}

/**
 * LibreChat's token methods, over rows of one user, type and identifier each. Values are encrypted before they come here;
 * the rows are described in `docs/oauth.md`. Asked when a server is connected for a user, around a login and around a refresh.
 * Bound: 10 s each. One that throws or takes longer fails the call with a `retryable` error, or the login; nobody is asked to
 * sign in for it.
 */
export interface MCPTokenMethods {
  /** The row, with `token`, `expiresAt`, `createdAt` and `metadata` (an object or a `Map`); `null` where there is none. */
  findToken(query: MCPTokenKey): unknown
  /** Stores a row, after a login, where there is none. `expiresIn` is in seconds. */
  createToken(row: MCPTokenKey & { token: string; expiresIn: number; metadata?: Record<string, unknown> }): unknown
  /**
   * Changes the row that has this `token` and, as `metadata.credential_set_id`, this `metadataCredentialSetId` (`null`:
   * none), where they are given, in one step. `null` where there is no such row: somebody else has changed it, and what was to
   * be written is taken back.
   */
  updateToken(query: MCPTokenQuery, changes: { token?: string; expiresIn?: number; expiresAt?: Date; metadata?: Record<string, unknown> }): unknown
  /** Deletes the rows that match as in `updateToken`, and says how many: `{ deletedCount }`. */
  deleteTokens(query: MCPTokenQuery): unknown
}

/** Which row: of one user, type and identifier there is one. */
export interface MCPTokenKey {
  /** Whose it is. */
  userId: string
  /** `mcp_oauth`, `mcp_oauth_refresh`, `mcp_oauth_client` or `mcp_oauth_dpop`. */
  type: string
  /** `mcp:SERVER`, with `:refresh`, `:client` or `:dpop` behind it where its type says so. */
  identifier: string
}

/** Which row, and what it has to have. */
export interface MCPTokenQuery extends MCPTokenKey {
  /** Its text, as it was read. */
  token?: string
  /** Its `metadata.credential_set_id`; `null`: it has none. */
  metadataCredentialSetId?: string | null
}

/**
 * LibreChat's `FlowStateManager`: logins that are under way, and signs that a process refreshes. A flow is known by its id and
 * its type (`mcp_oauth`, `mcp_oauth_state` or `mcp_get_tokens`), and is kept until it expires or is deleted. Values are JSON.
 * Bound: 10 s each. One that throws or takes longer fails the login that is under way, and the user may begin again.
 */
export interface MCPFlowManager {
  /**
   * `{ status, metadata, createdAt, completedAt, result, error }`, with a `status` of `PENDING`, `COMPLETED` or `FAILED`
   * and times in milliseconds since the epoch; `null` where there is none. Asked before a login, on the callback, and every
   * moment by calls that wait for the user.
   */
  getFlowState(flowId: string, type: string): unknown
  /** Stores a pending flow, in place of the one that is there; before the URL of a login is handed out. */
  initFlow(flowId: string, type: string, metadata?: Record<string, unknown>): unknown
  /** Completes a flow, when its tokens are stored. Where this fails, who waits does so until the flow's time is over. */
  completeFlow(flowId: string, type: string, result: unknown): unknown
  /** Fails a flow; the same. */
  failFlow(flowId: string, type: string, error: unknown): unknown
  /** Forgets a flow, after a login and before a new one; `false` where that failed, and the flow then ends by itself. */
  deleteFlow(flowId: string, type: string): unknown
  /**
   * A lease that processes share, `null` where somebody else has it for `waitMs`, or at once where the generation is not the
   * expected one. With this and the next, tokens are written under leases: `docs/oauth.md`. Asked before a refresh and before
   * rows are written; where it fails nothing is, and the call rejects with a `retryable` error. Bound: `waitMs` and 10 s.
   */
  acquireLease?(leaseId: string, options: { expectedGeneration?: number; leaseMs?: number; waitMs?: number }): unknown
  /** Which life of what the lease guards this is; `null` while it is torn down. */
  getLeaseGeneration?(leaseId: string): unknown
}
