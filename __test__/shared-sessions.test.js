/** `sharedSessions`: a session that one process has begun, others go on with. */

const { startAskingServer } = require('./support/asking-server');
const { ECHO } = require('./support/calls');
const faults = require('./support/faults');
const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');
const { KEY, asked, sessionsOf, startFleet } = require('./support/session-store');
const { noOpenSockets, until } = require('./support/wait');

const fixtures = useFixtures();
const user = createUser();
/** Each user has a session. */
const OWN = { startup: false };

async function setup({ config = OWN, ...options } = {}) {
  const server = await fixtures.server();
  const fleet = startFleet(fixtures, { servers: { srv: server.config(config) }, allow: [server], ...options });
  return { server, ...fleet };
}

const echo = ({ runtime }, text = 'hi', whose = user) =>
  runtime.manager.callTool({ ...ECHO, toolArguments: { text }, user: whose });
const reinit = ({ runtime }, extra) => runtime.reinitMCPServer({ user, serverName: 'srv', ...extra });

describe('a second process', () => {
  test.each([
    ['of a user', OWN],
    ['that users share', {}],
  ])('goes on with a session %s, without a handshake', async (_, config) => {
    const { server, pods } = await setup({ config });
    expect(await reinit(pods[0])).toMatchObject({ success: true });
    expect(await reinit(pods[1])).toMatchObject({ success: true });
    for (const pod of pods) expect(JSON.stringify(await echo(pod, 'there'))).toContain('there');
    expect(asked(server)).toEqual({ initialize: 1, deleted: 0 });
    expect(server.received('notifications/initialized')).toHaveLength(1);
    expect(sessionsOf(server, 'tools/call')).toHaveLength(1);
  });

  test('knows what the server said of itself', async () => {
    const server = await fixtures.server({ instructions: 'Be kind.' });
    const config = server.config({ ...OWN, serverInstructions: true });
    const { pods } = startFleet(fixtures, { servers: { srv: config }, allow: [server] });
    const told = [];
    for (const { runtime } of pods) {
      const connection = await runtime.manager.getConnection({ user, serverName: 'srv' });
      told.push([connection.client.getInstructions(), connection.client.getServerCapabilities()]);
    }
    expect(told).toEqual([
      ['Be kind.', { tools: {} }],
      ['Be kind.', { tools: {} }],
    ]);
    expect(asked(server).initialize).toBe(1);
  });

  test('uses no id of a request that another has used', async () => {
    const { server, start, pods } = await setup({ pods: 3 });
    await echo(pods[0]);
    await Promise.all(pods.flatMap((pod) => [1, 2, 3, 4].map(() => echo(pod))));
    await echo(start());
    const ids = server.requests.map(({ message }) => message?.id).filter((id) => id !== undefined);
    expect(ids.every(Number.isSafeInteger)).toBe(true);
    expect(new Set(ids).size).toBe(ids.length);
    expect(asked(server).initialize).toBe(1);
  });

  test('asks for no sign of life of a session that has answered', async () => {
    const { server, pods } = await setup();
    for (const pod of [...pods, ...pods]) await echo(pod);
    expect(server.received('ping')).toEqual([]);
  });

  test('does not listen where another does, and listens when that has gone', async () => {
    const { server, store, start, pods } = await setup();
    const streams = () => server.requests.filter(({ method }) => method === 'GET').length;
    await echo(pods[0]);
    await until('the stream', server.hasListener);
    await echo(pods[1]);
    await pods[1].runtime.close({ handOver: true });
    expect(streams()).toBe(1);
    await pods[0].runtime.close({ handOver: true });
    expect(store.keys('session-stream')).toEqual([]);
    await until('the end of the stream', () => !server.hasListener());
    await echo(start());
    await until('another stream', server.hasListener);
    expect(asked(server)).toEqual({ initialize: 1, deleted: 0 });
  });

  test.each(['elicitation/create', 'sampling/createMessage', 'roots/list'])(
    '%s during a call is answered in the process of that call',
    async (method) => {
      const server = fixtures.keep(await startAskingServer('call'));
      const services = (answered) => ({
        elicitation: async () => ({ action: 'accept', content: { name: answered } }),
        sampling: async () => ({ role: 'assistant', model: 'm', content: { type: 'text', text: answered } }),
        roots: async () => ({ roots: [{ uri: `file:///${answered}` }] }),
      });
      const common = { servers: { srv: server.config(OWN) }, allow: [server], pods: 1 };
      const first = startFleet(fixtures, { ...common, services: services('first') });
      const second = startFleet(fixtures, { ...common, store: first.store, services: services('second') });
      const ask = async ({ pods: [{ runtime }] }) => {
        const call = { user, serverName: 'srv', toolName: 'ask', provider: 'openai', toolArguments: { method } };
        return JSON.stringify(await runtime.manager.callTool(call));
      };
      expect(await ask(first)).toContain('first');
      expect(await ask(second)).toContain('second');
      expect(server.declared).toHaveLength(1);
    },
  );

  test('whose host cannot answer what the first can has a session of its own', async () => {
    const server = await fixtures.server();
    const common = { servers: { srv: server.config(OWN) }, allow: [server], pods: 1 };
    const roots = { roots: () => ({ roots: [] }) };
    const { store, pods } = startFleet(fixtures, { ...common, services: roots });
    const other = startFleet(fixtures, { ...common, store });
    await echo(pods[0]);
    await echo(other.pods[0]);
    expect(asked(server).initialize).toBe(2);
  });
});

