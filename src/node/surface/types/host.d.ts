/**
 * What the runtime needs from its host: a registry, or a `config` in its place. A member may be a getter where its type says
 * so; getters may be async, are called per use and never cached. Callbacks made during a call run in that call's
 * `AsyncLocalStorage` context.
 */
export type MCPHostServices = MCPHostServicesBase & (MCPHostWithRegistry | MCPHostWithConfig)

/** A host that knows its servers, as LibreChat does. */
export interface MCPHostWithRegistry {
  /** Server configurations and network rules. */
  registry: MCPServersRegistry | (() => MCPServersRegistry | Promise<MCPServersRegistry>)
  /**
   * The operator's rules for the tools of all servers, as LibreChat's `appConfig.mcpSettings` has them; other members of it are
   * not read. An object is read once. A function is asked with every call, in its context, and answers at once: where it
   * throws, or what it answers is wrong, the call fails.
   */
  mcpSettings?: MCPSettings | (() => MCPSettings | null | undefined)
  /** In place of a registry. */
  config?: null
  /** Beside `config`. */
  redis?: null
}

/** A host without a registry. */
export interface MCPHostWithConfig {
  /**
   * The path of a `librechat.yaml`, or an object with its `mcpServers` and `mcpSettings`. A file is read again when it has
   * changed: `docs/configuration.md`; an object is read once. Which servers want OAuth is found out where it does not say so.
   */
  config: string | { mcpServers?: Record<string, MCPServerConfig>; mcpSettings?: MCPSettings }
  /**
   * Where tokens of users are kept that processes share, in place of the disk: `redis://…` or `rediss://…`. Needs `ioredis` or
   * `redis`, and `CREDS_KEY` or `credentialsKey`. The connection is made when it is needed, and ended by `runtime.close()`.
   * Services that the host gives itself are used as they are: `docs/redis.md`.
   */
  redis?: string | null
  /** In place of a config. */
  registry?: null
  /** Beside `registry`: a config has its own. */
  mcpSettings?: null
}

