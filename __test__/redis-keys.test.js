/** What is in Redis: names of keys, where secrets are not, and what is made of what others have written there. */

const { inspect } = require('node:util');
const { contractTests } = require('../testing');
const { redisServices } = require('../redis');
const { keyNames } = require('../redis/keys');
const { useFixtures } = require('./support/fixtures');
const { startRedis } = require('./support/redis');
const { STANDALONE, openAdmin } = require('./support/redis-clients');
const { until } = require('./support/wait');

const fixtures = useFixtures();
const LONG_MS = 600_000;
const NOT_NOW = { waitMs: 0, leaseMs: LONG_MS };

async function setup(connect = STANDALONE.ioredis) {
  const redis = fixtures.keep(await startRedis());
  const admin = openAdmin(redis.port);
  fixtures.keep({ close: async () => admin.disconnect() });
  const { client } = fixtures.keep(await connect([redis.port]));
  return { redis, admin, client, ...redisServices(client) };
}

const tagOf = (key) => /\{([^{}]*)\}/.exec(key)[1];

describe('keys', () => {
  const keys = keyNames('p:');

  test('of one user and server have one tag', () => {
    const named = [
      keys.lock('mcp_get_tokens:user:a:b'),
      keys.fence('mcp_get_tokens:user:a:b'),
      keys.lock('mcp_get_tokens:tenant:t%2F1:user:a:b'),
      keys.flow('user:a:b', 'mcp_oauth'),
      keys.flow('user:a:b', 'mcp_get_tokens'),
      keys.flow('tenant:t%2F1:user:a:b', 'mcp_oauth'),
      keys.lease('["","user","a:b"]'),
      keys.lease('["refresh","t/1","user","a:b"]'),
      keys.session('["session","user","a:b","digest"]'),
      keys.session('["session-stream","user","a:b","digest"]'),
      keys.count('["breaker","user","a:b"]'),
      keys.block('["breaker","user","a:b"]'),
      keys.rate('["user-calls","user","a:b"]'),
      keys.places('["server-calls","user","a:b"]'),
    ];
    expect([...new Set(named.map(tagOf))]).toEqual(['user:a%3ab']);
    expect(new Set(named).size).toBe(named.length);
  });

  test('of other users and servers have another', () => {
    const odd = [
      '{}',
      '}{',
      '%',
      '%3a',
      ':',
      '*',
      '\n',
      '\u00e4',
      '\u4e2d',
      '\ud800',
      '\udc00',
      '~',
      ' ',
      'x'.repeat(300),
      `${'x'.repeat(300)}y`,
    ];
    const names = ['a', 'b', 'a:b', 'b:c', 'A', ...odd];
    const leases = names.flatMap((user) => names.map((server) => keys.lease(JSON.stringify(['', user, server]))));
    expect(new Set(leases).size).toBe(names.length ** 2);
    expect(new Set(leases.map(tagOf)).size).toBe(names.length ** 2);
    for (const key of leases) {
      expect(key).toMatch(/^p:lease:\{[^{}:]+:[^{}:]+\}:[^{}:]+$/);
      expect(key.length).toBeLessThan(500);
    }
    const flows = names.map((name) => keys.flow(`user:${name}`, 'mcp_oauth'));
    expect(new Set(flows).size).toBe(names.length);
  });

  test('without a user and a server are hashed', () => {
    const hash = /^p:\w+:(?:\w+:)?\{~[0-9a-f]{64}\}$/;
    const ids = ['state', 'user:srv', 'a:b:c'];
    for (const id of ids) expect(keys.flow(id, 'mcp_oauth_state')).toMatch(hash);
    for (const id of ['user', ':srv', 'user:']) expect(keys.flow(id, 'mcp_oauth')).toMatch(hash);
    for (const id of ['', 'x', '[]', '["a","b"]', '["","u",1]', '["other","","u","s"]', 'null']) {
      expect(keys.lease(id)).toMatch(hash);
    }
    for (const key of ['key', 'user:srv', 'mcp_oauth_state:user:srv']) expect(keys.lock(key)).toMatch(hash);
    expect(keys.token('user:srv')).toMatch(hash);
    for (const key of [
      'secret',
      '',
      'null',
      '{"0":"session"}',
      '["session","user"]',
      '["session","user","srv","digest","more"]',
      '["session","user",1]',
      '["session", "user", "srv"]',
      '["session","\\u0075ser","srv"]',
    ]) {
      for (const named of ['session', 'count', 'block', 'rate', 'places'].map((kind) => keys[kind](key)))
        expect(named).toMatch(hash);
    }
  });

  test('of sessions and limits say what they are of', () => {
    const digest = 'd'.repeat(64);
    expect(keys.session(`["session-turn","user","srv","${digest}"]`)).toBe(
      `p:session:{user:srv}:session-turn:${digest}`,
    );
    expect(keys.session('["session","","srv","d"]')).toBe('p:session:{:srv}:session:d');
    expect(keys.count('["breaker-failures","","a:b"]')).toBe('p:count:{:a%3ab}:breaker-failures');
    expect(keys.block('["breaker","user","srv"]')).toBe('p:block:{user:srv}:breaker');
    const names = ['', 'a', 'b', 'a:b', '{}', '~', 'x'.repeat(300), '\ud800'];
    const lists = names.flatMap((first) =>
      names.flatMap((second) => [
        [first, second, 'c'],
        [first, 'c', second, 'd'],
        ['c', first, second, 'd'],
        [first, 'c', 'd', second],
      ]),
    );
    const sessions = new Map(lists.map((parts) => [JSON.stringify(parts), keys.session(JSON.stringify(parts))]));
    expect(new Set(sessions.values()).size).toBe(sessions.size);
    for (const key of sessions.values()) expect(key).toMatch(/^p:session:\{[^{}:]*:[^{}:]*\}:[^{}:]*(:[^{}:]*)?$/);
  });
});

