/**
 * LibreChat's `MCPManager`: connections by owner and server. All functions work unbound and reject with `MCP_CLOSED`
 * after `runtime.close()`. What LibreChat's class throws as an `McpError` has that name, its numeric `code`, and ours
 * in `mcpCode`.
 */
export interface MCPManager {
  /** The user's own connection, or the one that all users share. */
  getConnection: (params: MCPConnectionParams) => Promise<MCPConnection>
  /** The user's own connection; rejects for a server that all users share. */
  getUserConnection: (params: MCPConnectionParams) => Promise<MCPConnection>
  /**
   * The tools of a server, with the tokens that the user has, else as it shows them to anybody; nobody is asked to
   * authorize. `tools` is `null` where there are none to be had, or where `deadlineMs` is over, in milliseconds since
   * the epoch. Where tokens are still being refreshed then, `onDiscoveryDetached` gets a promise that resolves when
   * that is done. `authenticationKind` says what `oauthRequired` is about.
   */
  discoverServerTools: (params: MCPConnectionParams & { deadlineMs?: number; onDiscoveryDetached?: (discovery: Promise<void>) => unknown }) => Promise<{ tools: MCPTool[] | null; oauthRequired: boolean; oauthUrl: null; authenticationKind?: 'oauth' | 'obo' | 'server' }>
  /** `[content, artifacts]`, formatted for the provider as LibreChat's `formatToolContent` does. */
  callTool: (params: MCPCallToolParams) => Promise<MCPToolOutcome>
  /**
   * The outcome of a tool call that has become a task, here or in another process, as `callTool` would have given it. It
   * goes over the connection of this call's user: whether somebody else may have the task is the server's to say.
   */
  resumeTask: (params: MCPResumeTaskParams) => Promise<MCPToolOutcome>
  /** By server name; `undefined` for a user without connections. */
  getUserConnections: (userId: string) => Map<string, MCPConnection> | undefined
  /**
   * Ends the connection, or the attempt in flight. Resolves when its session has ended. What catalog recovery knows of
   * the server is forgotten, too, unless `reason` is another than `mutation`, the default.
   */
  disconnectUserConnection: (userId: string, serverName: string, options?: { reason?: string }) => Promise<void>
  /** All of a user's, attempts in flight included. */
  disconnectUserConnections: (userId: string) => Promise<void>
  /** The tools of an open connection in LibreChat's format; `null` where there is none. */
  getServerToolFunctions: (userId: string, serverName: string) => Promise<Record<string, MCPToolFunction> | null>
  /**
   * The same with what it is published under. `tools` is `null` where there is no connection, or none that was made
   * from this config and under the generation of now; such a one is ended. `null` also where `deadlineMs` is over, in
   * milliseconds since the epoch. Rejects for nothing that a server or the host does.
   */
  getServerToolFunctionsSnapshot: (userId: string, serverName: string, serverConfig?: object, options?: { deadlineMs?: number; signal?: AbortSignal }) => Promise<{ tools: Record<string, MCPToolFunction> | null; publicationGeneration?: string; publicationRevision?: string }>
  /**
   * Opens the connections of all servers that users share, three at a time, and lists their tools. What fails is
   * logged.
   */
  connectAppServers: () => Promise<void>
  /** Ends the connections that users share. Resolves when their sessions have ended. */
  disconnectAppServers: () => Promise<void>
  /** The connections that users share and that are open, by server name. */
  getLoadedAppConnections: () => Promise<Map<string, MCPConnection>>
  /**
   * What LibreChat's `loadMCPServerCatalogs` remembers between requests: discoveries under way, and servers that are not
   * asked again before their time. `createInstance` sets its limits.
   */
  getCatalogRecoveryTracker: () => MCPCatalogRecoveryTracker
  /**
   * Has a user's server, or all of a user's, asked again at once: what it was asked with has changed. With a
   * `generation`, which names the change, a discovery under way goes on and is compared with it.
   */
  clearCatalogRecoveryState: (userId: string, serverName?: string, generation?: string, capabilityProfile?: string) => void
  /**
   * The `toolFunctions` of all configurations, in one object. Where the runtime has a `config` in place of a
   * registry, servers that all users share are inspected for it, once.
   */
  getAppToolFunctions: () => Promise<Record<string, MCPToolFunction>>
  /** The instructions of the named servers, or of all, as one text for the model. */
  formatInstructionsForContext: (serverNames?: string[], configServers?: Record<string, object>) => Promise<string>
  /** What `getMCPToolsCacheGeneration` said before the connection was made. */
  getToolPublicationGeneration: (connection: MCPConnection) => string | undefined
  /** The identity of the config that a user's connection was made from. */
  getToolConfigGeneration: (connection: MCPConnection) => string | undefined
  /**
   * Runs work on a user's connection, which stays open until the work has settled, at most ten minutes, whoever
   * replaces it meanwhile.
   */
  withUserConnectionLease: <T>(params: MCPConnectionParams, operation: (connection: MCPConnection) => T | Promise<T>) => Promise<T>
  /** The tools of a server as they are approved, for the call's tenant. Contacts no server. */
  getToolPins: (params: MCPToolPinsParams) => Promise<MCPToolPin[]>
  /** Approves definitions that wait for it, and resolves to what was approved. */
  approveTools: (params: MCPApproveToolsParams) => Promise<{ name: string; hash: string }[]>
  /** How many users and connections there are. */
  getConnectionStats: () => { trackedUsers: number; totalConnections: number; activityEntries: number; appConnectionCount: number }
  /** The connections that all users share. */
  appConnections: MCPAppConnections
}

