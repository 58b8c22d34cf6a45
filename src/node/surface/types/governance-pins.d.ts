/**
 * A store of records, one for each tenant and server, without an end. Keys are JSON arrays of three strings, values are JSON.
 * Where it fails, or takes longer than 2 s, `pinTools: block` fails what needs it, and `warn` says so once.
 */
export interface MCPToolPins {
  /** The record, or nothing. */
  get: (key: string) => string | null | undefined | Promise<string | null | undefined>
  /**
   * Keeps a record while exactly `expected` is there, in one step; `undefined`: while there is none. Whether it did: of two
   * processes at once one does.
   */
  compareAndSet: (key: string, expected: string | undefined, value: string) => boolean | Promise<boolean>
}

/** Whose tools. */
export interface MCPToolPinsParams {
  /** Of the server. */
  serverName: string
  /** Whose servers the name is looked up among. */
  user?: MCPUser
  /** A config that the caller already has. */
  serverConfig?: MCPServerConfig
}

/** What is approved. */
export interface MCPApproveToolsParams extends MCPToolPinsParams {
  /**
   * Names: the newest definition of each that waits. With a hash, of `getToolPins`, that definition alone, so that what was
   * shown is what is approved. All that waits where nothing is given.
   */
  tools?: (string | { name: string; hash: string })[]
  /** Kept with the definition, and told to the audit; `operator` unless given. */
  approvedBy?: string
}

/** A tool, as the server has listed it last. */
export interface MCPToolPin {
  /** The server's own. */
  name: string
  /** `changed`: another definition is approved. `removed`: the server lists the tool no more; it stays approved. */
  state: 'approved' | 'changed' | 'new' | 'removed'
  /** `sha256:` of the definition in canonical form (RFC 8785). `raw:` for one that can be read in two ways, which cannot be approved. */
  hash: string
  /** Of the definition that was approved last. */
  approvedHash?: string
  /** Who approved the definition that was approved last; `first-sight` where nobody had to. */
  approvedBy?: string
  /**
   * Of what waits, what is different from that, or all members of a tool that is new: JSON Pointers (RFC 6901), and the JSON
   * before and after; `null` where there is none. Descriptions come first. Texts that begin alike begin with `…`, 40 bytes
   * before they differ; else nothing is cut. At most 50 places.
   */
  diff?: { path: string; before: string | null; after: string | null }[]
  /** There is more than `diff` shows: more places, or a definition of more than 64 KiB, or one that was not kept. */
  diffIsPartial?: true
  /**
   * What only an attacker writes, in texts of the definition: `invisible-characters`, `hides-from-user` …, and
   * `many-definitions` of a tool that has had 32 since somebody last approved one.
   */
  findings: string[]
}
