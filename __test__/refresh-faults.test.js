/** A few rounds of what `scripts/refresh-faults.js` measures: faults that cost nobody a login. */

const { startFaultyFleet } = require('./support/refresh-faults');
const { KINDS } = require('./support/refresh-faults/kinds');

const USERS = 3;
/** At a point where a busy machine makes a refresh late, which is never sent then, and loses none. */
const BEFORE_IT_SENDS = 'before findToken mcp_oauth_client';

const kind = (name) => KINDS.find((it) => it.name === name);

let fleet;
beforeAll(async () => {
  fleet = await startFaultyFleet({ users: USERS });
}, 300_000);
afterAll(() => fleet?.close());

test.each([
  kind('nothing'),
  kind('`SIGSTOP`, all rows stored'),
  kind('who refreshes is cut off from Redis'),
  { ...kind('Redis restarts with its data'), point: BEFORE_IT_SENDS },
])('$name: no refresh token is sent twice, and nobody has to sign in again', async (it) => {
  const rounds = await fleet.round(it);
  const right = { sentTwice: false, isLost: false };
  expect(rounds).toEqual(Array(USERS).fill(expect.objectContaining(right)));
  expect(rounds.some(({ isHit }) => isHit)).toBe(true);
});
