/** Why it failed, in the message: what servers, processes, proxies and certificates said. */

const http = require('node:http');
const net = require('node:net');
const { gzipSync } = require('node:zlib');
const { ECHO } = require('./support/calls');
const { tlsOptions, useCertificates } = require('./support/certificates');
const faults = require('./support/faults');
const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');
const { freePort } = require('./support/ports');
const { registerSecrets } = require('./support/secrets');

const fixtures = useFixtures();
const certificates = useCertificates();
const user = createUser();
const SECRET = 'secret-of-the-operator-1';
registerSecrets(SECRET);
const HEADERS = { 'X-Api-Key': SECRET };

/** An answer with headers, and a body that may be text or bytes. */
const refuses =
  (status, headers = {}, body = '') =>
  ({ response }) => {
    response.writeHead(status, headers);
    response.end(body);
    return true;
  };

const failing = async (promise) =>
  promise.then(
    (value) => expect(value).toBe('an error'),
    (error) => error,
  );

function connecting(config, allow) {
  const { runtime } = fixtures.runtime({ servers: { srv: config }, allow });
  return failing(runtime.manager.getConnection({ user, serverName: 'srv' }));
}

async function listening(server) {
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const sockets = new Set();
  server.on('connection', (socket) => sockets.add(socket.on('error', () => {})));
  fixtures.keep({
    close: () =>
      new Promise((resolve) => {
        server.close(resolve);
        for (const socket of sockets) socket.destroy();
      }),
  });
  return { address: `127.0.0.1:${server.address().port}` };
}

const WORDS = { 'content-type': 'text/plain' };
const JSON_TYPE = { 'content-type': 'application/json' };
const PAGE = '<!doctype html><html><head><title>Sign in\n &amp; go</title></head><body>welcome</body></html>';

test('a session that breaks off is no port that speaks TLS; a server that never answered may be one', async () => {
  const drops = ({ message, request }) => message?.method === 'tools/call' && request.socket.destroy();
  const server = await fixtures.server({ fault: drops });
  const silent = await listening(net.createServer((socket) => socket.once('data', () => socket.end())));
  const servers = {
    srv: server.config(),
    silent: { type: 'streamable-http', url: `http://${silent.address}/mcp`, requiresOAuth: false, source: 'yaml' },
  };
  const { runtime } = fixtures.runtime({ servers, allow: [server, silent] });
  const { message } = await failing(runtime.manager.callTool({ ...ECHO, user }));
  expect(message).toContain('failed: ');
  expect(message).not.toContain('TLS');
  const first = await failing(runtime.manager.getConnection({ user, serverName: 'silent', retry: false }));
  expect(first.message).toContain('if the port speaks TLS');
});

