/** TLS of one server: real servers that want certificates, over each transport, and files that change under use. */

const { copyFileSync, readFileSync, renameSync, writeFileSync } = require('node:fs');
const https = require('node:https');
const tls = require('node:tls');
const { WebSocketServer } = require('ws');
const addon = require('./support/addon');
const { useAuthorization } = require('./support/authorization');
const { ECHO } = require('./support/calls');
const { tlsOptions } = require('./support/certificates');
const { useEnvironment } = require('./support/environment');
const { createUser } = require('./support/host');
const { createProtocolServer } = require('./support/mcp-server');
const { connected } = require('./support/results');
const { useTlsServers } = require('./support/tls-servers');
const { TOOLS } = require('./support/tools');
const { until } = require('./support/wait');

const suite = useAuthorization();
const { fixtures } = suite;
const { ALICE, TRUSTING, alice, authority, bob, certificates, clients, clientsOf, ofServer, start } =
  useTlsServers(fixtures);
const user = createUser();

/** A runtime with these servers, each with `[server, members of its config]`. */
function runtimeOf(servers, options) {
  const configs = Object.entries(servers).map(([name, [server, members]]) => [name, server.config(members)]);
  const allow = Object.values(servers).map(([server]) => server);
  return fixtures.runtime({ servers: Object.fromEntries(configs), allow, ...options });
}

async function failure(server, members) {
  const { runtime, logger } = runtimeOf({ srv: [server, members] });
  const connecting = runtime.manager.getConnection({ user, serverName: 'srv' });
  const error = await connecting.then(
    () => expect(runtime).toBe('refused'),
    (error) => error,
  );
  expect(logger.text()).not.toContain('PRIVATE KEY');
  return error;
}

const call = (runtime, serverName = 'srv') => runtime.manager.callTool({ ...ECHO, user, serverName });

describe('certificates that are not verified', () => {
  useEnvironment({ NODE_TLS_REJECT_UNAUTHORIZED: '0' });

  test('are told when a runtime is made', () => {
    const { logger } = fixtures.runtime({});
    expect(logger.text()).toContain('warn NODE_TLS_REJECT_UNAUTHORIZED is 0');
  });
});

test('of certificates that are verified nothing is told', () => {
  expect(fixtures.runtime({}).logger.text()).not.toContain('NODE_TLS_REJECT_UNAUTHORIZED');
});

describe('the server knows the client by its certificate', () => {
  test('over Streamable HTTP, from files', async () => {
    const server = await start();
    const { runtime } = runtimeOf({ srv: [server, { tls: ALICE }] });
    expect(await runtime.reinitMCPServer({ user, serverName: 'srv' })).toEqual(connected('srv', TOOLS));
    await call(runtime);
    expect(clientsOf(server)).toEqual(['alice']);
  });

  describe('from PEM texts', () => {
    const text = (path) => readFileSync(path, 'utf8');
    useEnvironment({ TLS_TEST_KEY: text(alice.key) });

    test('and a variable', async () => {
      const server = await start();
      const own = { ca: text(authority.ca), cert: text(alice.cert), key: '${TLS_TEST_KEY}' };
      const { runtime } = runtimeOf({ srv: [server, { tls: own }] });
      await call(runtime);
      expect(clientsOf(server)).toEqual(['alice']);
    });
  });

  test('over HTTP+SSE', async () => {
    const server = await start();
    const { runtime } = runtimeOf({ srv: [server, { type: 'sse', url: server.sseUrl, tls: ALICE }] });
    await call(runtime);
    expect(clientsOf(server)).toEqual(['alice']);
    expect(server.requests.map(({ method }) => method)).toEqual(expect.arrayContaining(['GET', 'POST']));
  });

  test('over WebSocket', async () => {
    const listener = https.createServer(tlsOptions(ofServer, { clients: clients.ca }));
    const sockets = new WebSocketServer({ server: listener, handleProtocols: () => 'mcp' });
    const seen = [];
    sockets.on('connection', (socket, request) => {
      seen.push(request.socket.getPeerCertificate().subject.CN);
      const transport = {
        start: async () => {},
        send: async (message) => socket.send(JSON.stringify(message)),
        close: async () => socket.close(),
      };
      socket.on('message', (text) => transport.onmessage(JSON.parse(text)));
      createProtocolServer({}).connect(transport);
    });
    await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve));
    fixtures.keep({
      close: () => {
        for (const socket of sockets.clients) socket.terminate();
        return new Promise((resolve) => listener.close(resolve));
      },
    });
    const address = `localhost:${listener.address().port}`;
    const server = {
      address,
      config: (members) => ({ url: `wss://${address}`, source: 'yaml', requiresOAuth: false, ...members }),
    };
    const { runtime } = runtimeOf({ srv: [server, { tls: ALICE }] });
    expect(JSON.stringify(await call(runtime))).toContain(ECHO.toolArguments.text);
    expect(seen).toEqual(['alice']);
  });

  test('where it is a user who is asked whether the server wants OAuth', async () => {
    const server = await start();
    const config = {
      mcpServers: { srv: { type: 'http', url: server.url, tls: ALICE } },
      mcpSettings: { allowedAddresses: [server.address] },
    };
    const runtime = fixtures.keep(addon.createMCPRuntime({ config }));
    expect((await runtime.reinitMCPServer({ user, serverName: 'srv' })).success).toBe(true);
    expect(server.requests.some(({ method }) => method === 'HEAD' || method === 'POST')).toBe(true);
    expect(clientsOf(server)).toEqual(['alice']);
  });
});

