/** What the trace tells: everything that goes over the wires, in order, and no secret. */

const { execFileSync } = require('node:child_process');
const { existsSync, mkdtempSync, rmSync, statSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { WebSocketServer } = require('ws');
const { completeAuthorization, useAuthorization } = require('./support/authorization');
const { ECHO } = require('./support/calls');
const { useEnvironment } = require('./support/environment');
const { createUser, openIdUser } = require('./support/host');
const { startIdentityProvider } = require('./support/identity-provider');
const { closedAddress, createProtocolServer } = require('./support/mcp-server');
const { echoOf, formsOf, leaksIn, nameOf, readTrace } = require('./support/traces');
const { until } = require('./support/wait');
const { transportOver } = require('./support/websocket');

const folder = mkdtempSync(join(tmpdir(), 'mcp-trace-'));
const FILE = join(folder, 'trace.ndjson');
useEnvironment({ MCP_NATIVE_TRACE: FILE });
const suite = useAuthorization();
const { fixtures } = suite;

afterEach(() => rmSync(FILE, { force: true }));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A listener, and what it heard. */
function listener() {
  const records = [];
  return { records, services: { onTraffic: (batch) => void records.push(...batch) } };
}

/** Lines are made by a thread that is slow in a build without optimization, and on a busy machine. */
const TOLD_MS = 60_000;

/** The records of a runtime that is closed: the file has what the host has heard, and no secret. */
async function told(runtime, records, secrets) {
  await runtime.close();
  let written;
  const count = (name) => written.filter(({ step }) => step === name).length;
  await until(
    'the end of the trace',
    () => {
      written = readTrace(FILE);
      return count('connecting') === count('disconnected') && records.length === written.length;
    },
    TOLD_MS,
  );
  expect(records).toEqual(written);
  expect(leaksIn(JSON.stringify(written), secrets)).toEqual([]);
  expect(new Set(written.map(({ process }) => process)).size).toBe(1);
  expect(written[0].process).toMatch(/^[0-9a-f]{8}$/);
  expect(written.filter(({ v, at }) => v !== 1 || !/^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{6}Z$/.test(at))).toEqual([]);
  return written;
}

const KEY = 'key/of+somebody~who-has-one';
const BEARER = 'bearer-of-the-operator-1234';
const COOKIE = 'cookie-of-the-operator-1234';
const HEADERS = {
  headers: { Authorization: `Bearer ${BEARER}`, 'X-Api-Key': '{{KEY}}', Cookie: `sid=${COOKIE}` },
  customUserVars: { KEY: { title: 'Key', description: '' } },
  startup: false,
};
const SECRETS = [KEY, BEARER, COOKIE];

test('a server with a key that repeats it everywhere', async () => {
  const { records, services } = listener();
  const set = 'cookie-that-the-server-sets';
  const fault = ({ message, request, response }) => {
    if (message?.method !== 'tools/call') return false;
    const text = echoOf([...SECRETS, set]);
    const what = message.params.arguments.text;
    if (what === 'page') {
      response.writeHead(500, { 'content-type': 'text/html', 'x-echo': BEARER }).end(`<title>${text}</title>`);
    } else if (what === 'redirect' && !request.url.includes('?')) {
      response.writeHead(307, { location: `/mcp?token=${encodeURIComponent(KEY)}&x=${BEARER}#${COOKIE}` }).end();
    } else {
      const result = { content: [{ type: 'text', text: `told: ${text}` }], structuredContent: { [KEY]: formsOf(KEY) } };
      const data = JSON.stringify({ jsonrpc: '2.0', id: message.id, result });
      const middle = data.indexOf(KEY) + 5;
      response.writeHead(200, { 'content-type': 'text/event-stream', 'set-cookie': `sid=${set}; Path=/` });
      // A secret that comes in two pieces is one when it is told.
      response.write(`data: ${data.slice(0, middle)}`);
      setImmediate(() => response.end(`${data.slice(middle)}\n\n`));
    }
    return true;
  };
  const server = await fixtures.server({ fault });
  const { runtime } = fixtures.runtime({ servers: { srv: server.config(HEADERS) }, allow: [server], services });
  const user = createUser();
  const call = (text) => runtime.manager.callTool({ ...ECHO, user, toolArguments: { text }, customUserVars: { KEY } });
  expect(JSON.stringify(await call(`arguments are told, but not ${KEY}`))).toContain('told: ');
  await call('redirect');
  await expect(call('page')).rejects.toThrow();
  const written = await told(runtime, records, [...SECRETS, set]);

  const [sent] = written.filter((record) => nameOf(record) === 'sent tools/call');
  expect(sent).toMatchObject({ server: 'srv', user: user.id, transport: 'streamable-http' });
  expect(sent.message.params.arguments.text).toBe('arguments are told, but not ‹redacted›');
  const exchange = written.filter(({ kind, id }) => kind === 'http' && id === sent.exchange);
  expect(exchange.map(nameOf)).toEqual(['mcp request', 'mcp response', 'mcp end']);
  expect(exchange[0].headers).toMatchObject({
    authorization: 'Bearer ‹redacted›',
    'x-api-key': '‹redacted›',
    cookie: '‹redacted›',
    'content-type': 'application/json',
  });
  expect(exchange[1].headers['set-cookie']).toBe('‹redacted›');
  const answer = written.find(({ direction, message }) => direction === 'received' && message?.id === sent.message.id);
  expect(answer).toMatchObject({ exchange: sent.exchange, connection: sent.connection });
  expect(answer.message.result.content[0].text).toMatch(/^told: ‹redacted›/);
  const locations = written.filter(({ headers }) => headers?.location).map(({ headers }) => headers.location);
  expect(locations).toEqual(['/mcp?token=‹redacted›&x=‹redacted›#‹redacted›']);
  const page = written.find(({ phase, body }) => phase === 'end' && body?.includes('<title>'));
  expect(page.body).toContain('‹redacted›');
});

test('a login that refreshes reads as it happened', async () => {
  const { records, services } = listener();
  const seen = new Set();
  const fault = ({ message, request, response }) => {
    if (message?.method !== 'tools/call') return false;
    const token = request.headers.authorization.split(' ')[1];
    seen.add(token);
    const result = { content: [{ type: 'text', text: echoOf([token]) }] };
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ jsonrpc: '2.0', id: message.id, result }));
    return true;
  };
  const host = await suite.host({ server: { fault }, services });
  const { oauthUrl } = await host.reinit();
  const state = new URL(oauthUrl).searchParams.get('state');
  const flowId = await host.runtime.oauth.resolveStateToFlowId(state, host.flowManager);
  const { codeVerifier } = await host.runtime.oauth.getFlowState(flowId, host.flowManager);
  const parameters = await suite.authorizationServer.signIn(oauthUrl);
  const { tokens, clientInfo } = await completeAuthorization(host, parameters);
  await host.echo('one');
  await host.store.expire(host.user.id);
  await host.restart();
  await host.echo('two');
  expect(seen.size).toBe(2);
  const secrets = [state, codeVerifier, parameters.get('code'), clientInfo.client_secret, ...seen];
  secrets.push(tokens.access_token, tokens.refresh_token);
  expect(secrets.filter((secret) => !(secret?.length > 8))).toEqual([]);
  const written = await told(host.runtime, records, secrets);

  const names = written.map(nameOf);
  const story = [
    'detection request',
    'metadata request',
    'registration request',
    'registration end',
    'authorization-url',
    'authorization-callback',
    'token request',
    'token end',
    'tokens-found',
    'connecting',
    'sent initialize',
    'received answer',
    'connected',
    'sent tools/call',
    'received answer',
    'disconnected',
    'refresh request',
    'refresh end',
    'tokens-stored',
    'connecting',
    'connected',
    'sent tools/call',
    'received answer',
    'disconnected',
  ];
  let at = 0;
  const reached = story.filter((name) => {
    const found = names.indexOf(name, at);
    at = found < 0 ? at : found + 1;
    return found >= 0;
  });
  expect(reached).toEqual(story);
  expect(written.filter(({ server, user }) => server !== 'srv' || user !== host.user.id)).toEqual([]);
  const { body } = written.find((record) => nameOf(record) === 'refresh end');
  expect(JSON.parse(body)).toMatchObject({ access_token: '‹redacted›', refresh_token: '‹redacted›' });
});