/**
 * What a tool call comes to: `[content, artifacts]`. What the server's result has beside its `content` is on the property
 * `raw`, which is not enumerable, and absent where there is nothing of it.
 */
export type MCPToolOutcome = [content: string, artifacts: MCPToolArtifacts | undefined] & { readonly raw?: Pick<CallToolResult, 'isError' | 'structuredContent' | '_meta'> }

/** What of a tool's result is no text, for providers that take it: images as data URLs, and resources of `ui://` with a `resourceId`. */
export interface MCPToolArtifacts {
  /** Images. */
  content?: { type: 'image_url'; image_url: { url: string } }[]
  /** As the server sent them. */
  ui_resources?: { data: Record<string, unknown>[] }
}

/** The connections that all users share (LibreChat's `ConnectionsRepository`). */
export interface MCPAppConnections {
  /** Connects where necessary; `null` for a server that belongs to users. */
  get: (serverName: string) => Promise<MCPConnection | null>
  /** Whether a server is one that all users share. */
  has: (serverName: string) => Promise<boolean>
  /** Connects three at a time. `continueOnError` logs and leaves out a server that cannot be reached. */
  getMany: (serverNames: string[], options?: { continueOnError?: boolean; refreshTools?: boolean }) => Promise<Map<string, MCPConnection>>
  /** The connections that are open, by server name. */
  getLoaded: () => Promise<Map<string, MCPConnection>>
  /** All of them, by server name; connects where necessary. */
  getAll: (options?: { continueOnError?: boolean; refreshTools?: boolean }) => Promise<Map<string, MCPConnection>>
  /** Resolves when the session has ended. */
  disconnect: (serverName: string) => Promise<void>
  /** One promise for each connection. */
  disconnectAll: () => Promise<void>[]
  /** How many are open. */
  getConnectionCount: () => number
}

/**
 * An event emitter that stands for the connection of one owner to one server, whichever session serves it: there is one
 * object for all of them.
 */