/** What hosts of both kinds may give. */
export interface MCPHostServicesBase {
  /**
   * Formats and stores the tools of a server; its value becomes `availableTools`. Without it tools are formatted
   * here. `null` or `undefined` for tools that are there shows as `toolsError`. Without `userId` they are those of a
   * server that users share, which happens only where the host gives `getNextAppToolsPublicationRevision`.
   * `serverConfig` is the host's own object, where the host gives that service or `getMCPToolsCacheGeneration`.
   * Bound: 30 s.
   */
  updateMCPServerTools?(params: { userId?: string; serverName: string; tools: MCPTool[]; serverConfig?: object; publicationGeneration?: string; publicationRevision?: string }): unknown
  /**
   * What a user's tools are published under. It is read before a connection is made and again when its tools have
   * been listed; where it changed meanwhile the list is discarded. Bound: 10 s.
   */
  getMCPToolsCacheGeneration?: (params: { userId: string; serverName: string }) => string | undefined | Promise<string | undefined>
  /**
   * Says that a connection made under this generation is in use, at most every half of
   * `MCP_USER_CONNECTION_IDLE_TIMEOUT`, and where it failed again at the next use. `false`: the connection is replaced at
   * its next use. Bound: 10 s.
   */
  renewMCPToolsCacheGeneration?: (params: { userId: string; serverName: string; publicationGeneration: string }) => boolean | undefined | Promise<boolean | undefined>
  /**
   * Reserves the place of a list of tools of a server that users share, before the list is asked for. With it, lists
   * of such servers are published when they are connected and when they announce other tools. LibreChat's own function
   * can be given as it is, together with `getMCPAppToolsPublicationGeneration`: one that declares two parameters gets
   * `(serverName, configGeneration)`. Bound: 10 s.
   */
  getNextAppToolsPublicationRevision?: ((params: { serverName: string; serverConfig: object; configGeneration?: string }) => string | Promise<string>) | ((serverName: string, configGeneration: string) => string | Promise<string>)
  /** What the tools of a config are published under, where users share them; exported by `@librechat/api`. */
  getMCPAppToolsPublicationGeneration?(serverConfig: object): string | Promise<string>
  /**
   * The host's policy on whose a server is. Where it has users share one whose config names them
   * (`{{LIBRECHAT_USER_ID}}`), as LibreChat's of June 2026 does, the tools are listed over one connection, with the
   * placeholders as they are; calls are made over each user's own. Bound: 10 s.
   */
  requiresUserScopedConnection?(serverConfig: object): boolean
  /**
   * LibreChat's own manager, where this runtime serves beside it: `reinitMCPServer` lists the tools of a server that
   * users share over the connection which is open there, if one is, and opens none of its own.
   */
  connections?: MCPLoadedConnections | (() => MCPLoadedConnections | Promise<MCPLoadedConnections>)
  /** Winston-like. Without it the runtime is silent unless the environment variable `MCP_NATIVE_LOG` names a level. */
  logger?: MCPLogger
  /** Stored OAuth tokens and client registrations. */
  tokenMethods?: MCPTokenMethods | (() => MCPTokenMethods | Promise<MCPTokenMethods>)
  /** Around every change of a user's stored tokens, as the other three, for calls that bring none of their own. Bound: 30 s. */
  onOAuthCredentialsChanging?: MCPOAuthCredentialEvents['onOAuthCredentialsChanging']
  /** Where `onOAuthCredentialsChanging` is not given. */
  onOAuthCredentialsChanged?: MCPOAuthCredentialEvents['onOAuthCredentialsChanged']
  /** Tokens of another process are used. */
  onOAuthCredentialsAdopted?: MCPOAuthCredentialEvents['onOAuthCredentialsAdopted']
  /** What is known of the tokens is out of date. */
  onOAuthCredentialsInvalidated?: MCPOAuthCredentialEvents['onOAuthCredentialsInvalidated']
  /** OAuth flow states. */
  flowManager?: MCPFlowManager | (() => MCPFlowManager | Promise<MCPFlowManager>)
  /** The OpenID client that exchanges tokens: openid-client v6 `Configuration`, or a plain object. */
  openIdConfig?: MCPOpenIdConfig | MCPOpenIdConfiguration | (() => MCPOpenIdConfig | MCPOpenIdConfiguration | Promise<MCPOpenIdConfig | MCPOpenIdConfiguration>)
  /**
   * A Keyv-like cache of exchanged tokens that processes share. Values are encrypted with the credentials key;
   * without that key the cache is not used. Bound: 2 s.
   */
  exchangedTokens?: MCPTokenCache | (() => MCPTokenCache | Promise<MCPTokenCache>)
  /**
   * Where processes keep MCP sessions of Streamable HTTP for each other, so that any of them goes on with one that another
   * has begun (`docs/fleet.md`). Values are encrypted with the credentials key; without that key the store is not used.
   * Bound: 2 s.
   */
  sharedSessions?: MCPSessionStore | (() => MCPSessionStore | Promise<MCPSessionStore>)
  /** Exchanges tokens in place of the runtime, when it connects and for tool calls. */
  oboTokenResolver?(user: object, accessToken: string, scopes: string, fromCache: boolean, identityContext?: MCPOboIdentityContext): Promise<{ access_token: string; expires_in?: number }>
  /** Whether a config may still use on-behalf-of; asked before each exchange. Whatever goes wrong means no. */
  oboTrustChecker?: (config: { source?: string; author?: string; dbId?: string }) => Promise<boolean>
  /** Like `oboTokenResolver`, for `{{LIBRECHAT_GRAPH_ACCESS_TOKEN}}`. */
  graphTokenResolver?(user: object, accessToken: string, scopes: string, fromCache: boolean): Promise<{ access_token: string; expires_in?: number }>
  /**
   * For servers with `oauth: { grant: 'workload' }` that name no `assertion`: resolves to a JWT that says who this process
   * is, with `audience` as its `aud`. `issuer` is the authorization server's, unless the config names a `token_url` only.
   * Asked before each token request, of which there is one for a server, whoever its users are. Bound: 30 s.
   */
  getWorkloadAssertion?: (params: { serverName: string; issuer?: string; audience: string }) => string | Promise<string>
  /**
   * For servers with `oauth: { private_key_jwt: {} }`, whose key the host keeps: resolves to a JWT that says who the client
   * is (RFC 7523), with `clientId` as its `iss` and `sub`, `audience` as its only `aud`, and a `jti` of its own. It is sent to
   * `tokenEndpoint`, which may also be the endpoint for pushed requests or revocations. Asked before each request there.
   * Bound: 30 s.
   */
  getClientAssertion?: (params: { serverName: string; clientId: string; audience: string; tokenEndpoint: string }) => string | Promise<string>
  /** The tenant of the call; tokens of one tenant are not given to another. */
  getTenantId?: () => string | undefined | Promise<string | undefined>
  /** A lock that processes share. */
  lock?: { acquire(key: string, ttlMs: number): Promise<(() => Promise<void>) | null> }
  /**
   * What processes count together. Circuit breakers stand on it: of a user's attempts to connect to a server those of all
   * processes count, and a breaker that opens is open in all of them. Asked once before an attempt, and when one fails.
   * With `take`, `enter` and `leave` the `limits` of tool calls are those of all processes, too; asked around each such call.
   * Where it fails, answers nonsense or takes longer than 2 s, each process is on its own for 5 s; no call ever fails.
   */
  limits?: MCPLimits | (() => MCPLimits | Promise<MCPLimits>)
  /**
   * Where it is kept which definitions of tools are approved (`pinTools`; `docs/governance.md`). Without it they are
   * forgotten with the process, which the log says; a runtime with `config` has files. Bound: 2 s.
   */
  toolPins?: MCPToolPins | (() => MCPToolPins | Promise<MCPToolPins>)
  /**
   * Answers `sampling/createMessage` with a `CreateMessageResult`. Servers may ask only where this is given, and with
   * `tools` only where it is an object that says so: others are refused with -32602.
   *
   * This, `elicitation` and `roots` run in the context of the call on whose stream the server asks, with its user as
   * `peer.userId`, and are waited for as long as that call is under way, at most five minutes; then `peer.signal` is
   * aborted. Over a connection of one user, what belongs to no call runs in the context of the call that made it; over
   * one that users share (stdio, HTTP+SSE, WebSocket, the GET stream of Streamable HTTP) it is refused with a JSON-RPC
   * error: `shared: false` in a server's config gives each user a connection. At most 32 requests of a connection are
   * asked at a time for each user, 256 for all.
   */
  sampling?: MCPSamplingHandler | { handler: MCPSamplingHandler; tools?: boolean; context?: boolean }
  /**
   * Answers `elicitation/create` with an `ElicitResult`; fields left out take the schema's defaults. Servers may ask
   * only where this is given, and `elicitation: false` is not in their config.
   *
   * With `mode: 'url'` the user is to go to `params.url`, an http or https URL without credentials, which is written as
   * browsers write it. Show all of it, and open it only when the user agrees; `content` is not sent. A request that a
   * server refuses until the user has been to some URLs (-32042) asks for one after the other. It is made once more when
   * all are accepted, so answer `accept` when the user is done; else it rejects with `code` -32042 and
   * `data.elicitations`.
   */
  elicitation?: (params: ElicitRequestParams, peer: MCPPeer) => ElicitResult | Promise<ElicitResult>
  /** Answers `roots/list` with a `ListRootsResult`; without it there are no roots. */
  roots?: (params: { _meta?: Record<string, unknown> }, peer: MCPPeer) => ListRootsResult | Promise<ListRootsResult>
  /**
   * Hears the log messages of servers (`notifications/message`), in the context of the call on whose stream they come,
   * with its user and tool. Over a connection of one user, what belongs to no call is heard in the context of the call
   * that made it; over one that users share, without a user and in the context that the runtime was made in. 256 of a
   * connection wait at most, 1 MiB of them; more are dropped, with a warning that counts them. Servers of 2026-07-28 log
   * from `info` on, unless a request says otherwise in its `_meta`; older ones decide that themselves.
   */
  onLogMessage?: (params: LoggingMessageNotificationParams, peer: Pick<MCPPeer, 'serverName' | 'userId' | 'toolName'>) => unknown
  /** Gets finished spans for the host's tracer, in batches and in the context of their call. */
  onSpans?: (spans: MCPSpan[]) => unknown
  /**
   * Hears everything that goes over the wires, without the secrets: HTTP exchanges, JSON-RPC messages, and the steps
   * between them, in order and in batches of at most 500, in the context that the runtime was made in. Arguments and results of tools
   * are told. Read once; what is heard while `MCP_NATIVE_TRACE` names a file stands there, too.
   */
  onTraffic?: (records: TrafficRecord[]) => unknown
  /**
   * Is asked about every tool call, once, before it is made: whose, which tool, with which arguments. It may refuse the call, or
   * give other arguments. Where it throws, takes longer than the call or 10 s, or answers what nobody understands, nothing is
   * sent and the call fails: `docs/governance.md`. Bound: 10 s.
   */
  onToolCall?: (call: ToolCallInQuestion) => ToolCallVerdict | Promise<ToolCallVerdict>
  /**
   * Is asked about what servers answer tool calls with, before the caller gets it. It may refuse the result, or give another.
   * Where it fails, so does the call, although the server has made it. Bound: 10 s.
   */
  onToolResult?: (result: ToolResultInQuestion) => ToolResultVerdict | Promise<ToolResultVerdict>
  /**
   * Hears of every tool call that has ended, before its promise settles, which waits for the answer. Where it fails or takes
   * longer than 5 s, the log says so, and the call ends as it would have. `MCP_NATIVE_AUDIT` names a file for the same records.
   */
  onAudit?: (record: AuditRecord) => unknown
  /** `false` closes what a call opened when it has answered. Default `true`. */
  keepConnections?: boolean
  /** Hex key of stored tokens; `process.env.CREDS_KEY` unless given. */
  credentialsKey?: string
  /**
   * Hears that a user is done at the URL of an elicitation (`notifications/elicitation/complete`), in the context and with
   * the peer of the call in which the user was asked, also where the message comes later or on another stream; by the
   * process that has asked, and for its 256 latest of a connection. Ids that nobody was asked about are not told.
   */
  onElicitationComplete?: (params: { elicitationId: string }, peer: Pick<MCPPeer, 'serverName' | 'userId' | 'toolName'>) => unknown
  /** What servers are told that the client is, an `Implementation` of MCP; LibreChat's client unless given. Read once. */
  clientInfo?: { name: string; version: string; title?: string; description?: string; websiteUrl?: string; icons?: { src: string; mimeType?: string; sizes?: string[]; theme?: 'light' | 'dark' }[] }
  /**
   * Extensions of the protocol that the host supports (SEP-2133): settings by identifier, `{}` for none. The `extensions`
   * of a server's config come over them. Read once.
   */
  extensions?: Record<string, Record<string, unknown>>
  /**
   * Where a call belongs in the host's traces: `() => { const carrier = {}; propagation.inject(context.active(), carrier);
   * return carrier }`. Asked once, when a call begins, and sent in `_meta` of each request that the call leads to, unless
   * the caller has put the same there (SEP-414). What is not of the form of W3C Trace Context or Baggage is left out.
   */
  traceContext?: () => MCPTraceContext | undefined
  /** `true`: requests over HTTP carry it as headers, too, in place of those of the config. */
  traceHeaders?: boolean
  /**
   * LibreChat's own error classes, such as all of `@librechat/api`: errors that this runtime rejects with are instances
   * of them then, so that `instanceof` in LibreChat's code holds. The classes of this package are used where it has none.
   */
  errorClasses?: { MCPDomainNotAllowedError?: Function; MCPInspectionFailedError?: Function; MCPTokenRefreshUnavailableError?: Function; MCPTokenStorageUnavailableError?: Function; OboTokenResolutionError?: Function; ReauthenticationRequiredError?: Function }
}