test('an exchange on behalf of a user', async () => {
  const { records, services } = listener();
  const idp = fixtures.keep(await startIdentityProvider());
  const given = [];
  const callTool = (_, { requestInfo }) => {
    given.push(requestInfo.headers.authorization.split(' ')[1]);
    return { content: [{ type: 'text', text: echoOf(given) }] };
  };
  const server = await fixtures.server({ callTool });
  const { runtime } = fixtures.runtime({
    servers: { srv: server.config({ obo: { scopes: 'api://server/.default' } }) },
    allow: [server],
    services: { ...services, openIdConfig: () => idp.config },
  });
  const user = openIdUser('assertion-of-somebody');
  for (let count = 0; count < 2; count += 1) await runtime.manager.callTool({ ...ECHO, user });
  expect(given).toHaveLength(2);
  const secrets = ['assertion-of-somebody', idp.config.clientSecret, ...given];
  const written = await told(runtime, records, secrets);
  const names = written.map(nameOf);
  expect(names).toEqual(expect.arrayContaining(['obo request', 'obo response', 'obo end', 'obo-cache-hit']));
  const request = written.find((record) => nameOf(record) === 'obo request');
  expect(request).toMatchObject({ server: 'srv', user: user.id, method: 'POST', url: idp.config.tokenEndpoint });
  expect(request.body).toContain('assertion=‹redacted›&scope=api://server/.default&requested_token_use=on_behalf_of');
});

