import type { MCPFlowManager, MCPTokenMethods } from '../index.js'

/** A connected client of `ioredis`: `Redis` or `Cluster`. */
export interface IoredisClient {
  /** How the connection is doing. */
  readonly status: string
  /** `EVALSHA` */
  evalsha(...args: unknown[]): Promise<unknown>
  /** `EVAL` */
  eval(...args: unknown[]): Promise<unknown>
}

/** A connected client of `redis`, from version 5: what `createClient`, `createCluster`, `createClientPool` or `createSentinel` gives. */
export interface NodeRedisClient {
  /** Whether it was connected. */
  readonly isOpen: boolean
  /** `EVALSHA` */
  evalSha(...args: unknown[]): Promise<unknown>
  /** `EVAL` */
  eval(...args: unknown[]): Promise<unknown>
}

/** A client that the host has, and closes when the runtime is closed. */
export type RedisClient = IoredisClient | NodeRedisClient

/** What `redisServices` takes beside the client. */
export interface RedisServicesOptions {
  /** What all keys begin with, without braces; `librechat-mcp:` where nothing is given. The same in all processes. */
  prefix?: string
}

/** Locks that processes share. Who asks is the runtime, around each refresh of a user's tokens. */
export interface RedisLock {
  /**
   * Takes the lock for so long, in one step: of all who ask, one gets it. Resolves to the function that releases it, to
   * `null` while somebody else has it, and waits for nobody; the runtime asks again every 100 ms.
   *
   * Releasing deletes the lock only while it is still this holder's. Of one that is lost (its time is over, Redis was
   * flushed) it does nothing, and says nothing.
   *
   * Rejects where Redis does not do it within 5 s: then nothing is refreshed, and the call fails with a `retryable` error. A
   * lock that is granted later is given back.
   *
   * @param key    names the user and the server: `mcp_get_tokens:USER:SERVER`
   * @param ttlMs  how long it lasts where nobody releases it, a whole number of milliseconds
   */
  acquire(key: string, ttlMs: number): Promise<(() => Promise<void>) | null>
}

/** A flow, as `getFlowState` gives it. */
export interface RedisFlowState {
  /** `mcp_oauth`, `mcp_oauth_state` or `mcp_get_tokens`. */
  type: string
  /** What has become of it. */
  status: 'PENDING' | 'COMPLETED' | 'FAILED'
  /** What it was begun with. */
  metadata: Record<string, unknown>
  /** When it was begun, in milliseconds since the epoch. */
  createdAt: number
  /** When it was completed. */
  completedAt?: number
  /** When it failed. */
  failedAt?: number
  /** What it was completed with. */
  result?: unknown
  /** Why it failed. */
  error?: string
}

/** `updated`, or why nothing was: another attempt is in the place or this one has ended, or there is none. */
export type RedisFlowOutcome = 'updated' | 'stale' | 'missing'

/** A lease that was acquired. */
export interface RedisLease {
  /** Which life of what the lease guards this is. */
  generation: number
  /** Ends the lease, if it is still this holder's; nothing happens where it is not. */
  release(): Promise<void>
}

/**
 * Logins that are under way, and leases: LibreChat's `FlowStateManager` for hosts that have none. Flows are kept for
 * `MCP_OAUTH_FLOW_TTL` after each change.
 *
 * Who asks is the runtime, and the host's callback route. Every function is one step at Redis. Each rejects where Redis
 * does not do it within 5 s; a login that is under way fails then, and the user may begin again.
 */
