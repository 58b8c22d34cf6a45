import { createMCPRuntime, type MCPHostServices, type MCPRuntime, type MCPServerConfig } from '../../index.js';

/** One for each way in which a transport is told. */
export const servers: Record<string, MCPServerConfig> = {
  process: { command: 'npx', args: ['-y', 'server'], stderr: 'pipe', env: { TOKEN: '${TOKEN}' } },
  typed: { type: 'stdio', command: 'npx' },
  streamable: { type: 'streamable-http', url: 'https://a.example', requestHeaders: { 'x-user': '{{LIBRECHAT_USER_ID}}' } },
  http: { type: 'http', url: 'https://a.example', obo: { scopes: 'api://a/.default' }, startup: false },
  sse: { url: 'https://a.example', oauth: { client_id: 'client', scope: 'read' } },
  websocket: { type: 'websocket', url: 'wss://a.example', customUserVars: { KEY: { title: 'Key', description: '' } } },
  untyped: { url: 'wss://a.example' },
  program: { url: 'https://a.example', oauth: { grant: 'client_credentials', client_id: 'c', private_key_jwt: { key_file: '/key.pem' } } },
  workload: { url: 'https://a.example', oauth: { grant: 'workload', assertion: { metadata_url: 'http://169.254.169.254/' } } },
  ruled: { url: 'https://a.example', tools: { allow: ['issue_*'] }, pinTools: 'warn', limits: { perUser: '60/m', queue: 0 } },
  results: { command: 'npx', maxResultBytes: 100_000, overflow: 'resource' },
  tls: { type: 'http', url: 'https://a.example', tls: { ca: '/ca.pem', cert: '/c.pem', key: '${KEY}', serverName: 'a' } },
};

export const wrong: Record<string, MCPServerConfig> = {
  // @ts-expect-error: leads nowhere
  nothing: {},
  // @ts-expect-error: a process without a command
  stdio: { type: 'stdio', url: 'https://a.example' },
  // @ts-expect-error: no transport
  unknown: { type: 'carrier-pigeon', url: 'https://a.example' },
  // @ts-expect-error: the command would win
  both: { type: 'sse', url: 'https://a.example', command: 'npx' },
  // @ts-expect-error: a process has no headers
  headers: { command: 'npx', headers: { authorization: 'x' } },
  // @ts-expect-error: a process gets no token of the user
  obo: { command: 'npx', obo: { scopes: 'a' } },
  // @ts-expect-error: nothing to connect to
  tls: { command: 'npx', tls: { ca: '/ca.pem' } },
  // @ts-expect-error: a misspelt member of it
  tlsName: { url: 'wss://a.example', tls: { servername: 'a' } },
  // @ts-expect-error: a misspelt member of it
  tools: { url: 'https://a.example', tools: { denny: ['a'] } },
  // @ts-expect-error: what becomes of a tool is told in words
  pins: { url: 'https://a.example', pinTools: true },
  // @ts-expect-error: a rate has a unit
  rate: { url: 'https://a.example', limits: { perUser: 60 } },
  // @ts-expect-error: milliseconds are a number
  timeout: { url: 'https://a.example', timeout: '60s' },
  // @ts-expect-error: no grant of a server
  grant: { url: 'https://a.example', oauth: { grant: 'password' } },
  // @ts-expect-error: one source of the assertion
  assertion: { url: 'https://a.example', oauth: { grant: 'workload', assertion: {} } },
  // @ts-expect-error: a misspelt member
  initTimeOut: { url: 'https://a.example', initTimeOut: 1 },
};

export function addressOf(config: MCPServerConfig): string {
  if (config.type === 'streamable-http' || config.type === 'http') return config.headers?.host ?? config.url;
  if (config.command !== undefined) return [config.command, ...(config.args ?? [])].join(' ');
  return config.url;
}

/** As a host's functions are that know more of a user, a config or a row than the runtime does. */
interface HostUser {
  id: string;
  role: string;
}
interface HostConfig {
  url: string;
  owner: string;
}
declare class HostFlows<Result> {
  getFlowState(flowId: string, type: string): Promise<{ status: string; result?: Result } | null>;
  initFlow(flowId: string, type: string, metadata: { serverName?: string }): Promise<void>;
  completeFlow(flowId: string, type: string, result: Result): Promise<boolean>;
  failFlow(flowId: string, type: string, error: Error | string): Promise<boolean>;
  deleteFlow(flowId: string, type: string): Promise<boolean>;
}
declare const config: HostConfig;
declare const logger: Console;

export const host: MCPHostServices = {
  registry: {
    getServerConfig: async (serverName: string) => (serverName === 'a' ? config : undefined),
    getAllServerConfigs: async () => ({ a: config }),
    reinspectServer: async () => undefined,
    shouldEnableSSRFProtection: () => true,
    getAllowedDomains: () => null,
    getAllowedAddresses: () => null,
    isAppServerConfig: (_: string, { owner }: HostConfig) => owner === 'operator',
  },
  mcpSettings: () => ({ tools: { deny: ['delete_*'] }, limits: { concurrency: 8 } }),
  requiresUserScopedConnection: ({ owner }: HostConfig) => owner !== 'operator',
  updateMCPServerTools: ({ tools }: { tools: { name: string }[] }) => Object.fromEntries(tools.map((tool) => [tool.name, tool])),
  oboTokenResolver: async ({ id }: HostUser, accessToken: string) => ({ access_token: id + accessToken }),
  flowManager: new HostFlows<{ access_token: string }>(),
  logger,
  tokenMethods: {
    findToken: async ({ userId }: { userId: string }) => ({ userId }),
    createToken: async (row: { token: string; metadata?: { credential_set_id?: string } }) => row,
    updateToken: async () => null,
    deleteTokens: async () => ({ deletedCount: 0 }),
  },
};

createMCPRuntime(host);
createMCPRuntime({ ...host, keepConnections: false });
// @ts-expect-error: nothing says which servers there are
createMCPRuntime({});
// @ts-expect-error: nothing says which servers there are
createMCPRuntime({ logger, config: undefined });
// @ts-expect-error: one of them says it
createMCPRuntime({ ...host, config: 'librechat.yaml' });
// @ts-expect-error: a config has rules of its own
createMCPRuntime({ config: 'librechat.yaml', mcpSettings: {} });

// @ts-expect-error: how would a user's tokens be found?
export const lacking: MCPHostServices['tokenMethods'] = { createToken: async () => {} };

export async function events({ manager }: MCPRuntime): Promise<string[]> {
  const connection = await manager.getConnection({ serverName: 'a' });
  const names: string[] = [];
  connection.on('toolsChanged', (tools) => names.push(...tools.map(({ name }) => name)));
  connection.once('connectionChange', (state) => names.push(state satisfies string));
  // @ts-expect-error: nothing emits that
  connection.on('toolsChange', () => names);
  const functions = await manager.getAppToolFunctions();
  return [...names, ...Object.values(functions).map((tool) => tool.function.name)];
}