describe.each(Object.entries(STANDALONE))('with %s', (_, connect) => {
  test('secrets are in no key, and in no error', async () => {
    const { redis, admin, ...services } = await setup(connect);
    const { lock, flowManager, exchangedTokens, sharedSessions, limits } = services;
    const [state, token, verifier] = ['state', 'token', 'verifier'].map((name) => `secret-${name}`);
    const monitor = await admin.monitor();
    fixtures.keep({ close: async () => monitor.disconnect() });
    const seen = [];
    monitor.on('monitor', (_time, args) => seen.push(args));

    const metadata = { state, codeVerifier: verifier };
    const use = () => [
      flowManager.initFlow('user:srv', 'mcp_oauth', metadata),
      flowManager.initFlow(state, 'mcp_oauth_state', { flowId: 'user:srv' }),
      flowManager.completeFlowIfCurrent('user:srv', 'mcp_oauth', 1, state, { access_token: token }),
      flowManager.failFlowIfCurrent('user:srv', 'mcp_oauth', 1, state, token),
      flowManager.completeFlow('user:srv', 'mcp_oauth', { access_token: token }),
      flowManager.failFlow('user:srv', 'mcp_oauth', new Error(token)),
      flowManager.getFlowState(state, 'mcp_oauth_state'),
      flowManager.acquireLease(state, NOT_NOW),
      flowManager.getLeaseGeneration(state),
      lock.acquire(state, LONG_MS),
      exchangedTokens.set(token, token, LONG_MS),
      exchangedTokens.get(token),
      exchangedTokens.delete(token),
      sharedSessions.set(token, token, LONG_MS),
      sharedSessions.compareAndSet(token, token, verifier, LONG_MS),
      sharedSessions.get(token),
      sharedSessions.delete(token, state),
      limits.count(token, LONG_MS),
      limits.block(token, LONG_MS),
      limits.blockedFor(token),
      limits.take(token, 1, LONG_MS),
      limits.enter(token, 'holder', 1, LONG_MS),
    ];
    await Promise.all(use());
    const keys = await admin.keys('*');
    expect(keys.length).toBe(10);
    expect(keys.join('\n')).not.toContain('secret');
    for (const key of keys) expect(await admin.pttl(key)).toBeGreaterThan(0);

    const done = () => seen.some(([name, text]) => name.toLowerCase() === 'echo' && text === 'done');
    await admin.echo('done');
    await until('the end', done);
    const scripts = seen.filter(([name]) => /^eval/i.test(name));
    expect(scripts.length).toBeGreaterThan(19);
    for (const [, , count, ...args] of scripts) expect(args.slice(0, Number(count)).join('\n')).not.toContain('secret');

    for (const [name, key] of seen.filter((args) => !scripts.includes(args)))
      expect(`${name} ${key}`).not.toContain('secret');

    // Everything fails: Redis is full, what is there is of another kind, and nobody answers.
    await admin.config('SET', 'maxmemory', '1');
    const full = await Promise.allSettled(use());
    await admin.config('SET', 'maxmemory', '0');
    for (const key of await admin.keys('*')) await admin.multi().del(key).lpush(key, token).exec();
    const otherKind = await Promise.allSettled(use());
    await redis.kill();
    const gone = await Promise.allSettled(use());
    const errors = [full, otherKind, gone].map((outcomes) =>
      outcomes.flatMap(({ reason }) => (reason ? [reason] : [])),
    );
    expect(errors.map(({ length }) => length)).toEqual([7, 1, 22]);
    for (const error of errors.flat()) {
      expect(error).toMatchObject({
        name: 'RedisServiceError',
        message: expect.stringMatching(/^Redis: \w+\.\w+ failed/),
      });
      expect(inspect(error, { depth: 10, showHidden: true }) + JSON.stringify(error)).not.toContain('secret');
    }
  });
});

