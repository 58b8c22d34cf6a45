/**
 * The same users, served by LibreChat's own MCP manager and by the addon, over one token collection: both refresh, both
 * die, and one takes over from the other.
 */

const { startMixed } = require('./support/mixed');
const { until } = require('./support/wait');

const ROUNDS = 40;
const USERS = 5;

let mixed;
beforeAll(async () => {
  mixed = await startMixed();
}, 300_000);
afterAll(() => mixed?.close());

/** Both sides read the same token, the provider takes it, and all rows are of one credential set. */
async function expectSignedIn(user) {
  const [librechat, addon] = await user.read();
  expect({ librechat, addon }).toMatchObject({ librechat: { active: true }, addon: { active: true } });
  expect(addon).toEqual(librechat);
  const sets = Object.values(await user.sets());
  expect(sets).toEqual([librechat.set, librechat.set, librechat.set]);
}

const ADDON_ACTIONS = ['call', 'reinit', 'tokens'];

/**
 * Both need a token, the second one when the other has begun to refresh. Two that begin in the same millisecond are
 * kept apart by LibreChat as well as it can, which is not always: it has no lock.
 */
async function both(user, round) {
  const ask = {
    librechat: () => user.librechat('connect'),
    addon: () => user.addon(ADDON_ACTIONS[round % ADDON_ACTIONS.length]),
  };
  const [first, second] = round % 2 ? ['librechat', 'addon'] : ['addon', 'librechat'];
  let isDone = false;
  const answer = ask[first]().finally(() => {
    isDone = true;
  });
  await until('its claim', async () => isDone || (await user.isRefreshing()), 60_000);
  return Promise.all([answer, ask[second]()]);
}

/** What may happen to a user's tokens; resolves to what was answered. */
const HAPPENINGS = [
  async function bothFindItExpired(user, round) {
    await user.expire();
    return both(user, round);
  },
  async function bothFindItGone(user, round) {
    await user.expireAndVanish();
    return both(user, round + 1);
  },
  async function theAddonIsEarly(user) {
    const before = await user.librechat('connect');
    // Before its end for the addon, which replaces it 30 s earlier, and not for the other.
    await user.expire(10_000);
    return [before, await user.addon('call'), await user.librechat('connect')];
  },
  async function librechatIsToldOfA401(user) {
    return [await user.addon('call'), await user.librechat('refresh'), await user.addon('call')];
  },
  async function theAddonIsToldOfA401(user) {
    const before = await user.librechat('connect');
    mixed.server.refused.add(before.result?.access_token);
    return [before, await user.addon('call'), await user.librechat('connect')];
  },
];

test('nobody is signed out in 200 rounds', async () => {
  const { authorizationServer } = mixed;
  const users = Array.from({ length: USERS }, () => mixed.user());
  let done = 0;
  const live = async (user, index) => {
    expect(await user.signInWithLibreChat()).toMatchObject({ result: expect.anything() });
    for (let round = 0; round < ROUNDS; round += 1) {
      const happening = HAPPENINGS[(round + index) % HAPPENINGS.length];
      const answers = await happening(user, round);
      const failures = answers.filter(({ result, error }) => error || result?.oauthUrl || result === null);
      expect({ round, happening: happening.name, failures }).toMatchObject({ failures: [] });
      await expectSignedIn(user);
      done += 1;
    }
  };
  await Promise.all(users.map(live));
  expect(done).toBe(ROUNDS * USERS);
  expect(authorizationServer.requests.filter(({ error }) => error)).toEqual([]);
}, 300_000);

test('from LibreChat to the addon and back, with tokens of either', async () => {
  const user = mixed.user();
  for (const signIn of ['signInWithLibreChat', 'signInWithAddon']) {
    expect(await user[signIn]()).toMatchObject({ result: expect.anything() });
    await expectSignedIn(user);
    for (const action of ['librechat', 'addon', 'librechat', 'addon']) {
      await user.expire();
      expect(await user[action](action === 'addon' ? 'call' : 'connect')).not.toHaveProperty('error');
      await expectSignedIn(user);
    }
    // Else nobody would have to sign in.
    await user.forget();
  }
}, 120_000);

test('a login and a refresh at the same moment: one of them is stored, whole', async () => {
  const user = mixed.user();
  await user.signInWithLibreChat();
  for (let round = 0; round < 10; round += 1) {
    await user.expire();
    const finish = await user.beginWithLibreChat();
    const [login] = await Promise.all([finish(), user.addon('call')]);
    // The login that came second is refused, and the user tries again.
    if (login.error) expect(login.error).toBe('binding');
    await expectSignedIn(user);
  }
}, 120_000);

/** A refresh is three writes: the row that is there first, and the access token's before the others. */
const POINTS = [
  { when: 'before the first write', dieAt: { write: 1, moment: 'before' }, leaves: 'the rows of before' },
  { when: 'after the first write', dieAt: { write: 1, moment: 'after' }, leaves: 'rows of two sets' },
  { when: 'after the second write', dieAt: { write: 2, moment: 'after' }, leaves: 'rows of two sets' },
  { when: 'after the third write', dieAt: { write: 3, moment: 'after' }, leaves: 'everything' },
];
const SIDES = [
  { dies: 'librechat', action: 'connect' },
  { dies: 'addon', action: 'call' },
];
const WAYS = [
  { found: 'expired', way: 'expire' },
  { found: 'gone', way: 'expireAndVanish' },
];
const CASES = SIDES.flatMap((side) => WAYS.flatMap((way) => POINTS.map((point) => ({ ...side, ...way, ...point }))));

describe('kill -9 of who refreshes', () => {
  test.each(CASES)('$dies dies $when of a refresh of a token $found', async ({ dies, action, way, dieAt, leaves }) => {
    const user = mixed.user();
    await user.signInWithLibreChat();
    const before = await user.sets();
    await user[way]();
    await expect(user[dies](action, { dieAt })).rejects.toThrow('SIGKILL');
    await user.ageFlow();

    if (leaves === 'everything') {
      await expectSignedIn(user);
      expect(await user.addon('call')).not.toHaveProperty('error');
      return;
    }
    // The provider has rotated, and nobody has what it gave: nobody reads a token.
    for (const { active, error } of await user.read()) expect({ active, error }).not.toMatchObject({ active: true });
    const set = before.mcp_oauth_client;
    const sets = Object.values(await user.sets());
    if (leaves === 'rows of two sets') expect(new Set(sets).size).toBe(2);
    else expect(sets.every((other) => other === set)).toBe(true);

    // Both ask the user, and what is left does not stand in the way of the login, wherever it is stored.
    await user.librechat('connect');
    expect((await user.librechat('connect')).result ?? null).toBeNull();
    const { result } = await user.addon('reinit');
    expect(result).toEqual({ oauthUrl: expect.any(String) });
    const login = dies === 'addon' ? await user.signInWithLibreChat() : await user.signInWithAddon();
    expect(login).toMatchObject({ result: expect.anything() });
    await expectSignedIn(user);
  });
});
