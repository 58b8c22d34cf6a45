/** `sharedSessions`: when a session ends, and who does not go on with it. */

const { completeAuthorization, useAuthorization } = require('./support/authorization');
const { ECHO } = require('./support/calls');
const { useEnvironment } = require('./support/environment');
const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');
const { SessionStore, asked, sessionsOf, startFleet } = require('./support/session-store');
const { until } = require('./support/wait');

const fixtures = useFixtures();
const user = createUser();
const OWN = { startup: false };

async function setup({ config = OWN, ...options } = {}) {
  const server = await fixtures.server();
  const fleet = startFleet(fixtures, { servers: { srv: server.config(config) }, allow: [server], ...options });
  return { server, ...fleet };
}

const echo = ({ runtime }, whose = user, extra = {}) => runtime.manager.callTool({ ...ECHO, user: whose, ...extra });

/** The sessions that calls have named, in their order. */
const called = (server) => server.received('tools/call').map(({ headers }) => headers['mcp-session-id']);

describe('a user who is idle', () => {
  useEnvironment({ MCP_USER_CONNECTION_IDLE_TIMEOUT: '1000' });

  test('has the session ended by the last process that has used it, once', async () => {
    // All three use it at the same time: a call under way is no idleness.
    let calls = 0;
    const callTool = async () => {
      calls += 1;
      await until('the calls of all', () => calls === 3);
      return { content: [{ type: 'text', text: 'together' }] };
    };
    const server = await fixtures.server({ callTool });
    const common = { servers: { srv: server.config(OWN) }, allow: [server], pods: 3 };
    const { store, pods } = startFleet(fixtures, common);
    await Promise.all(pods.map((pod) => echo(pod)));
    const open = () => pods.map(({ runtime }) => runtime.manager.getConnectionStats().totalConnections);
    await until('the end of all', () => open().every((connections) => connections === 0));
    for (const { runtime } of pods) await runtime.close();
    expect(asked(server)).toEqual({ initialize: 1, deleted: 1 });
    expect(store.values.size).toBe(0);
  });
});

test('a process that closes leaves the session to one that uses it', async () => {
  const { server, pods } = await setup();
  for (const pod of pods) await echo(pod);
  await pods[0].runtime.close();
  expect(asked(server).deleted).toBe(0);
  await echo(pods[1]);
  await pods[1].runtime.close();
  expect(asked(server)).toEqual({ initialize: 1, deleted: 1 });
});

test('without keepConnections a session is not shared, and ends with the last call', async () => {
  const { server, store, pods } = await setup({ services: { keepConnections: false } });
  for (const pod of pods) {
    await echo(pod);
    expect(store.keys('session')).toEqual([]);
  }
  for (const { runtime } of pods) await runtime.close();
  expect(asked(server)).toEqual({ initialize: 2, deleted: 2 });
});

describe('nobody goes on with the session', () => {
  /** Both processes use it, then one does this. */
  async function endsWith(act, options) {
    const world = await setup(options);
    for (const pod of world.pods) await echo(pod);
    const [before] = called(world.server);
    await act(world);
    await until('the end of the session', () => asked(world.server).deleted > 0);
    for (const pod of [...world.pods, world.start()]) await echo(pod);
    const taken = called(world.server).slice(2);
    // A call that found the old one gone was made again in the new one.
    const answered = taken.filter((session) => session !== before);
    expect(new Set(answered).size).toBe(1);
    expect(answered).toHaveLength(3);
    expect(asked(world.server).initialize).toBe(2);
  }

  test('that forceNew has replaced', () =>
    endsWith(({ pods: [{ runtime }] }) => runtime.reinitMCPServer({ user, serverName: 'srv', forceNew: true })));

  test('of a user who was disconnected', () =>
    endsWith(({ pods: [{ runtime }] }) => runtime.manager.disconnectUserConnections(user.id)));

  test('of a server that was disconnected', () =>
    endsWith(({ pods: [{ runtime }] }) => runtime.manager.disconnectUserConnection(user.id, 'srv')));

  test('of a connection that was disconnected', () =>
    endsWith(async ({ pods: [{ runtime }] }) => {
      const connection = await runtime.manager.getConnection({ user, serverName: 'srv' });
      await connection.disconnect();
    }));

  test('of a config that has changed', () =>
    endsWith(async ({ pods, server }) => {
      const changed = server.config({ ...OWN, headers: { 'X-New': 'yes' } });
      for (const { registry } of pods) registry.servers.srv = changed;
      await pods[0].runtime.reinitMCPServer({ user, serverName: 'srv' });
    }));
});

test('a session is one user’s and one server’s', async () => {
  const server = await fixtures.server();
  const other = await fixtures.server();
  const servers = { srv: server.config(OWN), again: server.config(OWN), other: other.config(OWN) };
  const { pods } = startFleet(fixtures, { servers, allow: [server, other] });
  const users = [user, createUser()];
  for (const pod of pods) {
    for (const one of users) for (const serverName of Object.keys(servers)) await echo(pod, one, { serverName });
  }
  expect(asked(server).initialize).toBe(4);
  expect(sessionsOf(server, 'tools/call')).toHaveLength(4);
  expect(asked(other).initialize).toBe(2);
});

test('a session is that of the user’s variables', async () => {
  const config = { customUserVars: { KEY: { title: 'Key', description: '' } }, headers: { 'X-Key': '{{KEY}}' } };
  const { server, pods } = await setup({ config });
  await echo(pods[0], user, { customUserVars: { KEY: 'one' } });
  await echo(pods[1], user, { customUserVars: { KEY: 'two' } });
  expect(asked(server).initialize).toBe(2);
  expect(new Set(called(server)).size).toBe(2);
});

describe('a user who authorizes', () => {
  const suite = useAuthorization();

  test('does not go on with the session of a token that the server refuses', async () => {
    const host = await suite.host({ config: OWN, services: { sharedSessions: new SessionStore() } });
    const { server, runtime } = host;
    await host.authorize();
    await host.echo('first');
    const [before] = called(server);
    const { has } = server.refused;
    server.refused.has = () => true;
    const { oauthUrl } = await host.reinit();
    server.refused.has = has;
    await completeAuthorization(host, await suite.authorizationServer.signIn(oauthUrl));
    await runtime.close({ handOver: true });
    await host.restart();
    await host.echo('third');
    expect(server.sessions.has(before)).toBe(true);
    expect(called(server).at(-1)).not.toBe(before);
  });

  test('goes on with the session after a refresh, and has another one after the next login', async () => {
    const host = await suite.host({ config: OWN, services: { sharedSessions: new SessionStore() } });
    const { server, store, user } = host;
    const again = async () => {
      await host.runtime.close({ handOver: true });
      await host.restart();
    };
    const refreshes = suite.authorizationServer.refreshes().length;
    await host.authorize();
    await host.echo('first');
    await again();
    await store.expire(user.id);
    await host.echo('second');
    await again();
    await host.echo('third');
    expect(suite.authorizationServer.refreshes()).toHaveLength(refreshes + 1);
    expect(new Set(called(server)).size).toBe(1);

    await again();
    const { deleteTokens: deleteToken } = host.services.tokenMethods;
    await host.runtime.tokens.deleteUserTokens({ userId: user.id, serverName: 'srv', deleteToken });
    await host.authorize();
    await host.echo('fourth');
    const [first, , , fourth] = called(server);
    expect(fourth).not.toBe(first);
  });
});