describe('an answer that is no success', () => {
  const CASES = [
    ['plain text', refuses(403, WORDS, 'Not on the list'), 'answered HTTP 403 Forbidden: Not on the list'],
    ['JSON', refuses(422, JSON_TYPE, '{"detail":[{"msg":"too short"}]}'), 'Entity: too short'],
    [
      'a JSON-RPC error in a 403',
      refuses(403, JSON_TYPE, '{"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":"No seat"}}'),
      'Forbidden: No seat',
    ],
    ['a page', refuses(404, { 'content-type': 'text/html' }, PAGE), 'Not Found: a page with the title "Sign in & go"'],
    [
      'a compressed body',
      refuses(409, { ...JSON_TYPE, 'content-encoding': 'gzip' }, gzipSync('{"error":"two at once"}')),
      'Conflict: two at once',
    ],
    [
      'Latin-1',
      refuses(403, WORDS, Buffer.from('Zugriff für niemanden', 'latin1')),
      'Forbidden: Zugriff für niemanden',
    ],
    ['control characters', refuses(403, WORDS, 'a\u202eb\u001b[31m'), 'Forbidden: a\\u{202e}b\\u{1b}[31m'],
    [
      'a redirect',
      refuses(301, { location: 'https://u:p@new.test/mcp?key=1' }),
      '301 Moved Permanently; the server moved to https://new.test/mcp, which is another origin',
    ],
    [
      'too many requests',
      refuses(429, { 'retry-after': '17', ...WORDS }, 'slow down'),
      '429 Too Many Requests: slow down; it asks to wait 17 s',
    ],
    [
      'a challenge',
      refuses(401, {
        'www-authenticate': 'Bearer error="invalid_token", error_description="It is too old", scope="a b"',
      }),
      '401 Unauthorized: invalid_token: It is too old; it asks for the scope a b',
    ],
    ['another method', refuses(405, { allow: 'GET' }), '405 Method Not Allowed; it takes GET'],
  ];

  describe.each([
    ['streamable-http', 'http', '/mcp'],
    ['sse', 'http', '/sse'],
    ['websocket', 'ws', '/mcp'],
  ])('%s', (type, scheme, path) => {
    test.each(CASES)('%s', async (_, fault, expected) => {
      const server = await fixtures.server({ fault });
      const url = `${scheme}://${server.address}${path}`;
      const error = await connecting(server.config({ type, url }), [server]);
      expect(error.message).toContain(expected);
    });
  });

  test.each([
    ['plain', SECRET],
    ['percent-encoded', [...SECRET].map((c) => `%${c.charCodeAt(0).toString(16)}`).join('')],
    ['Base64', Buffer.from(SECRET).toString('base64')],
    ['Base64 at another offset', Buffer.from(`ab${SECRET}`).toString('base64url')],
    ['hexadecimal', Buffer.from(SECRET).toString('hex').toUpperCase()],
  ])('a secret of the request is cut out: %s', async (_, repeated) => {
    const server = await fixtures.server({
      fault: refuses(403, JSON_TYPE, JSON.stringify({ error: `no: ${repeated}` })),
    });
    const error = await connecting(server.config({ headers: HEADERS }), [server]);
    expect(error.message).toMatch(/Forbidden: no: \w{0,2}\*\*\*/);
    expect(error.message).not.toContain(repeated.slice(4, 24));
  });

  test('a body without an end delays nobody, and is cut', async () => {
    const fault = ({ response }) => {
      response.writeHead(403, WORDS);
      response.write(`no seat ${'x'.repeat(4000)}`);
      return true;
    };
    const server = await fixtures.server({ fault });
    const error = await connecting(server.config(), [server]);
    expect(error.message).toMatch(/Forbidden: no seat x+…$/);
    expect(error.message.length).toBeLessThan(400);
  });

  test('of a tool call', async () => {
    const server = await fixtures.server();
    const { runtime } = fixtures.runtime({ servers: { srv: server.config() }, allow: [server] });
    await runtime.manager.getConnection({ user, serverName: 'srv' });
    server.fault = faults.on('tools/call', refuses(422, JSON_TYPE, '{"title":"Out of credit","detail":"30 < 50"}'));
    const error = await failing(runtime.manager.callTool({ ...ECHO, user, serverName: 'srv' }));
    expect(error.message).toContain('422 Unprocessable Entity: Out of credit: 30 < 50');
  });

  test('of a POST beside an event stream', async () => {
    const server = await fixtures.server({ fault: faults.on('initialize', refuses(403, WORDS, 'read only')) });
    const error = await connecting(server.config({ type: 'sse', url: server.sseUrl }), [server]);
    expect(error.message).toContain('/messages answered HTTP 403 Forbidden: read only');
  });
});