export interface MCPConnection {
  /** As the registry knows it. */
  serverName: string
  /** When the config was read that it is made from, in milliseconds since the epoch. */
  createdAt: number
  /** Placeholders filled in; absent for a process. */
  url?: string
  /** As configured. */
  iconPath?: string
  /** Milliseconds for one request, where configured. */
  timeout?: number
  /** As it is now; `error` after a loss, or an attempt that failed. */
  connectionState: MCPConnectionEvents['connectionChange'][0]
  /** Empty where the list cannot be had; the reason is logged. */
  fetchTools: () => Promise<MCPTool[]>
  /**
   * A list that no announcement of the server has made out of date. `complete` is false, and the list empty, where
   * there is none, or none before `deadlineMs`, in milliseconds since the epoch. Of a server that users share it has
   * the place that was reserved for it, or says that none could be.
   */
  fetchOrderedToolsSnapshot: (deadlineMs?: number, signal?: AbortSignal) => Promise<{ tools: MCPTool[]; complete: boolean; publicationRevision?: string; orderingUnavailable?: boolean }>
  /** The same, whatever the server announces meanwhile. */
  fetchToolsSnapshot: (deadlineMs?: number, signal?: AbortSignal) => Promise<{ tools: MCPTool[]; complete: boolean; publicationRevision?: string; orderingUnavailable?: boolean }>
  /** Lists the tools again, publishes them and emits `toolsChanged`. What fails is logged, and tried again later. */
  refreshToolList: () => Promise<void>
  /**
   * Has the server tell when this resource changes, as `resourceUpdated`: by `resources/subscribe`, or as a part of the
   * connection's `subscriptions/listen`. A session that takes the place of a lost one is subscribed as well; `disconnect`
   * and the end of an idle connection end it. Resolves when the server has agreed; rejects as `client.request`, and with
   * `MCP_INVALID_ARGUMENT` for a URI of more than 8 KiB or more than 1,024 resources of a connection.
   */
  subscribeResource: (uri: string, signal?: AbortSignal) => Promise<void>
  /** Ends that. What the server still tells of the resource is not heard, also where it refuses. */
  unsubscribeResource: (uri: string, signal?: AbortSignal) => Promise<void>
  /** Whether users authorize with the server. */
  usesOAuth: () => boolean
  /** Empty where the list cannot be had; the reason is logged. */
  fetchResources: () => Promise<Resource[]>
  /** Empty where the list cannot be had; the reason is logged. */
  fetchPrompts: () => Promise<Prompt[]>
  /** Asks the server, unless it was seen alive a moment ago. */
  isConnected: (signal?: AbortSignal) => Promise<boolean>
  /** Whether a config with this `updatedAt`, in milliseconds since the epoch, is newer than `createdAt`. */
  isStale: (updatedAt: number) => boolean
  /**
   * Connects again where the session has ended. Rejects with `MCP_CONNECTION_LOST` where somebody disconnects
   * meanwhile.
   */
  connect: () => Promise<void>
  /** Resolves when the session has ended. */
  disconnect: () => Promise<void>
  /** The same. */
  dispose: () => Promise<void>
  /**
   * The surface of the MCP SDK's client, as far as LibreChat uses it. `params` are sent as the `toolArguments` of
   * `callTool` are.
   */
  client: { request(request: { method: string; params?: object }, resultSchema?: unknown, options?: { signal?: AbortSignal; timeout?: number }): Promise<Record<string, unknown>>; listTools(): Promise<{ tools: MCPTool[] }>; getInstructions(): string | undefined; getProtocolVersion(): string | undefined; getServerCapabilities(): ServerCapabilities | undefined }
  /** Listens. */
  on: <Event extends keyof MCPConnectionEvents>(event: Event, listener: (...args: MCPConnectionEvents[Event]) => unknown) => MCPConnection
  /** Listens for the next one. */
  once: <Event extends keyof MCPConnectionEvents>(event: Event, listener: (...args: MCPConnectionEvents[Event]) => unknown) => MCPConnection
  /** Ends listening. */
  off: <Event extends keyof MCPConnectionEvents>(event: Event, listener: (...args: MCPConnectionEvents[Event]) => unknown) => MCPConnection
  /** Ends all listening, to one event or to all. */
  removeAllListeners: (event?: keyof MCPConnectionEvents) => MCPConnection
}

/** What an `MCPConnection` emits, with what its listeners get. */
export interface MCPConnectionEvents {
  /** The state that it is in now. */
  connectionChange: ['disconnected' | 'connecting' | 'connected' | 'error']
  /** The tools as they were listed again, and their place where users share the server. */
  toolsChanged: [tools: MCPTool[], publicationRevision?: string]
  /** The server says so. */
  resourcesChanged: []
  /** The server says so. */
  promptsChanged: []
  /** A resource of `subscribeResource`, or a part of one, has changed; told once for changes that come together. */
  resourceUpdated: [resource: { uri: string }]
}

