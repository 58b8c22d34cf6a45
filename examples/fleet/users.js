const { setTimeout: delay } = require('node:timers/promises');

const SERVERS = /** @type {const} */ (['shared', 'personal', 'protected']);
/** Between two calls of a user. */
const PAUSE_MS = 1_000;
const USERS_AT_ONCE = 8;

/**
 * @param {string} url
 * @param {object} body
 */
async function post(url, body) {
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(body) });
  return { status: response.status, body: /** @type {any} */ (await response.json()) };
}

/** @param {number} count */
const userNames = (count) => Array.from({ length: count }, (_, index) => `user-${index + 1}`);

/**
 * What a user's browser does: goes where it is sent, and signs in on the one page that there is.
 *
 * @param {{ url: string, password: string }} fleet
 * @param {string} user
 */
async function signIn({ url: origin, password }, user) {
  const { body } = await post(`${origin}/login`, { user, server: 'protected' });
  if (!body.oauthUrl) throw new Error(`there is nothing to be signed: ${JSON.stringify(body)}`);
  const cookies = new Map();
  let url = body.oauthUrl;
  for (;;) {
    const isPage = new URL(url).pathname.startsWith('/login/');
    const form = isPage && { method: 'POST', body: new URLSearchParams({ login: user, password }) };
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(url, { ...form, redirect: 'manual', headers: { cookie } });
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      cookies.set(name, value);
    }
    const text = await response.text();
    // Back at one of the pods.
    if (response.status === 200) return;
    const location = response.headers.get('location');
    if (!location) throw new Error(`${new URL(url).pathname} answered ${response.status}: ${text}`);
    url = new URL(location, url).href;
  }
}

/**
 * @param {string[]} users
 * @param {(user: string) => Promise<void>} work
 */
async function someAtOnce(users, work) {
  const waiting = [...users];
  const next = async () => {
    for (let user = waiting.shift(); user; user = waiting.shift()) await work(user);
  };
  await Promise.all(Array.from({ length: USERS_AT_ONCE }, next));
}

/**
 * @param {Parameters<typeof signIn>[0]} fleet
 * @param {string[]} users
 */
const signInAll = (fleet, users) => someAtOnce(users, (user) => signIn(fleet, user));

/**
 * A call of a server's tool; resolves to what went wrong, `undefined` where nothing did.
 *
 * @param {{ url: string }} fleet
 * @param {string} user
 * @param {typeof SERVERS[number]} server
 */
async function call({ url }, user, server) {
  const expected = server === 'shared' ? 'You are one of many' : `You are ${user}`;
  try {
    const { status, body } = await post(`${url}/call`, { user, server, tool: 'whoami', arguments: {} });
    if (status === 200 && body.content === expected) return undefined;
    return { user, server, status, ...body };
  } catch (error) {
    return { user, server, message: String(error) };
  }
}

/**
 * Every user calls every server once; resolves to what went wrong.
 *
 * @param {{ url: string }} fleet
 * @param {string[]} users
 */
async function callEach(fleet, users) {
  /** @type {Awaited<ReturnType<typeof call>>[]} */
  const outcomes = [];
  await someAtOnce(users, async (user) => {
    outcomes.push(...(await Promise.all(SERVERS.map((server) => call(fleet, user, server)))));
  });
  return outcomes.filter((outcome) => outcome !== undefined);
}

/**
 * All users call the servers in turn until `stop()`, which resolves to `{ requests, failures }`.
 *
 * @param {{ url: string }} fleet
 * @param {string[]} users
 */
function startLoad(fleet, users) {
  /** @type {NonNullable<Awaited<ReturnType<typeof call>>>[]} */
  const failures = [];
  let requests = 0;
  let isStopped = false;
  /** @param {string} user */
  async function work(user) {
    await delay(PAUSE_MS * Math.random());
    for (let turn = 0; !isStopped; turn += 1) {
      const failure = await call(fleet, user, SERVERS[turn % SERVERS.length]);
      requests += 1;
      if (failure) failures.push(failure);
      await delay(PAUSE_MS);
    }
  }
  const working = Promise.all(users.map(work));
  return {
    async stop() {
      isStopped = true;
      await working;
      return { requests, failures };
    },
  };
}

module.exports = { call, callEach, signInAll, startLoad, userNames };
