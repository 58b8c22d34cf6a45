/** `sharedSessions` that fails, or says what is not so: calls go on, with sessions of their own. */

const { ECHO } = require('./support/calls');
const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');
const { SessionStore, asked, startFleet } = require('./support/session-store');
const { never, until } = require('./support/wait');

const fixtures = useFixtures();
const user = createUser();
const OWN = { startup: false };

async function setup(options) {
  const server = await fixtures.server();
  const fleet = startFleet(fixtures, { servers: { srv: server.config(OWN) }, allow: [server], ...options });
  return { server, ...fleet };
}

const echo = async ({ runtime }, whose = user) =>
  JSON.stringify(await runtime.manager.callTool({ ...ECHO, toolArguments: { text: 'answered' }, user: whose }));
const warnings = ({ logger }) => logger.messages('warn').filter((message) => message.includes('sharedSessions'));

const thrown = () => {
  throw new Error('out of order');
};

/** A store whose functions all do this. */
const storeThat = (answer) => ({ get: answer, set: answer, compareAndSet: answer, delete: answer });

describe('a store that', () => {
  test.each([
    ['throws', thrown],
    ['rejects', async () => thrown()],
    ['never answers', never],
    ['answers with numbers', () => 7],
    ['answers with objects', () => ({})],
    ['answers with texts', () => 'yes'],
  ])('%s: each process has a session of its own, and warns once', async (_, answer) => {
    const { server, pods } = await setup({ store: storeThat(answer) });
    for (const pod of [...pods, ...pods]) expect(await echo(pod)).toContain('answered');
    expect(asked(server).initialize).toBe(2);
    await Promise.all(pods.map(({ runtime }) => runtime.close()));
    expect(asked(server).deleted).toBe(2);
    const lines = pods.map((pod) => warnings(pod).filter((line) => line.includes('going on without it')));
    expect(lines.map(({ length }) => length)).toEqual([1, 1]);
  });

  test('says that it did what it did not do: no two processes mix up their sessions', async () => {
    const store = { get: () => undefined, set: () => {}, compareAndSet: () => true, delete: () => true };
    const { server, pods } = await setup({ store });
    for (const pod of [...pods, ...pods]) expect(await echo(pod)).toContain('answered');
    expect(asked(server).initialize).toBe(2);
  });

  test('refuses every write: each process has a session of its own', async () => {
    const store = { get: () => null, set: () => {}, compareAndSet: () => false, delete: () => false };
    const server = await fixtures.server();
    const config = server.config({ ...OWN, initTimeout: 10_000 });
    const { pods } = startFleet(fixtures, { servers: { srv: config }, allow: [server], store });
    const answers = await Promise.all(pods.map((pod) => echo(pod)));
    for (const answer of answers) expect(answer).toContain('answered');
    expect(asked(server).initialize).toBe(2);
  });

  test('is away for a while is used again', async () => {
    const store = new SessionStore();
    const { server, pods } = await setup({ store });
    await echo(pods[0]);
    store.get = thrown;
    await echo(pods[1]);
    expect(asked(server).initialize).toBe(2);
    expect(warnings(pods[1])).toHaveLength(1);
    delete store.get;
    await pods[0].runtime.close({ handOver: true });
    expect(store.keys('session')).toHaveLength(1);
  });

  test('takes no mark of a logout: the logout goes on, says so, and is told later', async () => {
    const store = new SessionStore();
    const { start, pods } = await setup({ store, pods: 1 });
    const [pod] = pods;
    await echo(pod);
    store.set = thrown;
    await pod.runtime.manager.disconnectUserConnection(user.id, 'srv');
    const told = warnings(pod).filter((line) => line.includes('failed to write that the user has signed in or out'));
    expect(told).toHaveLength(1);
    expect(store.keys('session-epoch')).toEqual([]);
    delete store.set;
    await until('the mark', () => store.keys('session-epoch').length === 1);

    // What the store has failed with before does not matter.
    const other = start();
    store.get = thrown;
    await echo(other);
    delete store.get;
    const [mark] = store.keys('session-epoch');
    const before = store.values.get(mark);
    await other.runtime.manager.disconnectUserConnection(user.id, 'srv');
    expect(store.values.get(mark)).not.toBe(before);
  });

  test('is no store is refused at once', () => {
    expect(() => startFleet(fixtures, { store: { get() {} }, pods: 1 })).toThrow(
      'createMCPRuntime: host.sharedSessions.set must be a function, got undefined',
    );
  });
});

test('without a credentials key nothing is stored', async () => {
  const { server, store, pods } = await setup({ services: { credentialsKey: undefined } });
  for (const pod of pods) expect(await echo(pod)).toContain('answered');
  expect(store.calls).toEqual([]);
  expect(asked(server).initialize).toBe(2);
});

test('a server that says too much of itself has a session for each process', async () => {
  const server = await fixtures.server({ instructions: 'Be kind. '.repeat(30_000) });
  const { store, pods } = startFleet(fixtures, { servers: { srv: server.config(OWN) }, allow: [server] });
  for (const pod of [...pods, ...pods]) expect(await echo(pod)).toContain('answered');
  expect(asked(server).initialize).toBe(2);
  for (const { runtime } of pods) await runtime.close({ handOver: true });
  expect(asked(server).deleted).toBe(2);
  expect(store.values.size).toBe(0);
});

describe('a session that is not what it should be is replaced:', () => {
  /** Plants a text where another process looks for the session. */
  async function planted(make) {
    const world = await setup({ pods: 1 });
    const { server, store, start, pods } = world;
    await echo(pods[0]);
    const [key] = store.keys('session');
    const text = await make({ ...world, value: store.values.get(key) });
    store.values.set(key, text);
    const before = asked(server).initialize;
    const second = start();
    expect(await echo(second)).toContain('answered');
    expect(asked(server).initialize).toBe(before + 1);
    expect(warnings(second)).toEqual(['[MCP] Ignoring an unreadable session of sharedSessions']);
    expect(store.values.get(key)).not.toBe(text);
    expect(await echo(start())).toContain('answered');
    expect(asked(server).initialize).toBe(before + 1);
  }

  test.each([
    ['nonsense', () => 'nonsense'],
    ['an empty text', () => ''],
    ['a changed byte', (value) => `${value.slice(0, 40)}${value[40] === 'A' ? 'B' : 'A'}${value.slice(41)}`],
    ['the first half of it', (value) => value.slice(0, value.length / 2)],
    ['a text of two MiB', () => 'A'.repeat(2 * 1024 * 1024)],
  ])('%s', (_, make) => planted(({ value }) => make(value)));

  test('that of another user', () =>
    planted(async ({ store, pods }) => {
      const [key] = store.keys('session');
      await echo(pods[0], createUser());
      return store.values.get(store.keys('session').find((other) => other !== key));
    }));

  test('one that is sealed with another key', () =>
    planted(async ({ server }) => {
      const services = { credentialsKey: 'ff'.repeat(32) };
      const others = { servers: { srv: server.config(OWN) }, allow: [server], services, pods: 1 };
      const { store, pods } = startFleet(fixtures, others);
      await echo(pods[0]);
      return [...store.values.values()][0];
    }));
});
