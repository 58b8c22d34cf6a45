/** A runtime: all connections, caches and timers that were made through it. Its functions work unbound. */
export interface MCPRuntime {
  /**
   * Connects a server for a user, lists its tools and hands them to the host. Resolves to `undefined` when
   * something outside the connection failed, such as a getter of the host; that was logged.
   *
   * Rejects with a `TypeError` when a member of `params` has a wrong type, and with `MCP_CLOSED` after `close`.
   *
   * The object of parameters may be used again at once, here and for calls of `manager`; what its members hold (`user`,
   * `toolArguments`, …) must stay as it is until the call has ended.
   */
  reinitMCPServer: (params: ReinitMCPServerParams) => Promise<ReinitMCPServerResult | undefined>
  /**
   * Exchanges the federated access token of a user who signed in through OpenID for a token with these scopes (OAuth
   * 2.0 On-Behalf-Of). Rejects with `code` `OBO_EXCHANGE_FAILED` or `OBO_CLAIMS_CHALLENGE`, `retryable`,
   * `oboFailureReason`, `detail` and, for a challenge, `claims`; for another user, or without a token or scopes, with a
   * `TypeError`.
   */
  exchangeOboToken: (user: object, accessToken: string, scopes: string, fromCache?: boolean) => Promise<ExchangedToken>
  /** The same for Microsoft Graph: logs a failure and rejects with the text "Graph token acquisition failed: …". */
  getGraphApiToken: (user: object, accessToken: string, scopes: string, fromCache?: boolean) => Promise<ExchangedToken>
  /**
   * Of a server whose token is this program's own (`oauth.grant: client_credentials` or `workload`): who granted it, the scope,
   * and for how many seconds it is good; never the token. One that is there is described, else one is asked for.
   *
   * Rejects with `MCP_GRANT_FAILED` where there is none to be had, with `MCP_INVALID_ARGUMENT` for another server, and with a
   * `TypeError` for a `serverName` that is no text.
   */
  describeMachineToken: (serverName: string) => Promise<{ issuer?: string; tokenEndpoint: string; scope?: string; expiresIn: number }>
  /**
   * Of a server with `oauth.grant: enterprise`: makes both exchanges anew with the ID token of the user, as they are made for a
   * call, and resolves to the claims of the ID-JAG (unless another call had asked for it) and to the seconds that the access
   * token is good; neither token is told. Rejects as a call does, and with `MCP_INVALID_ARGUMENT` for another server.
   */
  explainEnterpriseToken: (user: object, serverName: string) => Promise<{ idJag?: Record<string, unknown>; expiresIn: number }>
  /**
   * LibreChat's `MCPServerInspector.inspect`: resolves to a copy of the config with `requiresOAuth`, `oauthMetadata`
   * and, from a server that asks nothing of users, `resolvedInstructions`, `capabilities`, `tools` and
   * `toolFunctions`. Without lists of its own (`null`: none) the registry's rules hold.
   *
   * Rejects with an `MCPDomainNotAllowedError`, or an `MCPInspectionFailedError` whose `cause` says why.
   */
  inspectServer: (serverName: string, rawConfig: object, connection?: MCPConnection | null, allowedDomains?: string[] | null, allowedAddresses?: string[] | null) => Promise<MCPParsedServerConfig>
  /**
   * An MCP client of a user and a server, for programs that are not LibreChat. Connects nobody yet; `params` are read with
   * each request, and what they hold must stay as it is.
   *
   * @throws `TypeError` for a `serverName` that is no text
   */
  client: (serverName: string, params?: MCPClientParams) => MCPClient
  /** LibreChat's `MCPManager`. */
  manager: MCPManager
  /**
   * The statics of LibreChat's `MCPManager`, bound to this runtime. `createInstance` inspects and adds the servers that
   * the registry does not have from this process's life, and removes those that are configured no more; a registry
   * without `addServer` is left alone. The options are limits of `getCatalogRecoveryTracker`; a host that brings them
   * strips servers' names off tools, as LibreChat of autumn does, so tools are formatted here that way, too.
   */
  MCPManager: { createInstance(configs?: Record<string, object>, options?: { catalogRecoveryMaxStateEntries?: number; catalogRecoveryMaxDetachedDiscoveries?: number }): Promise<MCPManager>; getInstance(): MCPManager }
  /**
   * The statics of LibreChat's `MCPConnection`; without `userId` they concern the shared connection. `clearCooldown` lets
   * all processes of the host's `limits` try again, `decrementCycleCount` takes back what this one has counted.
   */
  MCPConnection: { clearCooldown(serverName: string, userId?: string): void; decrementCycleCount(serverName: string, userId?: string): void }
  /** LibreChat's `MCPOAuthHandler`, for its OAuth routes. */
  oauth: MCPOAuth
  /** LibreChat's `MCPTokenStorage`. */
  tokens: MCPTokens
  /** The statics of LibreChat's class, bound to this runtime. */
  OAuthReconnectionManager: { createInstance(flowManager: object, tokenMethods: object): Promise<OAuthReconnectionManager>; getInstance(): OAuthReconnectionManager }
  /**
   * What the runtime has done and has open: counters by server name, outcome or error code; `docs/operations.md`
   * describes each.
   */
  stats: () => MCPRuntimeStats
  /** The same as Prometheus' text format (version 0.0.4). */
  metrics: () => string
  /** Whether the runtime takes calls, and what it knows of its servers. Asks nobody; of use for a readiness probe. */
  health: () => MCPRuntimeHealth
  /**
   * Disconnects everything. Resolves when no child process, socket or timer of the runtime is left; may be called
   * again. A `reinitMCPServer` in flight resolves with `success: false`.
   *
   * With `drainMs` new calls are refused with `MCP_CLOSED` at once, and those under way may end within so many
   * milliseconds. Another `close()` meanwhile, without it, ends the wait.
   *
   * With `handOver` the sessions in `sharedSessions` are left to other processes, and do not end at their servers. It
   * changes nothing for other sessions, nor without that service.
   */
  close: (options?: { drainMs?: number; handOver?: boolean }) => Promise<void>
}