test('a process, its environment and its end', async () => {
  const { records, services } = listener();
  const server = fixtures.stdio();
  const operators = 'token-of-the-operator-1234';
  const config = server.config({
    env: { API_KEY: '{{KEY}}', OTHER: operators },
    customUserVars: HEADERS.customUserVars,
    startup: false,
  });
  const { runtime } = fixtures.runtime({ servers: { srv: config }, services });
  const text = echoOf([KEY, operators]);
  await runtime.manager.callTool({
    ...ECHO,
    user: createUser(),
    toolArguments: { text: `told ${text}` },
    customUserVars: { KEY },
  });
  const [pid] = server.pids();
  const written = await told(runtime, records, [KEY, operators]);
  const steps = written.filter(({ kind }) => kind === 'step');
  expect(steps.map(nameOf)).toEqual(['connecting', 'process-started', 'connected', 'process-ended', 'disconnected']);
  expect(steps[1].details).toEqual({ command: process.execPath, pid });
  expect(steps[2].details).toEqual({ transport: 'stdio', protocolVersion: '2025-11-25' });
  const answer = written.findLast(({ direction, message }) => direction === 'received' && message.result?.content);
  expect(answer.message.result.content[0].text).toMatch(/^told ‹redacted›/);
});

test('a WebSocket', async () => {
  const { records, services } = listener();
  const sockets = new WebSocketServer({ noServer: true });
  const onUpgrade = (request, socket, head) =>
    sockets.handleUpgrade(request, socket, head, (open) => {
      const callTool = () => ({ content: [{ type: 'text', text: `told ${echoOf(SECRETS)}` }] });
      createProtocolServer({ callTool }).connect(transportOver(open));
    });
  const server = await fixtures.server({ onUpgrade });
  const config = server.config({ ...HEADERS, type: 'websocket', url: `ws://${server.address}/mcp` });
  const { runtime } = fixtures.runtime({ servers: { srv: config }, allow: [server], services });
  await runtime.manager.callTool({ ...ECHO, user: createUser(), customUserVars: { KEY } });
  const written = await told(runtime, records, SECRETS);
  const messages = written.filter(({ kind }) => kind === 'message');
  expect(new Set(messages.map(({ transport }) => transport))).toEqual(new Set(['websocket']));
  expect(messages.map(nameOf)).toEqual(expect.arrayContaining(['sent tools/call', 'received answer']));
  const upgrade = written.find(({ status }) => status === 101);
  expect(upgrade).toMatchObject({ purpose: 'mcp', phase: 'response' });
});

test('messages of HTTP+SSE', async () => {
  const { records, services } = listener();
  const server = await fixtures.server();
  const config = server.config({ ...HEADERS, type: 'sse', url: server.sseUrl });
  const { runtime } = fixtures.runtime({ servers: { srv: config }, allow: [server], services });
  await runtime.manager.callTool({ ...ECHO, user: createUser(), customUserVars: { KEY } });
  const written = await told(runtime, records, SECRETS);
  const call = written.find((record) => nameOf(record) === 'sent tools/call');
  const post = written.find(({ phase, id }) => phase === 'request' && id === call.exchange);
  expect([post.method, call.transport]).toEqual(['POST', 'sse']);
  expect(written.some(({ message }) => message?.id === call.message.id && message.result)).toBe(true);
});

