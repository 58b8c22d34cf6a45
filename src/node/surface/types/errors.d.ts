/**
 * What an error has that a function of this package rejects with, or throws: in TypeScript `(error as MCPError).code`.
 * `docs/errors.md` has all codes. The classes below are for errors with members of their own.
 */
export interface MCPError extends Error {
  /** Stable, such as `MCP_TIMEOUT`. On an error named `McpError` it is the number of JSON-RPC. */
  code: string | number
  /** Where `code` is a number: what stands in `code` else. */
  mcpCode?: string
  /** Whether the same call may succeed later without anybody changing a configuration. */
  retryable?: boolean
  /** Milliseconds until it may, where that is known: of a call that `limits` refuse. */
  retryAfterMs?: number
  /** That of the HTTP answer which caused it. */
  status?: number
  /** That of the server's JSON-RPC error. */
  data?: unknown
  /** The error that caused it; what a host function threw is here unchanged. */
  cause?: unknown
}

/** A server's domain is not among those that are allowed. */
export declare class MCPDomainNotAllowedError extends Error {
  constructor(domain: string)
  name: 'MCPDomainNotAllowedError'
  code: 'MCP_DOMAIN_NOT_ALLOWED'
  statusCode: 403
  /** The host that was refused. */
  domain: string
}

/** A server could not be reached for inspection. */
export declare class MCPInspectionFailedError extends Error {
  constructor(serverName: string, cause?: Error)
  name: 'MCPInspectionFailedError'
  code: 'MCP_INSPECTION_FAILED'
  statusCode: 400
  /** The server that was inspected. */
  serverName: string
  /** Why it could not be reached. */
  cause?: unknown
}

/** The user's tokens may still be good, and could not be refreshed now: another process does so, or the provider is away. */
export declare class MCPTokenRefreshUnavailableError extends Error {
  constructor(serverName: string, cause?: unknown)
  name: 'MCPTokenRefreshUnavailableError'
  code: 'MCP_TOKEN_REFRESH_UNAVAILABLE'
  /** The same call may succeed later. */
  retryable: true
  /** Why not now. */
  cause?: unknown
}

/** The user's tokens could not be read or written now: another process writes them, or the store is away. */
export declare class MCPTokenStorageUnavailableError extends Error {
  constructor(serverName: string, cause?: unknown)
  name: 'MCPTokenStorageUnavailableError'
  code: 'MCP_TOKEN_STORAGE_UNAVAILABLE'
  /** The same call may succeed later. */
  retryable: true
  /** Why not now. */
  cause?: unknown
}

/**
 * There is no token on behalf of the user. The runtime's own errors have this shape too; `detail`, `claims` and what
 * the identity provider answered are set on them where they apply.
 */
export declare class OboTokenResolutionError extends Error {
  constructor(reason: OboTokenResolutionError['reason'], userMessage: string, retryable?: boolean, cause?: unknown)
  name: 'OboTokenResolutionError'
  /** Stable; `docs/entra.md` tells the causes apart. */
  code: 'OBO_MISSING_UPSTREAM_TOKEN' | 'OBO_MISSING_UPSTREAM_PROVIDER' | 'OBO_SESSION_REFRESH_FAILED' | 'OBO_EXCHANGE_FAILED' | 'OBO_CLAIMS_CHALLENGE'
  /** In LibreChat's words. */
  reason: 'missing_upstream_token' | 'missing_upstream_access_token' | 'missing_upstream_provider' | 'session_refresh_failed' | 'empty_exchange_response' | 'exchange_failed'
  /** Whether the same call may succeed later without anybody changing a configuration. */
  retryable: boolean
  /** What to tell the user. */
  userMessage: string
  /** Who can do something about it. */
  detail?: 'access_denied' | 'bad_assertion' | 'client_credentials' | 'configuration' | 'consent_required' | 'expired_assertion' | 'interaction_required' | 'invalid_response' | 'invalid_scope' | 'throttled' | 'unavailable'
  /** With `oauth.grant: enterprise`: who can mend it. Absent where waiting is all. */
  mendedBy?: 'user' | 'operator' | 'identity_provider' | 'server'
  /** What an interactive login has to ask for. */
  claims?: string
  /** What the exchange failed with. */
  cause?: unknown
}

/** The user has to authorize a server again. */
export declare class ReauthenticationRequiredError extends Error {
  constructor(serverName: string, reason: 'expired' | 'missing' | 'invalid_client' | 'binding')
  name: 'ReauthenticationRequiredError'
  code: 'MCP_REAUTHENTICATION_REQUIRED'
}

/** Whether this is a `MCPDomainNotAllowedError`, of any copy of this module: by `name` and `code`. */
export declare function isMCPDomainNotAllowedError(error: unknown): error is MCPDomainNotAllowedError

/** Whether this is a `MCPInspectionFailedError`, of any copy of this module: by `name` and `code`. */
export declare function isMCPInspectionFailedError(error: unknown): error is MCPInspectionFailedError

/** Whether this is a `MCPTokenRefreshUnavailableError`, of any copy of this module: by `name` and `code`. */
export declare function isMCPTokenRefreshUnavailableError(error: unknown): error is MCPTokenRefreshUnavailableError

/** Whether this is a `MCPTokenStorageUnavailableError`, of any copy of this module: by `name` and `code`. */
export declare function isMCPTokenStorageUnavailableError(error: unknown): error is MCPTokenStorageUnavailableError

/** Whether this is a `OboTokenResolutionError`, of any copy of this module: by `name` and `code`. */
export declare function isOboTokenResolutionError(error: unknown): error is OboTokenResolutionError

/** Whether this is a `ReauthenticationRequiredError`, of any copy of this module: by `name` and `code`. */
export declare function isReauthenticationRequiredError(error: unknown): error is ReauthenticationRequiredError
