/** What servers that are out for it repeat of secrets: nothing of it reaches a trace, a log, an error or a span. */

const { createMCPRuntime } = require('./support/addon');
const { useEnvironment } = require('./support/environment');
const { useFixtures } = require('./support/fixtures');
const { startHttpServer } = require('./support/http-server');
const { leaksIn } = require('./support/traces');

const KEY = 'key-9f8e7d6c5b4a39281706';
const FILLED_IN = 'part-3c2b1a0f9e8d7c6b5a49';
useEnvironment({ PART_OF_URL: FILLED_IN, DOMAIN_SERVER: 'http://127.0.0.1:3080' });
const fixtures = useFixtures();

/** A server that answers as `answer(request, message, origin)` says: `[status, headers, body]`. */
async function startServer(answer) {
  const server = await startHttpServer((request, response, text) => {
    const message = text.startsWith('{') ? JSON.parse(text) : {};
    const [status, headers, body] = answer(request, message, server.origin);
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(body && JSON.stringify(body));
  });
  const { origin, close } = server;
  return fixtures.keep({ url: origin, close });
}

/** A runtime for one server, and all that it tells anybody. */
function runtimeOf(url, server) {
  const told = { records: [], spans: [], log: [] };
  const line = (...parts) => told.log.push(parts.map((part) => part?.stack ?? JSON.stringify(part)).join(' '));
  const runtime = createMCPRuntime({
    config: {
      mcpServers: { srv: { type: 'streamable-http', ...server } },
      mcpSettings: { allowedAddresses: [url.slice('http://'.length)] },
    },
    logger: { debug: line, info: line, warn: line, error: line },
    onTraffic: (batch) => void told.records.push(...batch),
    onSpans: (batch) => void told.spans.push(...batch),
  });
  return { runtime: fixtures.keep(runtime), told };
}

const failureOf = async (promise) => {
  const told = [];
  for (let error = await promise.catch((thrown) => thrown); error?.message; error = error.cause) {
    told.push(error.message);
  }
  return told;
};

test('a server that invents secrets, and names headers by those that it was sent', async () => {
  const invented = Object.fromEntries(Array.from({ length: 600 }, (_, at) => [`a${at}token`, `x${at}`]));
  const query = Array.from({ length: 600 }, (_, at) => `token=${at}`).join('&');
  const { url } = await startServer(({ headers }) => {
    const got = headers['x-api-key'];
    const named = { [got]: 'x', [`x-${Buffer.from(got).toString('hex')}`]: 'y', 'x-echo': `echo ${got}` };
    return [400, { location: `/x?${query}`, ...named }, { ...invented, message: `echo ${got}` }];
  });
  const { runtime, told } = runtimeOf(url, { url: `${url}/mcp`, headers: { 'X-Api-Key': KEY }, requiresOAuth: false });
  const failure = await failureOf(runtime.client('srv', { user: { id: 'u1' } }).connect());
  await runtime.close();
  expect(failure).not.toEqual([]);
  const answered = told.records.filter(({ status }) => status === 400);
  expect(answered).not.toEqual([]);
  expect(Object.keys(answered[0].headers)).toContain('‹redacted›');
  expect(leaksIn(JSON.stringify([failure, told]), [KEY])).toEqual([]);
});

test('a server that names its tools and sessions by what it was sent', async () => {
  const { url } = await startServer(({ method, headers }, { id, method: called }) => {
    const got = headers['x-api-key'];
    if (method !== 'POST') return [405, {}];
    if (id === undefined) return [202, {}];
    const results = {
      initialize: {
        protocolVersion: '2025-06-18',
        capabilities: { tools: {}, prompts: {} },
        serverInfo: { name: 'x', version: '1' },
      },
      'tools/list': { tools: [{ name: got, inputSchema: { type: 'object' } }] },
      'tools/call': { isError: true, content: [{ type: 'text', text: 'no' }] },
      'prompts/get': { messages: [] },
    };
    const result = results[called];
    const answer = result ? { result } : { error: { code: -32601, message: 'no' } };
    return [200, { 'mcp-session-id': got }, { jsonrpc: '2.0', id, ...answer }];
  });
  const { runtime, told } = runtimeOf(url, { url: `${url}/mcp`, headers: { 'X-Api-Key': KEY }, requiresOAuth: false });
  const client = runtime.client('srv', { user: { id: 'u1' } });
  const { tools } = await client.listTools();
  expect(tools[0].name).toBe(KEY);
  await client.callTool({ name: KEY, arguments: {} });
  await client.getPrompt({ name: KEY });
  await runtime.close();
  expect(told.spans.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['tools/list', 'tools/call ***', 'prompts/get ***']),
  );
  expect(told.log.join('\n')).toContain('[***] The tool answered with an error');
  expect(leaksIn(JSON.stringify(told), [KEY])).toEqual([]);
});

describe.each([
  ['the environment', '${PART_OF_URL}', {}],
  ['a user', '{{PART}}', { customUserVars: { PART: { title: 'Part', description: '' } } }],
])('a URL with a part of %s, where a login', (_, part, more) => {
  const metadata = (issuer, origin, extra) => ({
    issuer,
    authorization_endpoint: `${origin}/authorize`,
    token_endpoint: `${origin}/token`,
    response_types_supported: ['code'],
    code_challenge_methods_supported: ['S256'],
    ...extra,
  });
  const own = (origin) => `${origin}/${FILLED_IN}`;
  const resource = (origin) => ({ resource: `${own(origin)}/mcp`, authorization_servers: [own(origin)] });
  const says = (document) => [200, {}, document];
  const cases = [
    ['finds no metadata', () => [404, {}], () => [404, {}]],
    ['is for another resource', (origin) => says({ resource: `${origin}/other`, authorization_servers: [origin] })],
    [
      'finds another issuer',
      (origin) => says(resource(origin)),
      (origin) => says(metadata(`http://evil.test/${FILLED_IN}`, origin)),
    ],
    [
      'registers no client',
      (origin) => says(resource(origin)),
      (origin) => says(metadata(own(origin), origin, { registration_endpoint: `${origin}/register/${FILLED_IN}` })),
    ],
    ['meets a fault', () => [500, {}, { error: FILLED_IN }], () => [500, {}, { error: FILLED_IN }]],
  ];

  test.each(cases)('%s', async (_name, protectedResource, authorizationServer = () => [404, {}]) => {
    const { url } = await startServer((request, _message, origin) => {
      if (request.url.includes('oauth-protected-resource')) return protectedResource(origin);
      if (request.url.includes('.well-known')) return authorizationServer(origin);
      if (request.url.startsWith('/register'))
        return [400, {}, { error: 'invalid_client_metadata', error_description: FILLED_IN }];
      return [401, { 'www-authenticate': `Bearer realm="${FILLED_IN}"` }, { error: `no ${FILLED_IN}` }];
    });
    const { runtime, told } = runtimeOf(url, { url: `${url}/${part}/mcp`, requiresOAuth: true, ...more });
    const customUserVars = { PART: FILLED_IN };
    const user = { id: 'u1' };
    const failure = await failureOf(runtime.client('srv', { user, customUserVars }).connect());
    const result = await runtime.reinitMCPServer({ user, serverName: 'srv', customUserVars });
    await runtime.close();
    expect(told.records.map(({ purpose }) => purpose)).toEqual(expect.arrayContaining(['metadata']));
    // The user's browser gets what it needs.
    const answered = JSON.stringify({ ...result, oauthUrl: null });
    expect(leaksIn([answered, JSON.stringify([failure, told])].join('\n'), [FILLED_IN])).toEqual([]);
  });
});