test('a server that is not there', async () => {
  const { records, services } = listener();
  const gone = await closedAddress();
  const config = gone.config({ startup: false, initTimeout: 300 });
  const { runtime } = fixtures.runtime({ servers: { srv: config }, allow: [gone], services });
  await expect(runtime.manager.callTool({ ...ECHO, user: createUser() })).rejects.toThrow();
  const written = await told(runtime, records, []);
  const failed = written.find(({ phase }) => phase === 'failed');
  expect(failed.error).toMatchObject({ code: 'MCP_CONNECTION_FAILED', message: expect.any(String) });
  const ended = written.find(({ step }) => step === 'disconnected');
  expect(ended.details).toMatchObject({ code: 'MCP_CONNECTION_FAILED' });
});

test('a server that is busy at first', async () => {
  const { records, services } = listener();
  let attempts = 0;
  const fault = ({ message, response }) => {
    if (attempts > 0) return false;
    if (message?.method === 'initialize') attempts += 1;
    response.writeHead(503, { 'content-type': 'text/plain' }).end('come back later');
    return true;
  };
  const server = await fixtures.server({ fault });
  const servers = { srv: server.config({ startup: false }) };
  const { runtime } = fixtures.runtime({ servers, allow: [server], services });
  await runtime.manager.callTool({ ...ECHO, user: createUser() });
  const written = await told(runtime, records, []);
  const steps = written.filter(({ kind }) => kind === 'step');
  const names = ['connecting', 'disconnected', 'retry', 'connecting', 'connected', 'disconnected'];
  expect(steps.map(nameOf)).toEqual(names);
  expect(steps[1].details).toMatchObject({ code: 'MCP_HTTP_STATUS' });
  expect(steps[2].details).toEqual({ attempt: 2 });
  expect(written.some(({ body }) => body === 'come back later')).toBe(true);
});

test('a listener that throws harms nobody, and the file is nobody else’s', async () => {
  const onTraffic = () => {
    throw new Error('no traffic today');
  };
  const server = await fixtures.server();
  const servers = { srv: server.config({ startup: false }) };
  const { runtime } = fixtures.runtime({ servers, allow: [server], services: { onTraffic } });
  await expect(runtime.manager.callTool({ ...ECHO, user: createUser() })).resolves.toBeDefined();
  await runtime.close();
  await until('a failure', () => runtime.stats().callbackFailures.onTraffic > 0);
  expect(statSync(FILE).mode & 0o777).toBe(0o600);
});

describe('off', () => {
  useEnvironment({ MCP_NATIVE_TRACE: '' });

  test('there is no file', async () => {
    const server = await fixtures.server();
    const { runtime } = fixtures.runtime({ servers: { srv: server.config({ startup: false }) }, allow: [server] });
    await expect(runtime.manager.callTool({ ...ECHO, user: createUser() })).resolves.toBeDefined();
    await runtime.close();
    expect(existsSync(FILE)).toBe(false);
  });
});

const PIPE = join(folder, 'pipe');

describe.each([
  ['in a folder that is missing', join(folder, 'missing', 'trace.ndjson')],
  ['that is a pipe without a reader', PIPE],
  ['on a disk that is full', '/dev/full'],
])('a file %s', (_, file) => {
  useEnvironment({ MCP_NATIVE_TRACE: file });
  beforeAll(() => file === PIPE && execFileSync('mkfifo', [PIPE]));

  test('is one warning, and nothing else', async () => {
    const server = await fixtures.server();
    const servers = { srv: server.config({ startup: false }) };
    const { runtime, logger } = fixtures.runtime({ servers, allow: [server] });
    const warnings = () => logger.entries.filter(({ message }) => message.includes('MCP_NATIVE_TRACE'));
    await expect(runtime.manager.callTool({ ...ECHO, user: createUser() })).resolves.toBeDefined();
    await until('a warning', () => warnings().length > 0, TOLD_MS);
    await expect(runtime.manager.callTool({ ...ECHO, user: createUser() })).resolves.toBeDefined();
    await runtime.close();
    expect(warnings()).toMatchObject([{ level: 'warn' }]);
  });
});