export interface RedisFlowManager extends MCPFlowManager {
  /** Read before a login begins (to join one), on the callback, and every moment by calls that wait. `null`: there is none, or what is there is no flow. */
  getFlowState(flowId: string, type: string): Promise<RedisFlowState | null>
  /** Stores a pending flow in place of the one that is there; when a login begins, before its URL is handed out. */
  initFlow(flowId: string, type: string, metadata?: Record<string, unknown>): Promise<void>
  /** Completes a flow that is not completed yet. `false` where there is none. */
  completeFlow(flowId: string, type: string, result: unknown): Promise<boolean>
  /** Fails a flow that is not completed yet. `false` where there is none. */
  failFlow(flowId: string, type: string, error: unknown): Promise<boolean>
  /** Completes a flow while it is pending and this attempt: `createdAt` and `metadata.state` are those (`''`: none). Compared and set in one step; on the callback. */
  completeFlowIfCurrent(flowId: string, type: string, createdAt: number, state: string, result: unknown): Promise<RedisFlowOutcome>
  /** Fails a flow while it is this attempt and not completed. Compared and set in one step. */
  failFlowIfCurrent(flowId: string, type: string, createdAt: number, state: string, error: unknown): Promise<RedisFlowOutcome>
  /** Forgets a flow, after a login and before a new one. `false` where Redis did not do it; never rejects for that. */
  deleteFlow(flowId: string, type: string): Promise<boolean>
  /**
   * Takes the lease in one step, or asks again every 50 ms for `waitMs` (15 s) while somebody else has it; then `null`. At
   * once `null` where the generation is not the expected one: what the caller wants to write was begun before a teardown.
   * Who begins a teardown, such as the uninstallation of a server, sets `advanceGeneration`.
   *
   * The runtime asks before it refreshes, and before it writes rows. Where it rejects nothing is refreshed or written, and
   * the call fails with `MCP_TOKEN_REFRESH_UNAVAILABLE` or `MCP_TOKEN_STORAGE_UNAVAILABLE`. A lease ends by itself after
   * `leaseMs` (15 minutes), by Redis's clock. One that is granted too late is given back.
   */
  acquireLease(
    leaseId: string,
    options?: { expectedGeneration?: number; advanceGeneration?: boolean; leaseMs?: number; waitMs?: number },
  ): Promise<RedisLease | null>
  /** Which life of what the lease guards this is, from 0; `null` while it is torn down. Remembered for a day after the last lease. */
  getLeaseGeneration(leaseId: string): Promise<number | null>
}

/**
 * Exchanged tokens that processes share. Who asks is the runtime, before and after an exchange. Values are opaque text that
 * it has sealed. What goes wrong here is logged, and costs an exchange.
 */
export interface RedisTokenCache {
  /** The value; `undefined` where there is none, or what is there is no text. */
  get(key: string): Promise<string | undefined>
  /** Keeps a value for so many milliseconds, a whole number. */
  set(key: string, value: string, ttlMs: number): Promise<void>
  /** Forgets a value, after a server has refused the token. Whether there was one. */
  delete(key: string): Promise<boolean>
}

/** Which row: of one user, type and identifier there is one. */
export interface RedisTokenKey {
  /** Whose it is. */
  userId: string
  /** `mcp_oauth`, `mcp_oauth_refresh`, `mcp_oauth_client` or `mcp_oauth_dpop`. */
  type: string
  /** `mcp:SERVER`, with `:refresh`, `:client` or `:dpop` behind it where its type says so. */
  identifier: string
}

/** Which row, and what it has to have; compared in the step that reads or changes it. */
export interface RedisTokenQuery extends RedisTokenKey {
  /** Its text, as it was read. */
  token?: string
  /** Its `metadata.credential_set_id`; `null`: it has none. */
  metadataCredentialSetId?: string | null
}

/** A row, as LibreChat's `findToken` gives it. */
export interface RedisTokenRow extends RedisTokenKey {
  /** What the runtime has encrypted. */
  token: string
  /** When the row was created. */
  createdAt: Date
  /** When it is gone. */
  expiresAt: Date
  /** What it was stored with; `credential_set_id` is what queries ask for. */
  metadata?: Record<string, unknown>
}