/** What `runtime.health()` gives. */
export interface MCPRuntimeHealth {
  /** `false` from `close()` on, also while it drains. */
  takesCalls: boolean
  /** By name; those of which there is something to say. */
  servers: Record<string, MCPServerHealth>
  /** What is wrong with the file of `config` since it has changed, for people; what it held before counts. */
  configProblem?: string
}

/** What the runtime knows of a server. */
export interface MCPServerHealth {
  /** Those of all users, by state; one in the state `error` is replaced by the next call. */
  connections: { connected: number; connecting: number; error: number }
  /** How many users' attempts to connect are refused for now, after too many that failed; those of all together count as one. */
  blocked: number
  /** Milliseconds until the first of these may try again. */
  retryAfterMs?: number
  /** The last attempt to connect that failed, however it went since; a user who has to authorize is none. */
  lastFailure?: {
    /** Milliseconds since the epoch. */
    at: number
    /** `docs/errors.md` has them all. */
    code: string
    /** For people. */
    message: string
  }
}

/** Counters since the runtime was made, and what is there now. Objects have members for what has happened only. */
export interface MCPRuntimeStats {
  /** By transport and state (`connected`, `connecting`, `error`). */
  connections: Record<string, Record<string, number>>
  /** Users with connections of their own. */
  users: number
  /** Circuit breakers by state; the open ones also by server. */
  breakers: { open: number; closed: number; openByServer: Record<string, number> }
  /** By outcome: `ok`, the `failureReason`, or `undefined`. */
  reinits: Record<string, number>
  /** By server, transport and outcome: `ok`, or the error code. */
  connects: Record<string, Record<string, Record<string, number>>>
  /** By server and outcome: `closed`, or `lost`. */
  disconnects: Record<string, Record<string, number>>
  /** By server and outcome: `ok`, `tool_error` (the result has `isError`), or the error code. */
  toolCalls: Record<string, Record<string, number>>
  /** How many calls there were, and how long they took together. */
  toolCallDuration: { count: number; seconds: number }
  /**
   * Calls at the moment by server, of servers with `limits`: those that the server answers (`running`), those that wait for
   * their turn, the users whose they are, and how many milliseconds the one has waited that has waited longest.
   */
  queues: Record<string, { running: number; waiting: number; users: number; oldestMs: number }>
  /** Tools that were not as they were approved (`pinTools`), by server and change: `new`, `changed` or `removed`. */
  toolChanges: Record<string, Record<string, number>>
  /** Requests of callers, tool calls among them, by server, method (`_other` for unknown ones) and outcome: as `toolCalls`. */
  operations: Record<string, Record<string, Record<string, { count: number; seconds: number }>>>
  /** Results larger than `maxResultBytes`, by server: `cut`, or kept as a `resource`. */
  resultsCut: Record<string, Record<string, number>>
  /** By server and outcome: `ok`, or the error code. */
  oauthRefreshes: Record<string, Record<string, number>>
  /** By result: `hit`, `shared_hit` (the host's `exchangedTokens`), or `miss`. */
  oboCacheLookups: Record<string, number>
  /** By server (empty for those that are for none) and outcome: `ok`, or the error code. */
  oboExchanges: Record<string, Record<string, number>>
  /** How many exchanges there were, and how long they took together. */
  oboExchangeDuration: { count: number; seconds: number }
  /**
   * Callbacks whose failure fails no call and that threw or rejected, by name: `onLogMessage`, `onSpans`, `onprogress`,
   * `logger.warn`, the name of an event or of a diagnostics channel, and so on; and records of the audit that were lost:
   * `onAudit`, `MCP_NATIVE_AUDIT`.
   */
  callbackFailures: Record<string, number>
  /** Of JSON-RPC messages, by transport. */
  bytes: Record<string, { sent: number; received: number }>
}

/**
 * A finished span in OpenTelemetry's terms: `tracer.startSpan(name, { kind, startTime, attributes })`, then
 * `setStatus(status)` and `end(endTime)`. Times in milliseconds since the epoch.
 */
export interface MCPSpan {
  /** What was done. */
  name: string
  /** `SpanKind`: internal or client. */
  kind: 0 | 2
  /** Milliseconds since the epoch. */
  startTime: number
  /** Milliseconds since the epoch. */
  endTime: number
  /** By the names of OpenTelemetry's conventions; `server.port` is a number. */
  attributes: Record<string, string | number>
  /** `SpanStatusCode`: unset or error. */
  status: { code: 0 | 2; message?: string }
}