describe('what others have written', () => {
  const flowKey = 'librechat-mcp:flow:mcp_oauth:{user:srv}:user%3asrv';
  const FLOW = ['user:srv', 'mcp_oauth'];
  const sound = { status: 'PENDING', createdAt: '1', state: '', metadata: '{}' };

  test.each([
    ['another kind', (admin) => admin.lpush(flowKey, 'x')],
    ['a text', (admin) => admin.set(flowKey, JSON.stringify(sound))],
    ['no status', (admin) => admin.hset(flowKey, { ...sound, status: 'DONE' })],
    ['no time', (admin) => admin.hset(flowKey, { ...sound, createdAt: 'soon' })],
    ['no JSON', (admin) => admin.hset(flowKey, { ...sound, metadata: '{' })],
    ['no object', (admin) => admin.hset(flowKey, { ...sound, metadata: '[]' })],
    ['a broken result', (admin) => admin.hset(flowKey, { ...sound, result: 'undefined' })],
    ['too much', (admin) => admin.hset(flowKey, { ...sound, metadata: JSON.stringify({ a: 'x'.repeat(2 ** 21) }) })],
    ['nothing of a flow', (admin) => admin.hset(flowKey, { other: 'x' })],
  ])('is no flow: %s', async (_, write) => {
    const { admin, flowManager } = await setup();
    await write(admin);
    expect(await flowManager.getFlowState(...FLOW)).toBeNull();
    await flowManager.initFlow(...FLOW, { state: 's' });
    const { createdAt } = await flowManager.getFlowState(...FLOW);
    expect(await flowManager.completeFlowIfCurrent(...FLOW, createdAt, 's', {})).toBe('updated');
  });

  test('is a flow where its shape is right', async () => {
    const { admin, flowManager } = await setup();
    await admin.hset(flowKey, { ...sound, metadata: '{"__proto__":{"admin":true}}' });
    const { metadata, ...flow } = await flowManager.getFlowState(...FLOW);
    expect(flow).toEqual({ type: 'mcp_oauth', status: 'PENDING', createdAt: 1 });
    expect(metadata.admin).toBeUndefined();
  });

  test.each(['nan', 'inf', '1e999', '-3', '1.5', 'x', ''])('is no generation and no fence: "%s"', async (text) => {
    const { admin, lock, flowManager } = await setup();
    await admin.hset('librechat-mcp:lease:{user:srv}:%5b%22%22%2c%22user%22%2c%22srv%22%5d', 'generation', text);
    await admin.set('librechat-mcp:fence:{user:srv}:mcp_get_tokens%3auser%3asrv', text);
    const lease = JSON.stringify(['', 'user', 'srv']);
    expect(await flowManager.getLeaseGeneration(lease)).toBe(0);
    expect(await flowManager.acquireLease(lease, { ...NOT_NOW, advanceGeneration: true })).toMatchObject({
      generation: 1,
    });
    await (await lock.acquire('mcp_get_tokens:user:srv', LONG_MS))();
    expect(Number(await admin.get('librechat-mcp:fence:{user:srv}:mcp_get_tokens%3auser%3asrv'))).toBeGreaterThan(1e15);
  });

  const noTexts = [
    ['too much', (admin, key) => admin.set(key, 'x'.repeat(2 ** 21))],
    ['nothing', (admin, key) => admin.set(key, '')],
    ['another kind', (admin, key) => admin.multi().del(key).lpush(key, 'x').exec()],
  ];

  test.each(noTexts)('is no token: %s', async (_, write) => {
    const { admin, exchangedTokens } = await setup();
    await exchangedTokens.set('key', 'value', LONG_MS);
    const [key] = await admin.keys('*');
    await write(admin, key);
    expect(await exchangedTokens.get('key')).toBeUndefined();
    await exchangedTokens.set('key', 'value', LONG_MS);
    expect(await exchangedTokens.get('key')).toBe('value');
  });

  test.each(noTexts)('is no session: %s', async (_, write) => {
    const { admin, sharedSessions } = await setup();
    const [session, key] = ['["session","user","srv","d"]', 'librechat-mcp:session:{user:srv}:session:d'];
    await write(admin, key);
    expect(await sharedSessions.get(session)).toBeUndefined();
    expect(await sharedSessions.compareAndSet(session, 'x', 'value', LONG_MS)).toBe(false);
    expect(await sharedSessions.delete(session, 'x')).toBe(false);
    expect(await sharedSessions.compareAndSet(session, undefined, 'value', LONG_MS)).toBe(true);
    expect(await sharedSessions.get(session)).toBe('value');
    expect(await admin.pttl(key)).toBeGreaterThan(0);
    await write(admin, key);
    await sharedSessions.set(session, 'value', LONG_MS);
    expect(await sharedSessions.get(session)).toBe('value');
  });

  const breaker = '["breaker","user","srv"]';
  test.each([
    ...noTexts,
    ['no end', (admin, key) => admin.set(key, '1')],
    ['an end too late', (admin, key) => admin.set(key, '7', 'PX', 2 * LONG_MS)],
    ...['0', '-3', '1.5', '1e9', '01', ' 1', 'nan', '9'.repeat(16), 'x'].map((text) => [
      `"${text}"`,
      (admin, key) => admin.set(key, text, 'PX', LONG_MS),
    ]),
  ])('is no count and no block: %s', async (_, write) => {
    const { admin, limits } = await setup();
    const [count, block] = ['count', 'block'].map((kind) => `librechat-mcp:${kind}:{user:srv}:breaker`);
    for (const key of [count, block]) await write(admin, key);
    expect(await limits.blockedFor(breaker)).toBe(0);
    expect([await limits.count(breaker, LONG_MS), await limits.count(breaker, LONG_MS)]).toEqual([1, 2]);
    await limits.block(breaker, LONG_MS);
    expect(await limits.blockedFor(breaker)).toBeGreaterThan(0);
    for (const key of [count, block]) {
      const left = await admin.pttl(key);
      expect(0 < left && left <= LONG_MS).toBe(true);
      await write(admin, key);
    }
    await limits.clear(breaker);
    expect(await admin.keys('*')).toEqual([]);
  });
});