/** The parameters of `getConnection` and its like. */
export interface MCPConnectionParams {
  /** As the registry knows it. */
  serverName: string
  /** Whose connection. */
  user?: MCPUser
  /** Ends the call at every step. */
  signal?: AbortSignal
  /** Makes the user's connection anew and replaces the one there. */
  forceNew?: boolean
  /**
   * `false` asks nobody to authorize: where somebody would have to, the call rejects with
   * `MCP_AUTHORIZATION_REQUIRED`. Default `true`.
   */
  authorize?: boolean
  /**
   * `false` makes one attempt to connect, where others would follow on a failure that may pass. Callers who want the same
   * connection share what makes it: whoever joins gets what the first has asked for, attempts included. Default `true`.
   */
  retry?: boolean
  /**
   * Called once with the URL that the user has to open, and for a flow that was pending already with the time until
   * when it can be joined. The call waits until they have authorized, unless `returnOnOAuth` says otherwise; without this, too.
   */
  oauthStart?: (authURL: string, options?: { expiresAt: number }) => unknown
  /** Called once when the user has authorized, before connecting. */
  oauthEnd?: () => unknown
  /** `true`: rejects with `MCP_OAUTH_REQUIRED` once the URL is handed out. Default `false`. */
  returnOnOAuth?: boolean
  /** In place of the host's. */
  flowManager?: MCPFlowManager
  /** In place of the host's. */
  tokenMethods?: MCPTokenMethods
  /** The user's values for the server's `customUserVars`. */
  customUserVars?: Record<string, string>
  /** Milliseconds. */
  connectionTimeout?: number
  /** A config that the caller already has; the registry is not asked for it. */
  serverConfig?: object
  /** Passed on to `registry.getServerConfig`. */
  configServers?: Record<string, object>
  /** Fields of the chat request, for `{{LIBRECHAT_BODY_*}}`. */
  requestBody?: object
  /** Where connections are kept that belong to one chat request. */
  requestScopedConnections?: MCPRequestScopedConnections
  /** Around every change of the user's stored tokens for an OAuth server, as the other three; before the host's. */
  onOAuthCredentialsChanging?: MCPOAuthCredentialEvents['onOAuthCredentialsChanging']
  /** Where `onOAuthCredentialsChanging` is not given. */
  onOAuthCredentialsChanged?: MCPOAuthCredentialEvents['onOAuthCredentialsChanged']
  /** Tokens of another process are used. */
  onOAuthCredentialsAdopted?: MCPOAuthCredentialEvents['onOAuthCredentialsAdopted']
  /** What is known of the tokens is out of date. */
  onOAuthCredentialsInvalidated?: MCPOAuthCredentialEvents['onOAuthCredentialsInvalidated']
  /** The user's login session. */
  upstreamTokenProvider?: MCPUpstreamTokenProvider
  /** Asked only where there is no `upstreamTokenProvider`. */
  upstreamTokenProviderResolver?: MCPUpstreamTokenProviderResolver
  /** Whose login it is. */
  oboIdentityContext?: MCPOboIdentityContext
  /** In place of `serverConfig`. */
  connectionTarget?: MCPConnectionTarget
  /** See `ReinitMCPServerParams.mcpApps`. */
  mcpApps?: { enabled?: boolean }
}

/** The parameters of `callTool`. */
export interface MCPCallToolParams {
  /** As the registry knows it. */
  serverName: string
  /** As the server calls it. */
  toolName: string
  /** Decides on the format of the content. */
  provider?: string
  /**
   * By the tool's `inputSchema`. They are sent as `JSON.stringify` writes them; what it cannot write, or is nested
   * deeper than 512 levels, is a `TypeError` with the path to it.
   */
  toolArguments?: object
  /** Whose connection and tokens are used. */
  user?: MCPUser
  /** The user's values for the server's `customUserVars`. */
  customUserVars?: Record<string, string>
  /** A config that the caller already has; the registry is not asked for it. */
  serverConfig?: object
  /**
   * Called once with the URL that the user has to open, and for a flow that was pending already with the time until
   * when it can be joined. The call waits until they have authorized, at most as long as users have (`MCP_OAUTH_HANDLING_TIMEOUT`); without this, too.
   */
  oauthStart?: (authURL: string, options?: { expiresAt: number }) => unknown
  /** Called once when the user has authorized, before connecting. */
  oauthEnd?: () => unknown
  /** In place of the host's. */
  flowManager?: MCPFlowManager
  /** In place of the host's. */
  tokenMethods?: MCPTokenMethods
  /** Fields of the chat request, for `{{LIBRECHAT_BODY_*}}`. */
  requestBody?: object
  /** In place of the host's. */
  oboTokenResolver?: MCPHostServices['oboTokenResolver']
  /** In place of the host's. */
  oboTrustChecker?: MCPHostServices['oboTrustChecker']
  /** In place of the host's. */
  graphTokenResolver?: MCPHostServices['graphTokenResolver']
  /** Where connections are kept that belong to one chat request. */
  requestScopedConnections?: MCPRequestScopedConnections
  /** Around every change of the user's stored tokens for an OAuth server, as the other three; before the host's. */
  onOAuthCredentialsChanging?: MCPOAuthCredentialEvents['onOAuthCredentialsChanging']
  /** Where `onOAuthCredentialsChanging` is not given. */
  onOAuthCredentialsChanged?: MCPOAuthCredentialEvents['onOAuthCredentialsChanged']
  /** Tokens of another process are used. */
  onOAuthCredentialsAdopted?: MCPOAuthCredentialEvents['onOAuthCredentialsAdopted']
  /** What is known of the tokens is out of date. */
  onOAuthCredentialsInvalidated?: MCPOAuthCredentialEvents['onOAuthCredentialsInvalidated']
  /** The user's login session. */
  upstreamTokenProvider?: MCPUpstreamTokenProvider
  /** Asked only where there is no `upstreamTokenProvider`. */
  upstreamTokenProviderResolver?: MCPUpstreamTokenProviderResolver
  /** Whose login it is. */
  oboIdentityContext?: MCPOboIdentityContext
  /** In place of `serverConfig`. */
  connectionTarget?: MCPConnectionTarget
  /** See `ReinitMCPServerParams.mcpApps`. */
  mcpApps?: { enabled?: boolean }
  /** How long the call may take, and who hears of it. */
  options?: MCPCallOptions
}

