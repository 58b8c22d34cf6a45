/** A tool call that is about to be made, as `onToolCall` is asked about it. */
export interface ToolCallInQuestion {
  /** Of this call, random: 32 hex digits. The result, and the record of the audit, have the same. */
  callId: string
  /** As the configuration calls it. */
  serverName: string
  /** The server's own name of the tool. */
  toolName: string
  /**
   * What the caller gave, `{}` where that was nothing. A copy: to send others, answer with them. Absent with `resumed`: the
   * server has them.
   */
  arguments?: Record<string, unknown>
  /** Absent for calls without a user. */
  userId?: string
  /** The object that the caller gave. Absent for connection objects, which outlive it. */
  user?: unknown
  /** What the host's `getTenantId` said. */
  tenantId?: string
  /** Aborted when nobody waits for the answer any more: the call was aborted, or its time is over. */
  signal: AbortSignal
  /** The call goes on with a task that was begun by another one. */
  resumed?: true
}

/**
 * What becomes of a call: nothing and `true` let it go on. Anything else than these, members that are not known here, and
 * `refuse` together with another one, fail the call with `MCP_HOST_ERROR`.
 */
export type ToolCallVerdict =
  | undefined
  | null
  | void
  | true
  /** Nothing is sent; the call fails with `MCP_CALL_REFUSED` and at most 300 characters of this text, which is not empty. */
  | { refuse: string }
  | {
      /** An object that is sent in place of the arguments. Not for `resumed`. */
      arguments: Record<string, unknown>
      /** As below. */
      weight?: number
    }
  | {
      /** How much of the user's share of `limits` the call takes, from 0.1 to 10, where it is not 1. */
      weight: number
    }

/** What a server has answered a call with, as `onToolResult` is asked about it. */
export interface ToolResultInQuestion {
  /** That of the call. */
  callId: string
  /** As the configuration calls it. */
  serverName: string
  /** The server's own name of the tool. */
  toolName: string
  /** Absent for calls without a user. */
  userId?: string
  /** What the host's `getTenantId` said. */
  tenantId?: string
  /** Whether it is an error of the tool's own. */
  isError: boolean
  /** All that the server wrote. A copy. */
  result: CallToolResult
  /** Its length as JSON, in bytes. */
  bytes: number
  /** Aborted when nobody waits for the answer any more. */
  signal: AbortSignal
}

/**
 * What becomes of a result: nothing and `true` leave it as the server wrote it. Anything else than these fails the call with
 * `MCP_HOST_ERROR`.
 */
export type ToolResultVerdict =
  | undefined
  | null
  | void
  | true
  /** The caller gets no result; the call fails with `MCP_CALL_REFUSED` and at most 300 characters of this text. */
  | { refuse: string }
  /** A `CallToolResult` in its place: `content` is an array of objects with a `type`. */
  | { result: { content: (ContentBlock | { type: string; [member: string]: unknown })[]; structuredContent?: unknown; isError?: boolean; _meta?: object } }

/** A record of the audit. */
export type AuditRecord = AuditedCall | AuditedTools

/** A tool call that has ended, however it did. */
export interface AuditedCall {
  /** The version of the format. */
  v: 1
  /** What is told of. */
  event: 'call'
  /** When it ended: ISO 8601, in UTC, with microseconds. */
  at: string
  /** Random: 32 hex digits. Hooks are told the same. */
  callId: string
  /** What the host's `getTenantId` said; `null` where it says nothing, or fails. */
  tenantId: string | null
  /** `null` for calls without a user. */
  userId: string | null
  /** As the configuration, or the caller, calls it. */
  serverName: string
  /** The server's own name of the tool; what the caller named, of a call that came to no connection. */
  toolName: string
  /**
   * `sha256:` and the digest, in hex, of the canonical form (RFC 8785) of the arguments: those that `onToolCall` gave, else
   * the caller's. `null` where there are none, or none that have such a form.
   */
  argumentsDigest: string | null
  /** `rewritten`: other arguments went to the server, or another result, or a part of it, to the caller. A call that failed by itself was `allowed`. */
  decision: 'allowed' | 'rewritten' | 'refused'
  /** What refused, or rewrote last. A hook that failed has refused. */
  rule: 'tools' | 'pinTools' | 'limits' | 'onToolCall' | 'onToolResult' | 'maxResultBytes' | null
  /** `ok`, `tool_error` (`isError`), or the error's `code`. */
  outcome: string
  /** From the call's begin to its end. */
  durationMs: number
  /** What of it was waiting for its turn. */
  waitedMs: number
  /** Of what the server answered, as JSON; `null` where it gave no result. */
  resultBytes: number | null
}

/** The tools of a server are others than those that were approved, or were approved. */
export interface AuditedTools {
  /** The version of the format. */
  v: 1
  /** What is told of. */
  event: 'tools-changed' | 'tools-approved'
  /** When: ISO 8601, in UTC, with microseconds. */
  at: string
  /** Whose definitions these are; `null` where the host knows no tenants. */
  tenantId: string | null
  /** Tools are approved for all users. */
  userId: null
  /** As the configuration calls it. */
  serverName: string
  /** Who approved them, as `approveTools` was told; `null` of `tools-changed`. */
  approvedBy: string | null
  /** What has become of each. */
  tools: {
    /** The server's own name. */
    name: string
    /** `removed`: the server does not list it any more. */
    change: 'new' | 'changed' | 'removed' | 'approved'
    /** Of its definition. */
    hash: string
    /** What only an attacker writes into a description. */
    findings?: string[]
  }[]
}