describe('flows are kept as long as LibreChat keeps them', () => {
  const minutes = (count) => count * 60_000;
  const names = ['MCP_OAUTH_HANDLING_TIMEOUT', 'MCP_OAUTH_FLOW_TTL'];
  const before = names.map((name) => process.env[name]);
  const set = (values) => {
    for (const [index, name] of names.entries()) {
      if (values[index] === undefined) delete process.env[name];
      else process.env[name] = values[index];
    }
  };
  afterEach(() => set(before));

  // Those of src/settings/authorization.rs.
  test.each([
    [undefined, undefined, 15],
    ['', '', 15],
    ['5 * 60 * 1000', '', 15],
    ['20*60*1000', '', 21],
    ['', '1000', 11],
    ['', '30*60*1000', 30],
    ['soon', '-1', 15],
    ['10*60*1000 + 10*60*1000', '60*', 21],
  ])('%p, %p: %i minutes', async (handling, ttl, kept) => {
    set([handling, ttl]);
    const { admin, flowManager } = await setup();
    await flowManager.initFlow('user:srv', 'mcp_oauth');
    const [key] = await admin.keys('*');
    const left = await admin.pttl(key);
    expect(left).toBeLessThanOrEqual(minutes(kept));
    expect(left).toBeGreaterThan(minutes(kept) - 50_000);
  });
});