/** How long a tool call may take, and who hears of it. Milliseconds. */
export interface MCPCallOptions {
  /** Ends the call, and the task that it has become. */
  signal?: AbortSignal
  /**
   * How long nothing may be heard: every sign of progress starts it again, and of a task each answer to the question how
   * it is doing. The wait for the host, whom the server asks something in this call, does not count. Default the config's `timeout`, else a minute.
   */
  timeout?: number
  /** How long the call may take altogether. Default 24 hours. */
  maxTotalTimeout?: number
  /** What the server tells of its progress. A new message of a task has a `progress` that counts them. */
  onprogress?: (progress: { progress: number; total?: number; message?: string }) => unknown
  /**
   * Called once where the call has become a task. Of a server of 2025-11-25 this asks for one where the tool may run as
   * one. Such a task is left alone when the call ends otherwise than with its `signal`.
   */
  ontask?: (task: MCPTaskHandle) => unknown
}

/**
 * A tool call that has become a task, as JSON. Without a secret of this library; but a server may show a task to whoever
 * knows its id.
 */
export interface MCPTaskHandle {
  /** As the registry knows it. */
  serverName: string
  /** As the caller called it. */
  toolName: string
  /** As the server calls it; at most 4 KiB. */
  taskId: string
  /** The revision of MCP that it was begun with. */
  protocolVersion: '2025-11-25' | '2026-07-28'
  /** When the task was begun, in milliseconds since the epoch. */
  createdAt: number
}

/** The parameters of `resumeTask`: those of `callTool`, with the task in place of the tool. */
export interface MCPResumeTaskParams extends Omit<MCPCallToolParams, 'serverName' | 'toolName' | 'toolArguments'> {
  /** As `ontask` was called with it. Its server is the one that is asked. */
  task: MCPTaskHandle
}

/**
 * LibreChat's `MCPServerCatalogRecoveryTracker`, as its `loadMCPServerCatalogs` calls it. `policy` is
 * `mcpSettings.catalogRecovery`, all members given.
 */
export interface MCPCatalogRecoveryTracker {
  /**
   * Discovers, joins the discovery of the same that is under way, or tells what the last one came to: `discover` is not
   * called before `reauthRetryMs` and `discoveryBackoffMs` are over. `generation` names what the user's credentials
   * are.
   */
  run: <Outcome>(user: { id: string }, candidate: MCPCatalogCandidate, policy: MCPCatalogRecoveryPolicy, generation: string | undefined, discover: (trackPublication: (publish: () => Promise<string | undefined>) => Promise<string | undefined>, detach: (discovery: Promise<unknown>) => void) => Promise<Outcome>) => Promise<Outcome | { serverName: string; tools: null }>
  /** Whether a discovery that shares nothing with others may begin. */
  admitsDiscovery: (user: { id: string }, candidate: MCPCatalogCandidate, policy: MCPCatalogRecoveryPolicy) => boolean
  /** Counts such a one, which nobody waits for any more, until it settles. */
  detachDiscovery: (user: { id: string }, candidate: MCPCatalogCandidate, policy: MCPCatalogRecoveryPolicy, discovery: Promise<unknown>) => void
  /** As `clearCatalogRecoveryState`. */
  clear: (userId: string, serverName?: string, generation?: string, capabilityProfile?: string) => void
}

/** A server whose tools LibreChat wants to list for a user. */
export interface MCPCatalogCandidate {
  /** As the registry knows it. */
  serverName: string
  /** What it is connected with. */
  serverConfig: object
  /** Lists that differ by it are kept apart. */
  capabilityProfile?: string
}