/**
 * Stored tokens and client registrations, for hosts without LibreChat's. Texts are encrypted by the runtime before they come
 * here, metadata is not: it has nothing secret. A row that has expired is gone.
 *
 * Who asks is the runtime, when it connects a server for a user, around a login and around a refresh. Every function is one
 * step at Redis, and needs `userId`, `type` and `identifier`. Each rejects where Redis does not do it within 5 s: the call
 * or the refresh that needs it fails with a `retryable` error, a login fails, and nobody is asked to sign in for it.
 */
export interface RedisTokenMethods extends MCPTokenMethods {
  /** The row, where it is as the query says; else `null`. */
  findToken(query: RedisTokenQuery): Promise<RedisTokenRow | null>
  /** Stores a row in place of the one that is there. `expiresIn` is in seconds; `expiresAt` does as well. */
  createToken(row: RedisTokenKey & { token: string; expiresIn?: number; expiresAt?: Date; metadata?: Record<string, unknown> }): Promise<RedisTokenRow | null>
  /** Changes what is given of the row, where it is as the query says; of many who change the same one is answered the row. `null`: there is none. */
  updateToken(
    query: RedisTokenQuery,
    changes: { token?: string; expiresIn?: number; expiresAt?: Date; metadata?: Record<string, unknown> },
  ): Promise<RedisTokenRow | null>
  /** Deletes the row, where it is as the query says, and one that cannot be read where nothing is asked of it. */
  deleteTokens(query: RedisTokenQuery): Promise<{ deletedCount: number }>
}

/**
 * MCP sessions that processes go on with for each other, whose GET stream is listened to by whom, and whose turn it is to make
 * a lost session anew. Values are opaque text: a session is sealed by the runtime before it comes here, and of no use to whoever
 * reads the store.
 *
 * Who asks is the runtime: before it makes a session, after one has changed or come to rest, and when one has ended. It waits 2 s
 * at most. A failure never fails a call: it is logged once, nothing is asked for 5 s, and the process has sessions of its own
 * meanwhile. Every function is one step at Redis, and rejects where Redis does not do it within 5 s; it may still be done.
 *
 * Where a client sends a command again after its connection broke, `compareAndSet` and `delete` can be `false` for what they
 * have done: whoever is told so reads what is there.
 *
 * Keys are JSON arrays of strings: `["session",USER,SERVER,DIGEST]`, `["session-stream",USER,SERVER,DIGEST]`,
 * `["session-turn",USER,SERVER,DIGEST]` and `["session-epoch",USER,SERVER]`, the mark of a logout or login, which is read before
 * calls, too, every now and then, and always tried to be set. The user is `""` where all users share the connection.
 */
export interface RedisSharedSessions {
  /** The value; `undefined` where there is none, or what is there is no text. */
  get(key: string): Promise<string | undefined>
  /** Keeps a value for so many milliseconds, a whole number, in place of what is there. */
  set(key: string, value: string, ttlMs: number): Promise<void>
  /**
   * Keeps a value as `set` does, but only while the value there is `expected`; `undefined`: while there is none. Of many who
   * expect the same at once, one sets. Whether it did; where it did not, what is there stays, and ends when it would have.
   */
  compareAndSet(key: string, expected: string | undefined, value: string, ttlMs: number): Promise<boolean>
  /** Forgets a value; with `expected` only while it is that. Whether it did. */
  delete(key: string, expected?: string): Promise<boolean>
}

/**
 * What processes count together, and what is blocked for all of them: failures of a server for the runtime's circuit breakers,
 * and tool calls where an operator has set `limits`.
 *
 * Who asks is the runtime, when it connects and when that has failed or succeeded, and around calls under `limits`. It waits 2 s at most. A failure never fails a
 * call: it is logged once, nothing is asked for 5 s, and the process counts for itself meanwhile. Every function is one step at
 * Redis, by Redis's clock, and rejects where Redis does not do it within 5 s; it may still be done. Where a client sends a
 * command again after its connection broke, an event can be counted twice.
 *
 * Keys are JSON arrays of strings: `["breaker-failures",USER,SERVER]`, `["breaker-cycles",USER,SERVER]` and
 * `["breaker",USER,SERVER]`. The user is `""` where all users share the connection. Of calls they are
 * `["user-calls",USER,SERVER]`, and `["server-calls","",SERVER,LIMIT]` for those of all users, where
 * `LIMIT` tells limits of one server apart.
 */