/** Answers `sampling/createMessage`. */
export type MCPSamplingHandler = (params: CreateMessageRequestParams, peer: MCPPeer) => CreateMessageResult | Promise<CreateMessageResult>

/** Winston-like: beside a message comes an `Error`, or an object of fields. What the functions return is ignored. */
export interface MCPLogger {
  /** Every step. */
  debug(message: string, ...meta: unknown[]): unknown
  /** What began and ended. */
  info(message: string, ...meta: unknown[]): unknown
  /** What was amiss, and gone on without. */
  warn(message: string, ...meta: unknown[]): unknown
  /** What failed. */
  error(message: string, ...meta: unknown[]): unknown
}

/** The values of W3C Trace Context and W3C Baggage, as an OpenTelemetry propagator writes them. */
export interface MCPTraceContext {
  /** `00-TRACE-PARENT-FLAGS`, in hex. */
  traceparent?: string
  /** At most 512 bytes. Not sent without `traceparent`. */
  tracestate?: string
  /** At most 8192 bytes. */
  baggage?: string
}

/** A cache such as Keyv. */
export interface MCPTokenCache {
  /** The value, or `undefined`. */
  get: (key: string) => unknown
  /** Keeps a value for so many milliseconds. */
  set: (key: string, value: string, ttlMs: number) => unknown
  /** Forgets a value. */
  delete: (key: string) => unknown
}