describe('what is given', () => {
  const legacy = { evalsha: () => {}, eval: () => {}, connected: true };
  test.each([undefined, null, {}, new Map(), legacy, { evalSha: () => {}, eval: () => {} }, 'redis://127.0.0.1'])(
    'is no client: %p',
    (client) => expect(() => redisServices(client)).toThrow(/^redisServices: the client must be one of ioredis/),
  );

  test('is no prefix, or is one', async () => {
    const { admin, client } = await setup();
    for (const prefix of ['{a}', 'a}', 1, 'x'.repeat(129)])
      expect(() => redisServices(client, { prefix })).toThrow(TypeError);
    await redisServices(client, { prefix: 'LibreChat::' }).lock.acquire('mcp_get_tokens:user:srv', LONG_MS);
    expect((await admin.keys('*')).sort().map((key) => key.split('{')[0])).toEqual([
      'LibreChat::fence:',
      'LibreChat::lock:',
    ]);
    const tests = contractTests(redisServices(client, { prefix: '' }));
    await tests[0].run();
  });

  test.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '1000', undefined])('is no time: %p', async (ms) => {
    const { lock, flowManager, exchangedTokens, sharedSessions, limits } = await setup();
    await expect(lock.acquire('key', ms)).rejects.toThrow(RangeError);
    await expect(exchangedTokens.set('key', 'value', ms)).rejects.toThrow(RangeError);
    await expect(sharedSessions.set('key', 'value', ms)).rejects.toThrow(RangeError);
    await expect(sharedSessions.compareAndSet('key', undefined, 'value', ms)).rejects.toThrow(RangeError);
    await expect(limits.count('key', ms)).rejects.toThrow(RangeError);
    await expect(limits.block('key', ms)).rejects.toThrow(RangeError);
    if (ms !== undefined) await expect(flowManager.acquireLease('id', { leaseMs: ms })).rejects.toThrow(RangeError);
  });

  test('is too much, or nothing', async () => {
    const { lock, flowManager, exchangedTokens, sharedSessions, limits } = await setup();
    const much = 'secret'.repeat(2 ** 18);
    for (const refused of [
      flowManager.initFlow('user:srv', 'mcp_oauth', { much }),
      flowManager.completeFlow('user:srv', 'mcp_oauth', much),
      flowManager.initFlow('user:srv', 'mcp_oauth', null),
      flowManager.getFlowState('', 'mcp_oauth'),
      exchangedTokens.set('key', much, LONG_MS),
      sharedSessions.set('key', much, LONG_MS),
      sharedSessions.compareAndSet('key', undefined, much, LONG_MS),
      sharedSessions.compareAndSet('key', { secret: 1 }, 'value', LONG_MS),
      sharedSessions.delete('key', ''),
      sharedSessions.delete(''),
      limits.count('', LONG_MS),
      lock.acquire('', LONG_MS),
    ]) {
      const error = await refused.catch((error) => error);
      expect(error).toBeInstanceOf(Error);
      expect(error.message).not.toContain('secret');
    }
  });
});
