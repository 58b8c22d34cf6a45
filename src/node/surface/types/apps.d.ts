/** An app of a server (MCP Apps, SEP-1865): what a host's page renders in a sandbox. `docs/apps.md`. */
export interface MCPApp {
  /** `ui://…`. */
  uri: string
  mimeType: 'text/html;profile=mcp-app'
  /** The HTML document, as the server wrote it: hostile until it is in its sandbox. */
  text: string
  /** As the server wrote it; `ui.csp` and `ui.permissions` are what the app asks for, and the host decides. */
  _meta?: MCPAppMeta
  /**
   * An opaque text that says for which tenant, user, server, config and app this was read. `callAppTool` and
   * `readAppResource` take it for 24 hours, in each process with the same credentials key; without such a key in this
   * runtime alone.
   */
  binding: string
}

/** What the extension defines of a resource's `_meta`. */
export interface MCPAppMeta {
  /** What the app asks for. */
  ui?: {
    /** Origins that the app wants to reach; absent or empty: none. */
    csp?: { connectDomains?: string[]; resourceDomains?: string[]; frameDomains?: string[]; baseUriDomains?: string[] }
    /** What the app wants of the browser. */
    permissions?: { camera?: object; microphone?: object; geolocation?: object; clipboardWrite?: object }
    /** A host's own name for the origin of the sandbox. */
    domain?: string
    prefersBorder?: boolean
  }
  [key: string]: unknown
}

/** What a client does for apps. */
export interface MCPClient {
  /**
   * Reads the app that a tool names (`_meta.ui.resourceUri`, or the older `_meta['ui/resourceUri']`), or one by its
   * URI: at most 4 MiB within 30 s, or the shorter `timeout` in milliseconds, connecting included; at most 16 resources
   * at a time in one runtime.
   *
   * Rejects with `code` `MCP_APP_INVALID` for what is no app, `MCP_RESPONSE_TOO_LARGE`, `MCP_TIMEOUT`, `MCP_RATE_LIMITED`.
   */
  readApp: (app: object | string, options?: { signal?: AbortSignal; timeout?: number }) => Promise<MCPApp>
  /**
   * Calls a tool for an app, if the server's list of tools has it for apps now. The result is the server's own.
   *
   * Rejects with `code` `MCP_APP_BINDING_INVALID` for a binding that is another's, altered or expired, and with
   * `MCP_TOOL_HIDDEN` for a tool that is not there, or not for apps; nothing has been called then.
   */
  callAppTool: (params: { binding: string; name: string; arguments?: Record<string, unknown> }, options?: MCPRequestOptions) => Promise<CallToolResult>
  /**
   * Reads a resource of the app's server for the app, whatever its scheme, within the bounds of `readApp`.
   *
   * Rejects as `readApp` and `callAppTool` do.
   */
  readAppResource: (params: { binding: string; uri: string }, options?: { signal?: AbortSignal; timeout?: number }) => Promise<ReadResourceResult>
}
