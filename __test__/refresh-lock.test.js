/** A host's `lock` that does not answer, or that somebody keeps. */

const { useAuthorization } = require('./support/authorization');
const { ECHO } = require('./support/calls');
const { MemoryLock } = require('./support/memory-services');
const { delay, until } = require('./support/wait');

const UNANSWERED =
  '[MCP] lock.acquire failed to answer, going on with tokens that are still good: no answer within 2 s';
const KEPT = '[MCP] lock.acquire failed to come free, going on with tokens that are still good: Another process holds';
/** What the log says when a refresh has waited for its lock for as long as it may. */
const GIVEN_UP = 'OAuth token loading failed';
/** Tokens are due half a minute before they end, and good until then. */
const DUE_MS = 25_000;

const suite = useAuthorization();

/** A user who is signed in, and a lock whose next answers are `lock.answer`'s. */
async function setup() {
  const real = new MemoryLock();
  const lock = {
    answer: (key, ttlMs) => real.acquire(key, ttlMs),
    acquire: (...args) => lock.answer(...args),
  };
  const host = await suite.host({ services: { lock } });
  await host.authorize();
  const before = suite.authorizationServer.refreshes().length;
  const told = (text) => host.logger.text().split(text).length - 1;
  return { ...host, lock, real, told, refreshes: () => suite.authorizationServer.refreshes().length - before };
}

test('a token that is due, and still good, is used while the lock does not answer; the refresh goes on by itself', async () => {
  const { echo, runtime, user, store, lock, real, told, refreshes } = await setup();
  const waiting = [];
  lock.answer = (...args) => new Promise((resolve) => waiting.push(() => resolve(real.acquire(...args))));
  await store.expire(user.id, DUE_MS);
  const call = { ...ECHO, user, toolArguments: { text: 'at once' } };
  const answers = await Promise.all([echo('at once'), runtime.manager.callTool(call)]);
  for (const answer of answers) expect(JSON.stringify(answer)).toContain('at once');
  expect([refreshes(), told(UNANSWERED), told(GIVEN_UP)]).toEqual([0, 1, 0]);
  for (const answer of waiting) answer();
  await until('the refresh', () => refreshes() === 1);
  await until('its answer', () => told('[MCP] lock.acquire answers again') === 1);
});

test('what others keep is not waited for with a token that is still good, and fails for now without one', async () => {
  const { echo, user, store, lock, told, refreshes, restart } = await setup();
  lock.answer = async () => null;
  await store.expire(user.id, DUE_MS);
  expect(await echo('still good')).toContain('still good');
  expect(told(KEPT)).toBe(0);
  await restart();
  // As slow as to answer after the connection's time.
  lock.answer = () => delay(8000).then(() => null);
  await store.expire(user.id);
  const failure = await echo('never').catch((error) => error);
  expect(failure).toMatchObject({ code: 'MCP_TOKEN_REFRESH_UNAVAILABLE', retryable: true });
  expect(failure.cause.message).toContain("Another process holds the host's `lock`");
  expect([refreshes(), told(KEPT)]).toEqual([0, 1]);
});
