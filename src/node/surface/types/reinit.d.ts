/**
 * A user: LibreChat's own, also as a document of Mongoose, or another object with an `id`. Read are `id`, `provider`, `openidId`,
 * `federatedTokens`, `openidTokens` and the fields that placeholders may name.
 */
export type MCPUser = { id?: string } | { id?: string; [field: string]: unknown }

/** The parameters of `reinitMCPServer` (`api/server/services/Tools/mcp.js` of LibreChat). `null` counts as absent. */
export interface ReinitMCPServerParams {
  /** The user of the request. */
  user?: MCPUser
  /** Ends the call at every step. */
  signal?: AbortSignal
  /** Makes the user's connection anew and replaces the one there. App-level connections ignore it. */
  forceNew?: boolean
  /** As the registry knows it. */
  serverName?: string
  /** Passed on to `registry.getServerConfig`. */
  configServers?: Record<string, object>
  /** By `mcp_<serverName>`, the user's values for the server's `customUserVars`. */
  userMCPAuthMap?: Record<string, Record<string, string>>
  /** Milliseconds for all work with the server; else the server's `initTimeout`, else 30000. */
  connectionTimeout?: number
  /** Hand out the authorization URL and return (default), or wait for the user. */
  returnOnOAuth?: boolean
  /**
   * Called once with the URL that the user has to open, and for a flow that was pending already with the time until
   * when it can be joined.
   */
  oauthStart?: (authURL: string, options?: { expiresAt: number }) => unknown
  /** Called once when the user has authorized, before connecting. */
  oauthEnd?: () => unknown
  /** In place of the host's. */
  flowManager?: MCPFlowManager
  /** In place of the host's. */
  tokenMethods?: MCPTokenMethods
  /** Around every change of the user's stored tokens for an OAuth server, as the other three; before the host's. */
  onOAuthCredentialsChanging?: MCPOAuthCredentialEvents['onOAuthCredentialsChanging']
  /** Where `onOAuthCredentialsChanging` is not given. */
  onOAuthCredentialsChanged?: MCPOAuthCredentialEvents['onOAuthCredentialsChanged']
  /** Tokens of another process are used. */
  onOAuthCredentialsAdopted?: MCPOAuthCredentialEvents['onOAuthCredentialsAdopted']
  /** What is known of the tokens is out of date. */
  onOAuthCredentialsInvalidated?: MCPOAuthCredentialEvents['onOAuthCredentialsInvalidated']
  /** A config that the caller already has; the registry is not asked for it. */
  serverConfig?: object
  /** Where the connections of the chat request are kept: newer LibreChat's `getMCPRequestContext(req, res)`. */
  requestScopedConnections?: MCPRequestScopedConnections
  /** The user's login session. */
  upstreamTokenProvider?: MCPUpstreamTokenProvider
  /** Asked only where there is no `upstreamTokenProvider`. */
  upstreamTokenProviderResolver?: MCPUpstreamTokenProviderResolver
  /** Whose login it is. */
  oboIdentityContext?: MCPOboIdentityContext
  /** In place of `serverConfig`. */
  connectionTarget?: MCPConnectionTarget
  /**
   * LibreChat's policy on the views that its own manager shows of MCP Apps. These are not served here, and `enabled: true` is
   * warned of once; for apps there is `runtime.client` (`docs/apps.md`).
   */
  mcpApps?: { enabled?: boolean }
  /** Bounds work of the host's that is done around changes of credentials; nothing here depends on it. */
  recoveryPolicy?: object
  /** What the host files failures of a stream under; nothing here depends on it. */
  streamId?: string | null
  /** Milliseconds since the epoch; the same. */
  jobCreatedAt?: number
  /**
   * Fields of the chat request, for `{{LIBRECHAT_BODY_*}}`. With this key, a server that needs missing fields is
   * deferred.
   */
  requestBody?: object
}

/** The result of `reinitMCPServer`. The optional members are absent where they do not apply. */
export interface ReinitMCPServerResult {
  /** By function name, in LibreChat's format: what `updateMCPServerTools` returned, or formatted here. */
  availableTools: Record<string, unknown> | null
  /** Whether the server is connected, or the user has been given a URL. */
  success: boolean
  /** LibreChat's text, for people. */
  message: string
  /** Whether the user has to authorize. */
  oauthRequired: boolean
  /** As it was passed. */
  serverName: string | undefined
  /** What the user has to open; `null` where the caller's own `oauthStart` got it. */
  oauthUrl: string | null
  /** The tools as the server sent them. */
  tools: MCPTool[] | null
  /**
   * Why `success` is false. `unreachable`: the inspection of the server had failed, and did so again. A connection that
   * is refused is `initialization_failed`.
   */
  failureReason?: 'unreachable' | 'missing_custom_user_vars' | 'oauth_required' | 'initialization_failed'
  /** Names of the variables that the user has not set. */
  missingUserVars?: Array<string>
  /** No connection yet: the server needs fields of a chat turn. */
  connectionDeferred?: boolean
  /** Until when the pending flow can be joined, in milliseconds since the epoch. */
  oauthExpiresAt?: number
  /** Beside every `failureReason`. */
  error?: MCPErrorSummary
  /** Connected, but the tools could not be listed, or not all. */
  toolsError?: MCPErrorSummary
}

/** An error in a result; `docs/errors.md` lists the codes. */
export interface MCPErrorSummary {
  /** Stable, such as `MCP_TIMEOUT`. */
  code: string
  /** For people; without tokens and secrets. */
  message: string
  /** Whether the same call may succeed later without anybody changing a configuration. */
  retryable: boolean
}

/**
 * A tool (MCP, chapter "Tools"). Fields that are not listed here pass through as the server sent them. A schema of more
 * than 512 bytes is parsed when it is first looked at.
 */
export interface MCPTool {
  /** Unique within the server. */
  name: string
  /** For people. */
  title?: string
  /** For the model. */
  description?: string
  /** JSON Schema of the arguments. */
  inputSchema?: Record<string, unknown>
  /** JSON Schema of `structuredContent`. */
  outputSchema?: Record<string, unknown>
  /** Hints such as `readOnlyHint`. */
  annotations?: Record<string, unknown>
}

/**
 * The connections of one chat request, by `userId:serverName`. A server whose config names fields of the request gets
 * its connection here; whoever made the object disposes of them when the request has been answered. Without it, such a
 * connection lasts as long as the call that needs it.
 */
export interface MCPRequestScopedConnections {
  /** By server name. */
  connections: Map<string, unknown>
  /** What comes later is disposed of at once. */
  cleanupStarted?: boolean
}
