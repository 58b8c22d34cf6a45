/**
 * A server, as `mcpServers` of a `librechat.yaml` has it: told apart by `type`, and without one by what leads there. A
 * `command` is a process; a `url` without `type` is WebSocket for `ws://` and `wss://`, else HTTP+SSE.
 * `docs/configuration.md` says what each member does, and which texts may hold `${VARIABLES}` and `{{PLACEHOLDERS}}`.
 */
export type MCPServerConfig = MCPStdioServerConfig | MCPStreamableHttpServerConfig | MCPSseServerConfig | MCPWebSocketServerConfig

/** What a config has, whichever transport it names. */
export interface MCPServerConfigBase extends Omit<MCPToolRules, 'tools'> {
  /** Which tools there are. A text is no rule: LibreChat's inspection writes the names here that it found. */
  tools?: MCPToolFilter | string | null
  /** For people. */
  title?: string
  /** For people. */
  description?: string
  /** A URL or a path of the host's. */
  iconPath?: string
  /** Whether LibreChat offers the server in its chat. */
  chatMenu?: boolean
  /** `false`: not inspected, and each user connects on their own. Default `true`. */
  startup?: boolean
  /** `false`: each user has a connection of their own. Default `true`. */
  shared?: boolean
  /** `false`: the server may not ask users anything. Default `true`. */
  elicitation?: boolean
  /** MCP extensions by name, over those of the runtime; `null` takes one away. */
  extensions?: Record<string, object | null>
  /** Milliseconds for one request; 60000 unless given. */
  timeout?: number
  /** Milliseconds for connecting; 30000 unless given. */
  initTimeout?: number
  /** Milliseconds that an event stream may be silent before it is opened again; 300000 unless given. */
  sseReadTimeout?: number
  /** For the model: a text, or `true` for the server's own. */
  serverInstructions?: boolean | string
  /** Whether users authorize; where it is left out, an inspection finds out. */
  requiresOAuth?: boolean
  /** In place of what is discovered or registered. */
  oauth?: MCPOAuthConfig
  /** Headers of requests to the authorization server. */
  oauth_headers?: Record<string, string>
  /** `true`: of all processes one at a time refreshes a user's tokens. */
  oauthRefreshCoordination?: boolean
  /** Milliseconds that a call waits for another process that refreshes; 15000 unless given, at most 30000. */
  oauthRefreshWaitTimeout?: number
  /** Milliseconds that a writer of tokens waits for another; 15000 unless given, at most 840000. */
  oauthPersistenceWaitTimeout?: number
  /** A key in a header: an administrator's, or a variable that each user sets. */
  apiKey?: {
    source: 'admin' | 'user'
    authorization_type: 'basic' | 'bearer' | 'custom'
    key?: string
    custom_header?: string
  }
  /** By name, the `{{NAME}}`s that each user sets. A server without a value for each of them exposes no tools. */
  customUserVars?: Record<string, { title: string; description: string; sensitive?: boolean }>
}

/** A process of this machine; only an operator's config may name one. */
export interface MCPStdioServerConfig extends MCPServerConfigBase {
  /** May be left out. */
  type?: 'stdio'
  /** What is started, without a shell. */
  command: string
  /** Its arguments. */
  args?: string[]
  /** Its environment, over a few variables of this process. */
  env?: Record<string, string>
  /** Its folder. */
  cwd?: string
  /** Where its errors go: to this process's (default), to the log, nowhere, or to an open descriptor. */
  stderr?: 'inherit' | 'pipe' | 'ignore' | number
  /** A command would win over it. */
  url?: undefined
  /** Tokens go where headers go. */
  obo?: undefined
}

/** What a server over HTTP has, on either of its transports. */
export interface MCPHttpServerConfigBase extends MCPServerConfigBase {
  /** Where the server is. */
  url: string
  /** Of every request. */
  headers?: Record<string, string>
  /** Of tool calls alone, over `headers` of the same name. */
  requestHeaders?: Record<string, string>
  /** In place of the proxies of the environment. */
  proxy?: string
  /** TLS of this server alone; only an operator's config may have it. */
  tls?: MCPTlsConfig
  /** Has the server get tokens that are exchanged on behalf of the user, for these scopes. */
  obo?: { scopes: string }
  /** A command would win over the URL. */
  command?: undefined
}

