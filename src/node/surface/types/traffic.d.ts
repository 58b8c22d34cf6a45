/** One thing that happened. */
export type TrafficRecord = TrafficHttp | TrafficMessage | TrafficStep | TrafficLost

/** What every record but the lost ones has. */
export interface TrafficBase {
  /** The version of the format. */
  v: 1
  /** When it happened: ISO 8601, in UTC, with microseconds. */
  at: string
  /** Of the process that tells it: eight hex digits, random. Processes may share a file, and each numbers anew. */
  process: string
  /** The server's name; `null` where it is not known whose a request is. */
  server: string | null
  /** The user's id; `null` for what all users share. */
  user: string | null
}

/**
 * An HTTP exchange is a `request`, then a `response` when the headers have come, and an `end` when the body has, or nobody
 * wants it any more; `failed` at any point ends it.
 */
export interface TrafficHttp extends TrafficBase {
  kind: 'http'
  /** Of the exchange, unique in the process. A redirect, and a request that is sent again, is another exchange. */
  id: number
  /** How far it has come. */
  phase: 'request' | 'response' | 'end' | 'failed'
  /** What it is for. `grant` is any way to a token but a login and its refreshes, and `obo`. */
  purpose: 'mcp' | 'detection' | 'metadata' | 'registration' | 'par' | 'token' | 'refresh' | 'revocation' | 'obo' | 'grant'
  /** Of a request. */
  method?: string
  /** Of a request; query and fragment are shown decoded. */
  url?: string
  /** Of a request or response, by their names in small letters; several of one name are joined. */
  headers?: Record<string, string>
  /** Of a request or end, at most 64 KiB of it; of MCP's own exchanges only where the server refuses: the rest are messages. */
  body?: string
  /** Of a response. */
  status?: number
  /** Milliseconds since the request; of what is none. */
  ms?: number
  /** Of the body as decoded; of an end. */
  bytes?: number
  /** Why it failed, with the code that the runtime's error has. */
  error?: { code: string; message: string }
}

/** A JSON-RPC message, whatever the transport. */
export interface TrafficMessage extends TrafficBase {
  kind: 'message'
  /** As this runtime sees it. */
  direction: 'sent' | 'received'
  /** Of the connection. */
  transport: 'stdio' | 'streamable-http' | 'sse' | 'websocket'
  /** Of the connection, unique in the process. */
  connection: number
  /** The HTTP exchange that carried it, where it is known. */
  exchange?: number
  /** The message, without secrets. */
  message?: unknown
  /** In its place, where it is no JSON or longer than 64 KiB: its beginning. */
  text?: string
  /** All of it. */
  bytes: number
}

/** What happened between. */
export interface TrafficStep extends TrafficBase {
  kind: 'step'
  /** What it was; docs/trace.md says what `details` each has. */
  step: 'connecting' | 'connected' | 'disconnected' | 'process-started' | 'process-ended' | 'authorization-url' | 'authorization-callback' | 'tokens-stored' | 'tokens-found' | 'retry' | 'obo-cache-hit'
  /** What else is known. */
  details?: Record<string, string | number | boolean | null>
}

/** Records that had no room while they waited. */
export interface TrafficLost {
  /** The version of the format. */
  v: 1
  /** When the next record was told. */
  at: string
  kind: 'lost'
  /** How many. */
  count: number
}
