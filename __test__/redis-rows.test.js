/** Rows of tokens in Redis: their keys, their ends, and what is made of what others have written there. */

const { Redis } = require('ioredis');
const { redisServices } = require('../redis');
const { keyNames } = require('../redis/keys');
const { useFixtures } = require('./support/fixtures');
const { startRedis } = require('./support/redis');
const { until } = require('./support/wait');

const fixtures = useFixtures();
const ROW = { userId: 'user', type: 'mcp_oauth', identifier: 'mcp:srv' };
const KEY = 'librechat-mcp:row:mcp_oauth:{user:srv}:mcp%3asrv';
const YEAR_S = 365 * 24 * 60 * 60;

async function setup() {
  const redis = fixtures.keep(await startRedis());
  const client = new Redis(redis.url);
  client.on('error', () => {});
  fixtures.keep({ close: async () => client.disconnect() });
  return { redis, client, ...redisServices(client).tokenMethods };
}

test('keys have the tag of their user and server, as locks have; of others nothing is said', () => {
  const { lock, row } = keyNames('p:');
  const tagOf = (key) => /\{([^{}]*)\}/.exec(key)[1];
  const named = [
    ['mcp_oauth', 'mcp:a:b'],
    ['mcp_oauth_refresh', 'mcp:a:b:refresh'],
    ['mcp_oauth_client', 'mcp:a:b:client'],
    ['mcp_oauth_dpop', 'mcp:a:b:dpop'],
  ].map(([type, identifier]) => row({ ...ROW, type, identifier }));
  expect(new Set(named.map(tagOf))).toEqual(new Set([tagOf(lock('mcp_get_tokens:user:a:b'))]));
  expect(new Set(named).size).toBe(4);
  for (const other of [
    { type: 'password_reset' },
    { type: 'constructor' },
    { identifier: 'srv' },
    { identifier: 'mcp:' },
    { type: 'mcp_oauth_refresh' },
    { type: 'mcp_oauth_refresh', identifier: 'mcp::refresh' },
  ])
    expect(row({ ...ROW, ...other })).toMatch(/^p:row:\{~[0-9a-f]{64}\}$/);
});

test('a row is as LibreChat has it, and ends with its time', async () => {
  const { client, findToken, createToken, updateToken } = await setup();
  const metadata = { credential_set_id: 'set', issuer: 'https://issuer' };
  const created = await createToken({ ...ROW, token: 'sealed', expiresIn: YEAR_S, metadata });
  expect(created).toEqual({
    ...ROW,
    token: 'sealed',
    metadata,
    createdAt: expect.any(Date),
    expiresAt: expect.any(Date),
  });
  expect(await findToken({ ...ROW, token: 'sealed', metadataCredentialSetId: 'set' })).toEqual(created);
  expect(created.expiresAt - created.createdAt).toBeGreaterThan((YEAR_S - 60) * 1000);
  expect(await client.pttl(KEY)).toBeGreaterThan((YEAR_S - 60) * 1000);
  // What is stored anew has nothing of before.
  expect(await createToken({ ...ROW, token: 'other', expiresAt: created.expiresAt })).not.toHaveProperty('metadata');
  expect(await findToken({ ...ROW, metadataCredentialSetId: null })).toMatchObject({ token: 'other' });
  const soon = await updateToken(ROW, { expiresAt: new Date(Date.now() + 300) });
  expect(soon).toMatchObject({ token: 'other', createdAt: expect.any(Date) });
  await until('its end', async () => (await findToken(ROW)) === null);
  await createToken({ ...ROW, token: 'sealed', expiresIn: Number.MAX_SAFE_INTEGER });
  expect(await updateToken(ROW, { expiresAt: new Date(0) })).toMatchObject({ expiresAt: new Date(0) });
  expect(await client.keys('*')).toEqual([]);
});

const sound = { token: 'sealed', createdAt: '1', expiresAt: '2', metadata: '{}' };