/**
 * TLS of one server, at its own origin and those of the `oauth` endpoints that the config names. `ca`, `cert` and `key` are
 * PEM texts or paths of PEM files, which are read again when they change.
 */
export interface MCPTlsConfig {
  /** Certificates that are trusted on top of the system's. */
  ca?: string
  /** The client certificate, and those between it and its authority. */
  cert?: string
  /** Its private key, without a passphrase. */
  key?: string
  /** The host name that the server's certificate is for, where the URL has another; it is asked for by that name (SNI). */
  serverName?: string
}

/** A server over Streamable HTTP. */
export interface MCPStreamableHttpServerConfig extends MCPHttpServerConfigBase {
  /** Both are the same. */
  type: 'streamable-http' | 'http'
}

/** A server over HTTP+SSE. */
export interface MCPSseServerConfig extends MCPHttpServerConfigBase {
  /** May be left out. */
  type?: 'sse'
}

/** A server over WebSocket. */
export interface MCPWebSocketServerConfig extends MCPServerConfigBase {
  /** May be left out where the URL is written out. */
  type?: 'websocket'
  /** `ws://` or `wss://`. */
  url: string
  /** TLS of this server alone; only an operator's config may have it. */
  tls?: MCPTlsConfig
  /** A command would win over the URL. */
  command?: undefined
  /** Tokens go where headers go. */
  obo?: undefined
}

/** The client at an authorization server, and how it is dealt with: members of a server's `oauth`. */
export interface MCPOAuthConfig {
  /** In place of the endpoint that is discovered. */
  authorization_url?: string
  /** In place of the endpoint that is discovered. */
  token_url?: string
  /** In place of the endpoint that is discovered. */
  revocation_endpoint?: string
  /** The client that the operator has registered. */
  client_id?: string
  /** Its secret, where it has one; with both URLs, or with `issuer` or `token_url` beside `grant`. */
  client_secret?: string
  /** `default_post` or `basic_auth_header`. */
  token_exchange_method?: string
  /** How the client may authenticate at the token endpoint. */
  token_endpoint_auth_methods_supported?: string[]
  /** How the client may authenticate at the revocation endpoint. */
  revocation_endpoint_auth_methods_supported?: string[]
  /** Shown; users come back to `DOMAIN_SERVER`. */
  redirect_uri?: string
  /** Scopes to ask for, separated by spaces. */
  scope?: string
  /** The `audience` to ask for. */
  audience?: string
  /** Sends `audience` with refreshes, too. */
  forward_audience_on_refresh?: boolean
  /** `false`: no `resource` (RFC 8707) in any request. */
  send_resource_parameter?: boolean
  /** What the authorization server is taken to support. */
  grant_types_supported?: string[]
  /** What the authorization server is taken to support. */
  response_types_supported?: string[]
  /** What the authorization server is taken to support. */
  code_challenge_methods_supported?: string[]
  /** Takes a server that does not announce PKCE with S256. */
  skip_code_challenge_check?: boolean
  /**
   * How a token is had without a user who logs in: as this program (`client_credentials`), as the workload that it is
   * (`workload`), or by exchanging the user's ID token (`enterprise`). This and what follows is an operator's.
   */
  grant?: 'client_credentials' | 'enterprise' | 'workload'
  /** The authorization server; metadata of any other is refused. */
  issuer?: string
  /** The client proves itself with what a key signs (RFC 7523), and has no secret. */
  private_key_jwt?: MCPPrivateKeyJwt
  /** Binds tokens to a key (RFC 9449); unless given, where the server's metadata requires that. */
  dpop?: boolean
  /** With `enterprise`: who exchanges ID tokens; unless given, the OpenID client of on-behalf-of. */
  identity_provider?: MCPIdentityProviderConfig
  /** With `workload`: where the platform's assertion is; unless given, the host's `getWorkloadAssertion` is asked. */
  assertion?: { file: string } | { metadata_url: string; metadata_headers?: Record<string, string> }
}