describe('which certificate goes where', () => {
  test('two servers and two certificates, at the same time', async () => {
    const [one, other] = await Promise.all([start(), start()]);
    const { runtime } = runtimeOf({ one: [one, { tls: ALICE }], other: [other, { tls: { ...TRUSTING, ...bob } }] });
    await Promise.all(Array.from({ length: 20 }, (_, index) => call(runtime, index % 2 ? 'one' : 'other')));
    expect([clientsOf(one), clientsOf(other)]).toEqual([['alice'], ['bob']]);
  });

  test('a program without a secret has a token for its certificate (RFC 8705)', async () => {
    const [server, as] = await Promise.all([start(), start()]);
    const issuer = new URL(as.url).origin;
    as.fault = ({ request, response }) => {
      const told = { issuer, token_endpoint: `${issuer}/token`, access_token: 'token-for-alice', token_type: 'Bearer' };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(told));
      return request.url !== '/mcp';
    };
    const oauth = { grant: 'client_credentials', client_id: 'program', issuer };
    const { runtime } = runtimeOf(
      { srv: [server, { requiresOAuth: undefined, oauth, tls: ALICE }] },
      { allow: [server, as] },
    );
    await call(runtime);
    const [{ body, client }] = as.requests.filter(({ path }) => path === '/token');
    expect(Object.fromEntries(new URLSearchParams(body))).toMatchObject({
      grant_type: 'client_credentials',
      client_id: 'program',
    });
    expect([client, server.received('tools/call')[0].headers.authorization]).toEqual([
      'alice',
      'Bearer token-for-alice',
    ]);
    const { type, url } = server.config();
    const paths = (oauth) =>
      addon
        .validateServerConfig({ type, url, oauth, tls: ALICE }, { source: 'yaml' })
        .map(({ path }) => path.join('.'));
    expect([paths(oauth), paths({ ...oauth, issuer: undefined })]).toEqual([[], ['oauth.client_id']]);
  });

  test('two configs of one server share no connection', async () => {
    const server = await start();
    const { runtime } = runtimeOf({ a: [server, { tls: ALICE }], b: [server, { tls: { ...TRUSTING, ...bob } }] });
    const clientOfCall = async (serverName) => {
      const before = server.requests.length;
      await call(runtime, serverName);
      return [...new Set(server.requests.slice(before).map(({ client }) => client))];
    };
    for (const round of [1, 2]) {
      expect([round, await clientOfCall('a')]).toEqual([round, ['alice']]);
      expect([round, await clientOfCall('b')]).toEqual([round, ['bob']]);
    }
  });

  test('the certificate’s own name, behind an address', async () => {
    const named = authority.issue('inside', { host: 'DNS:mcp.inside.test' });
    const asked = [];
    const SNICallback = (name, answer) => {
      asked.push(name);
      answer(null, tls.createSecureContext(tlsOptions(named, { clients: clients.ca })));
    };
    const server = await start({ SNICallback }, named);
    const wrong = await failure(server, { tls: ALICE });
    expect(wrong.message).toMatch(/is for mcp\.inside\.test, and not for localhost.*tls\.serverName/);
    const { runtime } = runtimeOf({ srv: [server, { tls: { ...ALICE, serverName: 'mcp.inside.test' } }] });
    await call(runtime);
    expect(asked.at(-1)).toBe('mcp.inside.test');
    expect(new Set(server.requests.map(({ headers }) => headers.host))).toEqual(new Set([server.address]));
  });
});

describe('files change under use', () => {
  test('the next connection has the new certificate, and none is lost', async () => {
    const server = await start();
    const [cert, key] = ['rotating-cert.pem', 'rotating-key.pem'].map((name) => certificates.write(name, ''));
    copyFileSync(alice.cert, cert);
    copyFileSync(alice.key, key);
    const { runtime, logger } = runtimeOf({ srv: [server, { tls: { ...TRUSTING, cert, key } }] });
    await call(runtime);
    expect(clientsOf(server)).toEqual(['alice']);

    // Half of it is there.
    writeFileSync(cert, readFileSync(bob.cert, 'utf8').slice(0, 200));
    await until('the log tells', async () => {
      await call(runtime);
      return logger.messages('warn').some((line) => line.includes(cert) && line.includes('stays in use'));
    });
    expect(clientsOf(server)).toEqual(['alice']);

    copyFileSync(bob.key, `${key}.new`);
    renameSync(`${key}.new`, key);
    copyFileSync(bob.cert, cert);
    await until('the new certificate', async () => {
      await call(runtime);
      return server.requests.at(-1).client === 'bob';
    });
    expect(server.received('initialize')).toHaveLength(1);
  });
});

