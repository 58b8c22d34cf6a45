/**
 * What an operator decides about the tools of a server: members of its config, or of `mcpSettings` for all servers. A member of
 * a server takes the place of the whole member of `mcpSettings`. `docs/governance.md` says what each does.
 */
export interface MCPToolRules {
  /** Which tools there are. A tool that is kept away is in no list, and its calls are refused with `MCP_TOOL_DENIED`. */
  tools?: MCPToolFilter | null
  /** What becomes of tools that nobody has approved. `false` is `off`. */
  pinTools?: 'off' | 'warn' | 'block' | false | null
  /** How often, and how many at a time, tools are called. */
  limits?: MCPCallLimits | null
  /** Bytes of JSON that a result may have; 1024 at least. */
  maxResultBytes?: number | null
  /** What becomes of a larger result. */
  overflow?: 'error' | 'cut' | 'resource' | null
}

/**
 * Globs over the server's own names of its tools, at least one of the two members: `*` stands for any characters, `?` for one.
 * At most 1000 in a list, of at most 256 characters.
 */
export interface MCPToolFilter {
  /** The only tools there are; absent: all. An empty list: none. */
  allow?: string[] | null
  /** Comes before `allow`. */
  deny?: string[] | null
}

/** At least one of these. A rate is `<calls>/<s|m|h|d>`, for example `60/m`. */
export interface MCPCallLimits {
  /** Calls of one user to the server. */
  perUser?: string | null
  /** Calls of all users to the server. */
  perServer?: string | null
  /** Calls of all users that the server answers at the same time, at least 1. */
  concurrency?: number | null
  /** Calls that wait for their turn; 0 has none wait. */
  queue?: number | null
}