describe('a server', () => {
  test('that keeps no sessions is not asked for a handshake again', async () => {
    const server = await fixtures.server();
    server.fault = ({ message, response }) => {
      if (message?.id === undefined) return response.writeHead(message ? 202 : 405).end();
      const results = {
        initialize: {
          protocolVersion: '2025-06-18',
          capabilities: { tools: {} },
          serverInfo: { name: 'n', version: '1' },
        },
        'tools/call': { content: [{ type: 'text', text: message.params?.arguments?.text }] },
      };
      const result = results[message.method] ?? { tools: [] };
      response.writeHead(200, { 'content-type': 'application/json' });
      return response.end(JSON.stringify({ jsonrpc: '2.0', id: message.id, result }));
    };
    const { pods } = startFleet(fixtures, { servers: { srv: server.config(OWN) }, allow: [server] });
    for (const pod of pods) expect(JSON.stringify(await echo(pod, 'there'))).toContain('there');
    for (const { runtime } of pods) await runtime.close();
    expect(asked(server)).toEqual({ initialize: 1, deleted: 0 });
  });

  test('that has forgotten a session is asked for one new one, by all that call at once', async () => {
    const { server, pods } = await setup({ pods: 3 });
    for (const pod of pods) await echo(pod);
    for (const times of [2, 3]) {
      server.sessions.clear();
      await Promise.all(pods.flatMap((pod) => [echo(pod), echo(pod)]));
      expect(asked(server).initialize).toBe(times);
      expect(server.sessions.size).toBe(1);
    }
  });

  test('that has forgotten one for which another was found is asked for a third', async () => {
    const { server, pods } = await setup();
    for (const pod of pods) await echo(pod);
    server.sessions.clear();
    await echo(pods[0]);
    server.sessions.clear();
    await echo(pods[1]);
    expect(asked(server).initialize).toBe(3);
  });

  test('that has forgotten the session lists its tools in a new one', async () => {
    const { server, pods } = await setup();
    await reinit(pods[0]);
    server.sessions.clear();
    const { success, tools } = await reinit(pods[1]);
    expect({ success, tools: Object.keys(tools ?? {}).length > 0 }).toEqual({ success: true, tools: true });
    expect(asked(server).initialize).toBe(2);
  });

  test('whose handshake fails is asked by the next that has the turn', async () => {
    const { server, store, pods } = await setup();
    let failures = 0;
    server.fault = faults.on('initialize', ({ response }) => {
      failures += 1;
      server.fault = undefined;
      response.writeHead(400).end();
      return true;
    });
    const outcomes = await Promise.allSettled(pods.map((pod) => echo(pod)));
    expect(failures).toBe(1);
    expect(outcomes.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThan(0);
    await until('the turn', () => store.keys('session-turn').length === 0);
    for (const pod of pods) await echo(pod);
    expect(server.sessions.size).toBe(1);
  });
});

describe('close({ handOver: true })', () => {
  test('leaves sessions to those who come after', async () => {
    const { server, store, start, pods } = await setup({ pods: 1 });
    const users = [user, createUser(), createUser()];
    for (const one of users) await echo(pods[0], 'hi', one);
    await pods[0].runtime.close({ drainMs: 60_000, handOver: true });
    await noOpenSockets(server);
    expect(store.keys('session')).toHaveLength(3);
    expect(store.keys('session-turn').concat(store.keys('session-stream'))).toEqual([]);
    const next = start();
    for (const one of users) await echo(next, 'hi', one);
    expect(asked(server)).toEqual({ initialize: 3, deleted: 0 });
    await next.runtime.close();
    expect(asked(server)).toEqual({ initialize: 3, deleted: 3 });
    expect(store.keys('session')).toEqual([]);
  });

  test('closes what is not shared as ever', async () => {
    const { server, pods } = await setup({ pods: 1, services: { sharedSessions: undefined } });
    await echo(pods[0]);
    await pods[0].runtime.close({ handOver: true });
    expect(asked(server)).toEqual({ initialize: 1, deleted: 1 });
  });

  test('refuses what is no boolean, and closes nothing', async () => {
    const { pods } = await setup({ pods: 1 });
    const refusal = { name: 'TypeError', message: 'close: params.handOver must be a boolean, got a string' };
    await expect(pods[0].runtime.close({ handOver: 'yes' })).rejects.toMatchObject(refusal);
    await expect(echo(pods[0])).resolves.toBeDefined();
  });
});

test('what is stored says neither the session nor a token in clear', async () => {
  const { server, store, pods } = await setup({ config: { ...OWN, headers: { 'X-Key': 'hunter2-of-the-operator' } } });
  for (const pod of pods) await echo(pod);
  const [id] = sessionsOf(server, 'tools/call');
  const stored = JSON.stringify([...store.values]);
  for (const secret of [id, KEY, 'hunter2', server.url]) expect(stored).not.toContain(secret);
  expect(store.keys('session').map((key) => JSON.parse(key))).toEqual([
    ['session', user.id, 'srv', expect.stringMatching(/^[0-9a-f]{64}$/)],
  ]);
});