test.each([
  ['another kind', (client) => client.lpush(KEY, 'x')],
  ['no token', (client) => client.hset(KEY, { ...sound, token: '' })],
  ['no time', (client) => client.hset(KEY, { ...sound, expiresAt: 'soon' })],
  ['no JSON', (client) => client.hset(KEY, { ...sound, metadata: '{' })],
  ['no object', (client) => client.hset(KEY, { ...sound, metadata: '[]' })],
  ['too much', (client) => client.hset(KEY, { ...sound, token: 'x'.repeat(2 ** 21) })],
  ['nothing of a row', (client) => client.hset(KEY, { other: 'x' })],
])('what others have written is no row: %s', async (_, write) => {
  const { client, findToken, createToken, updateToken, deleteTokens } = await setup();
  await write(client);
  expect(await findToken(ROW)).toBeNull();
  expect(await updateToken({ ...ROW, token: 'a' }, { token: 'b' })).toBeNull();
  expect(await deleteTokens({ ...ROW, token: 'a' })).toEqual({ deletedCount: 0 });
  await createToken({ ...ROW, token: 'mine', expiresIn: YEAR_S });
  expect(await findToken(ROW)).toMatchObject({ token: 'mine' });
  await client.del(KEY);
  await write(client);
  expect(await deleteTokens(ROW)).toEqual({ deletedCount: 1 });
});

test('what cannot be stored is refused, without a word of it', async () => {
  const { client, createToken, updateToken, findToken, deleteTokens } = await setup();
  const token = 'secret'.repeat(10);
  const much = 'secret'.repeat(2 ** 18);
  for (const [refused, name] of [
    [createToken({ ...ROW, token }), 'RangeError'],
    [createToken({ ...ROW, token, expiresIn: Number.NaN }), 'RangeError'],
    [createToken({ ...ROW, token, expiresAt: new Date('never') }), 'RangeError'],
    [createToken({ ...ROW, token: much, expiresIn: 1 }), 'RangeError'],
    [createToken({ ...ROW, token, expiresIn: 1, metadata: { much } }), 'RangeError'],
    [createToken({ ...ROW, token, expiresIn: 1, metadata: [token] }), 'TypeError'],
    [createToken({ ...ROW, expiresIn: 1 }), 'TypeError'],
    [createToken({ ...ROW, userId: '', token, expiresIn: 1 }), 'TypeError'],
    [updateToken({ ...ROW, token: { $ne: token } }, { token }), 'TypeError'],
    [updateToken(ROW, { token: { $ne: token } }), 'TypeError'],
    [findToken({ userId: 'user', token }), 'TypeError'],
    [deleteTokens({ userId: 'user' }), 'TypeError'],
    [deleteTokens({ ...ROW, userId: { $ne: null } }), 'TypeError'],
  ]) {
    const error = await refused.catch((error) => error);
    expect(error.name).toBe(name);
    expect(error.message).toMatch(/^tokenMethods\.\w+: /);
    expect(error.message).not.toContain('secret');
  }
  expect(await client.keys('*')).toEqual([]);
});

test('a Redis that is full changes nothing, and what fails says nothing of the row', async () => {
  const { redis, client, createToken, updateToken, findToken } = await setup();
  const before = await createToken({ ...ROW, token: 'a', expiresIn: YEAR_S, metadata: { credential_set_id: 's' } });
  await client.config('SET', 'maxmemory', '1');
  const errors = async () => {
    const outcomes = await Promise.allSettled([
      createToken({ ...ROW, token: 'secret', expiresIn: 1 }),
      updateToken(ROW, { token: 'secret', expiresIn: 1, metadata: { issuer: 'secret' } }),
    ]);
    return outcomes.map(({ reason }) => reason);
  };
  const failed = { name: 'RedisServiceError', code: 'OOM' };
  expect(await errors()).toMatchObject([failed, failed]);
  await client.config('SET', 'maxmemory', '0');
  expect(await findToken(ROW)).toEqual(before);
  await redis.kill();
  for (const error of await errors()) {
    expect(error.message).toMatch(/^Redis: tokenMethods\.\w+ failed for a key of kind "row": /);
    expect(error.message).not.toContain('secret');
    expect(error.cause).toBeUndefined();
  }
});