describe('an answer that is not MCP', () => {
  const page = refuses(200, { 'content-type': 'text/html' }, PAGE);

  test.each([
    ['streamable-http', 'http', 'application/json or text/event-stream is expected'],
    ['sse', 'http', 'text/event-stream is expected'],
    ['websocket', 'ws', 'without switching to WebSocket'],
  ])('a page in place of %s', async (type, scheme, expected) => {
    const server = await fixtures.server({ fault: page });
    const error = await connecting(server.config({ type, url: `${scheme}://${server.address}/mcp` }), [server]);
    expect(error).toMatchObject({ code: 'MCP_INVALID_RESPONSE', message: expect.stringContaining(expected) });
    expect(error.message).toContain('a page with the title "Sign in & go"');
  });

  test('JSON that is no message says what it says', async () => {
    const server = await fixtures.server({
      fault: refuses(200, JSON_TYPE, '{"message":"Endpoint request timed out"}'),
    });
    const error = await connecting(server.config(), [server]);
    expect(error.message).toContain('JSON that is no JSON-RPC message: Endpoint request timed out');
  });

  test('the event stream of the older transport is known as such', async () => {
    const fault = ({ response }) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('event: endpoint\ndata: /messages\n\n');
      return true;
    };
    const server = await fixtures.server({ fault });
    const error = await connecting(server.config(), [server]);
    expect(error.message).toContain('`type` is `sse`');
  });
});

test('what is in between: a proxy, a name, TLS', async () => {
  const [plain, secure] = [
    await fixtures.server(),
    await fixtures.server({ tls: tlsOptions(certificates.authority('Nobody').issue('server')) }),
  ];
  const refusing = http.createServer().on('connect', (_, socket) => socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n'));
  const ALERT = Buffer.from([0x15, 3, 1, 0, 2, 2, 70]);
  const alerting = net.createServer((socket) => socket.once('data', () => socket.end(ALERT)));
  const [proxy, strange] = [await listening(refusing), await listening(alerting)];
  const port = await freePort();
  const servers = {
    unreached: plain.config({ proxy: `http://user:${SECRET}@127.0.0.1:${port}` }),
    refused: plain.config({ url: `https://${plain.address}/mcp`, proxy: `http://${proxy.address}` }),
    unresolved: plain.config({ url: 'https://nowhere.invalid/mcp' }),
    alert: plain.config({ url: `http://${strange.address}/mcp` }),
    plain: plain.config({ url: `https://${plain.address}/mcp` }),
    certificate: secure.config(),
  };
  const { runtime } = fixtures.runtime({ servers, allow: [plain, secure, strange] });
  // They are tried again beside each other.
  const messages = Object.keys(servers).map(async (serverName) => {
    const { message } = await failing(runtime.manager.getConnection({ user, serverName }));
    return [serverName, message];
  });
  const told = Object.fromEntries(await Promise.all(messages));
  const saying = (text) => expect.stringContaining(text);
  expect(told).toEqual({
    unreached: saying(`through the proxy http://127.0.0.1:${port} failed: the proxy cannot be reached: `),
    refused: saying(`through the proxy http://${proxy.address} failed: the proxy made no connection: `),
    unresolved: saying('"nowhere.invalid" could not be resolved'),
    alert: expect.stringMatching(/the answer is no HTTP .*if the port speaks TLS, write https:/),
    plain: saying('the port does not speak TLS: write http:// (or ws://) if the server speaks plain HTTP'),
    certificate: saying('no authority that is trusted here has signed'),
  });
  expect(told.unreached).not.toContain(SECRET);
});

describe('a process', () => {
  const script = (source) => ({
    type: 'stdio',
    command: process.execPath,
    args: ['-e', source],
    stderr: 'pipe',
    requiresOAuth: false,
    source: 'yaml',
    startup: false,
  });

  async function reinit(config, params) {
    const { runtime } = fixtures.runtime({ servers: { srv: config } });
    return (await runtime.reinitMCPServer({ user, serverName: 'srv', ...params })).error.message;
  }

  test('that waits for something says so', async () => {
    const source = 'console.error("waiting for the database"); setInterval(() => {}, 1000)';
    expect(await reinit(script(source), { connectionTimeout: 8000 })).toMatch(
      /^The connection could not be established in time; last lines of its stderr: waiting for the database$/,
    );
  });

  test('that prints its usage and ends', async () => {
    const source = 'console.log("Usage: server --port N"); console.error("no port"); process.exitCode = 2';
    expect(await reinit(script(source))).toMatch(
      /exited with status 2; last lines of its stderr: no port; it wrote to stdout what is no message: Usage: server --port N$/,
    );
  });
});