/**
 * Counts and blocks that processes share. A key is the JSON text of an array: `["breaker-failures", user, server]`,
 * `["breaker-cycles", user, server]` or `["breaker", user, server]`, where `user` is empty for the connection that all
 * users share; of tool calls `["user-calls", user, server]`, and `["server-calls", "", server, limit]` for those of all users,
 * where `limit` tells limits of one server apart. Nothing is kept longer than its window, its block or its lease lasts. Each function may be async.
 */
export interface MCPLimits {
  /**
   * Counts one event, and resolves to how many there are in the window, this one included. The first event begins a
   * window, which ends `windowMs` later. In one step: of two processes at once each gets another number.
   */
  count: (key: string, windowMs: number) => unknown
  /** Blocks the key for so many milliseconds from now. A block that lasts longer stays. */
  block: (key: string, ms: number) => unknown
  /** How many milliseconds the key is still blocked; 0 where nothing blocks it. */
  blockedFor: (key: string) => unknown
  /** Forgets the events and the block of the key. */
  clear: (key: string) => unknown
  /**
   * Counts one event if there are fewer than `most` in the window, and resolves to 0; else counts nothing, and resolves to the
   * milliseconds until the window ends. The first event begins a window. In one step. Without this, `enter` and `leave` each
   * process keeps the `limits` of tool calls on its own.
   */
  take?: (key: string, most: number, windowMs: number) => number | Promise<number>
  /**
   * Whether `holder` has one of `most` places, for `leaseMs` from now: it gets one while others have fewer, and one that it has
   * already is renewed. In one step. A lease ends by itself.
   */
  enter?: (key: string, holder: string, most: number, leaseMs: number) => boolean | Promise<boolean>
  /** Gives the holder's place back, if it has one. */
  leave?: (key: string, holder: string) => unknown
}