describe('what is wrong is said in words', () => {
  test.each([
    ['of an authority that nobody knows', {}, {}, /no authority that is trusted here.*tls\.ca/],
    ['that has ended', { days: -1 }, TRUSTING, /certificate has expired/],
    ['of another host', { host: 'DNS:a.test,DNS:b.test' }, TRUSTING, /is for a\.test, b\.test, and not for localhost/],
  ])('a server’s certificate %s', async (_, issued, own, expected) => {
    const server = await start({ clients: undefined }, authority.issue('server', issued));
    const error = await failure(server, Object.keys(own).length ? { tls: own } : {});
    expect(error).toMatchObject({ code: 'MCP_CONNECTION_FAILED', message: expect.stringMatching(expected) });
  });

  test('a self-signed one, which `tls.ca` may name itself', async () => {
    const own = certificates.selfSigned('localhost');
    const server = await start({ clients: undefined }, own);
    expect((await failure(server, {})).message).toMatch(/self-signed.*tls\.ca/);
    const { runtime } = runtimeOf({ srv: [server, { tls: { ca: own.cert } }] });
    await call(runtime);
    expect(server.received('tools/call')).toHaveLength(1);
  });

  test.each(['TLSv1.2', 'TLSv1.3'])('a server that wants a client certificate, over %s', async (version) => {
    const server = await start({ minVersion: version, maxVersion: version });
    const error = await failure(server, { tls: TRUSTING });
    expect(error.message).toMatch(/want.*client certificate.*`tls\.cert` and `tls\.key`/);
  });

  test('a client certificate that the server does not take', async () => {
    const server = await start();
    const error = await failure(server, { tls: { ...TRUSTING, ...authority.issue('mallory') } });
    expect(error.message).toMatch(/client certificate.*`tls\.cert`/);
  });

  test('TLS where there is none', async () => {
    const server = await fixtures.server();
    const error = await failure(server, { url: server.url.replace('http:', 'https:') });
    expect(error.message).toMatch(/does not speak TLS: write http:/);
  });

  test('TLS that is not asked for', async () => {
    const server = await fixtures.server();
    const error = await failure(server, { tls: TRUSTING });
    expect(error).toMatchObject({ code: 'MCP_INVALID_CONFIG', message: expect.stringMatching(/`tls`.*`url`/) });
    expect(server.requests).toEqual([]);
  });

  test.each([
    ['a file that is not there', { ca: '/no/such/ca.pem' }, /"srv": `tls\.ca` \(\/no\/such\/ca\.pem\) does not exist/],
    ['a key of another certificate', { cert: alice.cert, key: bob.key }, /"srv": `tls\.key` .* is not the key of/],
    ['a name that is none', { serverName: '10.0.0.1' }, /"srv": `tls\.serverName` is no host name/],
  ])('%s', async (_, own, expected) => {
    const server = await start();
    const error = await failure(server, { tls: own });
    expect(error).toMatchObject({ code: 'MCP_INVALID_CONFIG', message: expect.stringMatching(expected) });
    expect(server.requests).toEqual([]);
  });
});

describe('an operator’s member', () => {
  const config = { type: 'http', url: 'https://a.example' };

  test('is judged, with paths', () => {
    const paths = (own, source = 'yaml') =>
      addon.validateServerConfig({ ...config, tls: own }, { source }).map(({ path }) => path.join('.'));
    expect(paths(ALICE)).toEqual([]);
    expect(paths({ ...ALICE, serverName: 'a.test' })).toEqual([]);
    expect(paths({ ca: 5 })).toEqual(['tls.ca']);
    expect(paths({ servername: 'a.test' })).toEqual(['tls.servername']);
    expect(paths({ cert: alice.cert })).toEqual(['tls.key']);
    expect(paths('/ca.pem')).toEqual(['tls']);
    expect(paths(ALICE, 'user')).toEqual(['tls']);
  });

  test('is shown to nobody', () => {
    for (const canEdit of [true, false])
      expect(addon.redactServerSecrets({ ...config, tls: ALICE }, { canEdit })).not.toHaveProperty('tls');
  });

  test('of a user’s config is not used', async () => {
    const server = await start();
    for (const member of [{ source: 'user' }, { dbId: '65f000000000000000000001' }]) {
      const error = await failure(server, { ...member, tls: ALICE });
      expect(error).toMatchObject({ code: 'MCP_INVALID_CONFIG', message: expect.stringContaining('`tls`') });
    }
    expect(server.requests).toEqual([]);
  });
});

test('a port that speaks TLS is not asked for HTTP', async () => {
  const server = await start({ clients: undefined });
  const error = await failure(server, { url: server.url.replace('https:', 'http:') });
  expect(error.message).toMatch(/write https:/);
});