export interface RedisLimits {
  /**
   * Counts an event. Resolves to how many there are in the window, with this one. The first event begins the window, which ends
   * `windowMs` later, a whole number of milliseconds; the next event after that is the first of another.
   */
  count(key: string, windowMs: number): Promise<number>
  /** Blocks for so many milliseconds, a whole number. A block that lasts longer stays. */
  block(key: string, ms: number): Promise<void>
  /** How many milliseconds the block still lasts; 0 where nothing blocks. */
  blockedFor(key: string): Promise<number>
  /** Forgets the count and the block. */
  clear(key: string): Promise<void>
  /**
   * Counts an event of a rate of `most` in `windowMs`, whole numbers, and resolves to 0; or counts nothing, and resolves to the
   * milliseconds until the window ends. As with `count`, the first event begins the window, and the next one after its end
   * another.
   */
  take(key: string, most: number, windowMs: number): Promise<number>
  /**
   * Takes one of `most` places for `leaseMs`, a whole number up to a day, unless others have them all. Whoever has a place
   * already has it for `leaseMs` more. A place that is granted after the 5 s is given back.
   */
  enter(key: string, holder: string, most: number, leaseMs: number): Promise<boolean>
  /** Gives the holder's place back, if it has one. */
  leave(key: string, holder: string): Promise<void>
}

/**
 * Which definitions of tools are approved, one record for each tenant and server, without an end: whoever deletes one has the
 * server's tools approved anew, as they are then.
 *
 * Who asks is the runtime, when tools are listed under `pinTools`, when a call is refused for it, and for `getToolPins` and
 * `approveTools`. It waits 2 s at most; with `pinTools: block` what needs it fails then. Every function is one step at Redis, and
 * rejects where Redis does not do it within 5 s, or something else than a text of at most 8 MiB is there.
 *
 * Keys are JSON arrays of strings: `[TENANT,SERVER,ID]`. The tenant is `""` where the host knows none, the id where the server
 * is of no database.
 */
export interface RedisToolPins {
  /** The record, as JSON; `undefined` where there is none. */
  get(key: string): Promise<string | undefined>
  /** Keeps a record, but only while the one there is `expected`; `undefined`: while there is none. Whether it did. */
  compareAndSet(key: string, expected: string | undefined, value: string): Promise<boolean>
}

/** Members of the host services. */
export interface RedisServices {
  /** One refresh at a time across processes. */
  lock: RedisLock
  /** For hosts without LibreChat's. */
  flowManager: RedisFlowManager
  /** Used where the host has a credentials key. */
  exchangedTokens: RedisTokenCache
  /** For hosts without LibreChat's. Where the host has some, they come after these: `{ ...redisServices(client), tokenMethods }`. */
  tokenMethods: RedisTokenMethods
  /** Sessions that outlive their process. Used where the host has a credentials key. */
  sharedSessions: RedisSharedSessions
  /** Circuit breakers, and `limits` of tool calls, of all processes. */
  limits: RedisLimits
  /** Which definitions of tools are approved (`pinTools`). */
  toolPins: RedisToolPins
}

/**
 * Host services over a Redis or Valkey that all processes of a host share:
 * `createMCPRuntime({ ...redisServices(client), ...host })`. Nothing is sent before a service is used.
 *
 * Throws a `TypeError` for anything that is no such client. Errors of the services are named `RedisServiceError`; their
 * `code` is `TIMEOUT`, the first word of Redis's answer (`OOM`, `READONLY`), or the name of the client's error. They never
 * have a value in them.
 */
export declare function redisServices(client: RedisClient, options?: RedisServicesOptions): RedisServices