/**
 * A store of texts that processes share. Keys are JSON arrays of strings: `["session", USER, SERVER, DIGEST]`, and the same
 * with `session-stream` and `session-turn`; the user is `""` for a session that all users share. Values are opaque. A store
 * that fails, or takes longer than 2 s, is done without for 5 s; no call fails for it. `["session-epoch", USER, SERVER]`, the mark
 * of a logout or login, is always tried, and once more after that time.
 */
export interface MCPSessionStore {
  /** The value, or nothing. */
  get: (key: string) => string | null | undefined | Promise<string | null | undefined>
  /** Keeps a value for so many milliseconds, in place of what is there. */
  set: (key: string, value: string, ttlMs: number) => unknown
  /**
   * The same, in one step, only where exactly `expected` is there; with `undefined` only where nothing is. Resolves to
   * whether it did.
   */
  compareAndSet: (key: string, expected: string | undefined, value: string, ttlMs: number) => boolean | Promise<boolean>
  /** Deletes what is there, or with `expected`, in one step, only that. Resolves to whether it did. */
  delete: (key: string, expected?: string) => boolean | Promise<boolean>
}

/** LibreChat's manager, as far as it is asked. */
export interface MCPLoadedConnections {
  /** `null` before LibreChat has connected. */
  appConnections: { getLoaded(): Promise<Map<string, unknown>> } | null
}

/** A token for one server or API. */
export interface ExchangedToken {
  /** What goes into the `Authorization` header, after `Bearer`. */
  access_token: string
  token_type: 'Bearer'
  /** Seconds that are left, also for a token from the cache. */
  expires_in: number
  /** The granted scopes, separated by spaces. */
  scope: string
}

/** The OpenID client of the operator, in plain form. */
export interface MCPOpenIdConfig {
  /** As in the metadata of the identity provider. */
  issuer?: string
  /** An absolute URL. */
  tokenEndpoint: string
  /** The operator's client, which the users signed in to. */
  clientId: string
  /** Its secret, where it has one. */
  clientSecret?: string
  /**
   * How the client authenticates; with a secret, `client_secret_post` unless given. A certificate signs with PS256
   * unless `alg` says otherwise; an assertion is asked for anew for each request.
   */
  clientAuth?: 'client_secret_post' | 'client_secret_basic' | { privateKeyPem: string; certificatePem: string; alg?: 'PS256' | 'RS256' } | { clientAssertion: () => string | Promise<string> }
}

/** What the runtime uses of openid-client's `Configuration`. */
export interface MCPOpenIdConfiguration {
  /** What the identity provider publishes. */
  serverMetadata: () => { issuer: string; token_endpoint?: string }
  /** The operator's client. */
  clientMetadata: () => { client_id: string }
}

/** Whose request it is that a server makes. */
export interface MCPPeer {
  /** As the registry knows it. */
  serverName: string
  /**
   * The user in whose call the server asks. Absent for calls without a user, and for log messages that belong to no
   * call, over a connection that all users share.
   */
  userId?: string
  /** The tool in whose call the server asks, as the caller named it. Absent outside of such a call. */
  toolName?: string
  /**
   * Aborted when nobody waits for the answer any more: the call was aborted or has ended, the server has withdrawn its
   * request (`notifications/cancelled`), the connection has ended, or five minutes are over.
   */
  signal: AbortSignal
  /**
   * What the server calls its request in JSON-RPC. One inside a result (`inputRequests` of 2026-07-28) has its key
   * there, one inside an error (-32042) its `elicitationId`.
   */
  requestId: string | number
}