/** A client's key: a PEM or a file of one, read again for each use. Without either the host signs (`getClientAssertion`). */
export interface MCPPrivateKeyJwt {
  /** The PEM (PKCS#8, PKCS#1 or SEC1), unencrypted; variables are filled in. */
  key?: string
  /** The path of such a file. */
  key_file?: string
  /** Unless given, what fits the key. */
  alg?: 'ES256' | 'PS256' | 'RS256' | 'EdDSA'
  /** Which key it is, for whoever verifies (RFC 7515, section 4.1.4). */
  kid?: string
}

/** The client at the provider that users log in with. */
export interface MCPIdentityProviderConfig {
  /** Its `token_url` is looked up in this issuer's metadata, unless it is given. */
  issuer?: string
  /** Where ID tokens are exchanged (RFC 8693). */
  token_url?: string
  /** That of the client which may exchange them. */
  client_id: string
  /** Instead of `private_key_jwt`. */
  client_secret?: string
  /** Instead of `client_secret`. */
  private_key_jwt?: MCPPrivateKeyJwt
  /** How the secret is sent: `basic_auth_header` or `default_post`. */
  token_exchange_method?: string
}

/** `mcpSettings` of a `librechat.yaml`. */
export interface MCPSettings extends MCPToolRules {
  /** The only servers that may be contacted: hosts, `*.` before one, or origins. */
  allowedDomains?: string[] | null
  /** `host:port` pairs of private space that may be contacted. */
  allowedAddresses?: string[] | null
  /** How LibreChat lists the tools of servers that nobody is connected to. */
  catalogRecovery?: Partial<MCPCatalogRecoveryPolicy>
}

/** LibreChat's `mcpSettings.catalogRecovery`; times in milliseconds. `docs/configuration.md` says who looks at what. */
export interface MCPCatalogRecoveryPolicy {
  /** How long one discovery may take. */
  discoveryTimeoutMs: number
  /** When a server is asked again that failed once, twice, and so on. */
  discoveryBackoffMs: number[]
  /** How long a discovery may go on after its time. */
  discoverySettleGraceMs: number
  /** When a server is asked again that the user has to authorize with. */
  reauthRetryMs: number
  /** How many states are remembered. */
  maxStateEntries: number
  /** How many discoveries may go on that nobody waits for. */
  maxDetachedDiscoveries: number
  /** LibreChat's own. */
  generationReadTimeoutMs: number
  /** LibreChat's own. */
  authorizationFenceRetryMs: number[]
  /** LibreChat's own. */
  authorizationFenceTimeoutMs: number
  /** LibreChat's own. */
  authorizationFenceRetryIntervalMs: number
  /** LibreChat's own. */
  authorizationFenceRetryBatchSize: number
}

/** A config as a registry knows it: LibreChat's `ParsedServerConfig`. */
export type MCPParsedServerConfig = MCPServerConfig & {
  /** Where the config comes from; `user` may use less of it. */
  source?: string
  /** Set for what is stored in a database. */
  dbId?: string
  /** The user who stored it. */
  author?: string
  /** When it changed last, in milliseconds since the epoch. */
  updatedAt?: number
  /** The server could not be inspected; it is inspected again when somebody asks for it. */
  inspectionFailed?: boolean
  /** Metadata of the resource or of its authorization server, as it was found. */
  oauthMetadata?: Record<string, unknown> | null
  /** What `serverInstructions` came to. */
  resolvedInstructions?: string
  /** The server's capabilities, as JSON text. */
  capabilities?: string
  /** Its tools, by function name. */
  toolFunctions?: Record<string, MCPToolFunction>
  /** Milliseconds that the inspection took. */
  initDuration?: number
}

/** A tool in LibreChat's format, which is that of OpenAI's functions. */
export interface MCPToolFunction {
  type: 'function'
  /** As the server calls it, where models know it by another name. */
  serverToolName?: string
  /** What models get to know; `parameters` is JSON Schema. */
  function: { name: string; description?: string; parameters?: Record<string, unknown> }
}
