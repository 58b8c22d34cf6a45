/**
 * An MCP client of one user and one server. Nothing is connected before the first request; then requests go over the
 * connection of that user, or the one that all users share, which other clients and `manager` use as well. It is made anew
 * where it was lost, or had nothing to do for a while. Results are those of the server, unchanged.
 *
 * Requests reject with the errors of `docs/errors.md`, and with `MCP_CLOSED` after `close()`. A JSON-RPC error of the server
 * is an `McpError`, whose `code` is its number. A request of which the server knows nothing is made once more where that is
 * safe: after a session that the server has forgotten, or a token that it has refused. A tool that may have run is not called
 * again.
 *
 * Events: `toolsChanged` (with the tools), `resourcesChanged`, `promptsChanged`, `resourceUpdated` (`{ uri }`) and
 * `connectionChange` (with the state, see `MCPConnection.connectionState`). They come once there was a connection, and a
 * client with listeners is kept for as long as there is one, unless it is closed.
 */
export interface MCPClient {
  /** As the registry knows it. */
  readonly serverName: string
  /** What the server calls itself; `undefined` before the first request, as the next three, or where it does not say. */
  readonly serverInfo: Implementation | undefined
  /** The revision of MCP that was agreed on, such as `2025-11-25`. */
  readonly protocolVersion: string | undefined
  /** What the server can do. */
  readonly capabilities: ServerCapabilities | undefined
  /** For models. */
  readonly instructions: string | undefined
  /** Connects now, and not with the first request. */
  connect(options?: Pick<MCPRequestOptions, 'signal' | 'maxTotalTimeout'>): Promise<void>
  /** All tools; one page of them where a `cursor` is given. See `MCPPage`. */
  listTools(params?: MCPPage, options?: MCPRequestOptions): Promise<ListToolsResult>
  /**
   * Calls a tool by the name that the server has for it. A result with `isError` is a result: the promise resolves.
   *
   * `arguments` are sent as `JSON.stringify` writes them; what it cannot write, or is nested deeper than 512 levels, is a
   * `TypeError` with the path to it.
   */
  callTool(params: { name: string; arguments?: Record<string, unknown>; _meta?: Record<string, unknown> }, options?: MCPCallOptions): Promise<CallToolResult>
  /**
   * The result of a tool call of this server that has become a task, here or in another process, as `callTool` would have
   * given it: see `docs/tasks.md`.
   */
  resumeTask(task: MCPTaskHandle, options?: MCPRequestOptions): Promise<CallToolResult>
  /** All resources; one page of them where a `cursor` is given. See `MCPPage`. */
  listResources(params?: MCPPage, options?: MCPRequestOptions): Promise<ListResourcesResult>
  /** All templates of resources; one page of them where a `cursor` is given. See `MCPPage`. */
  listResourceTemplates(params?: MCPPage, options?: MCPRequestOptions): Promise<ListResourceTemplatesResult>
  /** Bounded by `MCP_STREAMABLE_HTTP_MAX_*`, as every answer is. */
  readResource(params: { uri: string; _meta?: Record<string, unknown> }, options?: MCPRequestOptions): Promise<ReadResourceResult>
  /**
   * Has the server tell when this resource or a part of it changes: `resourceUpdated`. Ends with the connection.
   *
   * Rejects with `MCP_INVALID_ARGUMENT` in a runtime without `keepConnections`. Where an abort or `close()` ends it before the
   * server has answered, the server is told that nobody is subscribed.
   */
  subscribeResource(params: { uri: string }, options?: Pick<MCPRequestOptions, 'signal' | 'maxTotalTimeout'>): Promise<void>
  /** Ends that. Other clients of the same connection that are subscribed go on to be told. */
  unsubscribeResource(params: { uri: string }, options?: Pick<MCPRequestOptions, 'signal'>): Promise<void>
  /** All prompts; one page of them where a `cursor` is given. See `MCPPage`. */
  listPrompts(params?: MCPPage, options?: MCPRequestOptions): Promise<ListPromptsResult>
  /** A prompt, with its arguments filled in. */
  getPrompt(params: { name: string; arguments?: Record<string, string>; _meta?: Record<string, unknown> }, options?: MCPRequestOptions): Promise<GetPromptResult>
  /** What may stand for an argument of a prompt or of a template of resources. */
  complete(params: Pick<CompleteRequestParams, 'ref' | 'argument' | 'context' | '_meta'>, options?: MCPRequestOptions): Promise<CompleteResult>
  /**
   * From which level on the server logs: see `MCPHostServices.onLogMessage`. Up to 2025-11-25 the server keeps it for as long
   * as its session lasts, and a connection that users share is refused with `MCP_INVALID_ARGUMENT`, also to a client without a
   * user. Since 2026-07-28 each request of this client carries it.
   */
  setLoggingLevel(level: LoggingLevel, options?: MCPRequestOptions): Promise<Record<string, never>>
  /** Whether the server answers. Since 2026-07-28 there is no `ping`, and `server/discover` is asked in its place. */
  ping(options?: MCPRequestOptions): Promise<Record<string, never>>
  /** Any request. `params` are sent as the `arguments` of `callTool` are. */
  request(request: { method: string; params?: Record<string, unknown> }, options?: MCPRequestOptions): Promise<Record<string, unknown>>
  /** Listens; see above for the events. */
  on<Event extends keyof MCPClientEvents>(event: Event, listener: (...args: MCPClientEvents[Event]) => unknown): this
  /** Listens for the next one. */
  once<Event extends keyof MCPClientEvents>(event: Event, listener: (...args: MCPClientEvents[Event]) => unknown): this
  /** Ends listening. */
  off<Event extends keyof MCPClientEvents>(event: Event, listener: (...args: MCPClientEvents[Event]) => unknown): this
  /**
   * Aborts what the client has under way and ends all listening. Ends a user's connection, too, and resolves when its session
   * has ended; one that others still use ends with its last use, one that another client has subscribed to resources over
   * stays, and so does one that all users share.
   */
  close(): Promise<void>
}

/** What listeners of an `MCPClient` are called with. */
export interface MCPClientEvents extends Omit<MCPConnectionEvents, 'toolsChanged'> {
  /** The tools as they were listed again, and their `publicationRevision` where users share the server. */
  toolsChanged: [tools: Tool[], publicationRevision?: string]
}

/** Whose client it is, and how it connects. */
export type MCPClientParams = Omit<MCPConnectionParams, 'serverName' | 'forceNew' | 'signal'>

/**
 * Which part of a list. Without a `cursor` it is the whole: all pages, within `MCP_TOOLS_LIST_*`. Where one of these ends it,
 * `nextCursor` of the result says where the next page begins. It is empty for a server that does not announce such things.
 */
export interface MCPPage {
  /** The `nextCursor` of the page before. */
  cursor?: string
  /** For the server. */
  _meta?: Record<string, unknown>
}

/**
 * How long one request may take, who ends it, and who hears of its progress. `maxTotalTimeout` counts from the call on, and
 * bounds connecting, too, with the user's authorization; without it that takes as long as the server's `initTimeout` says and
 * the user has. `timeout` counts from when the request is sent. What is no number of milliseconds above zero is refused with
 * `MCP_INVALID_ARGUMENT`.
 */
export type MCPRequestOptions = Omit<MCPCallOptions, 'ontask'>
