const { startAuthorizationServer } = require('../authorization-server');
const { createUser } = require('../host');
const { startMongo } = require('../mongo');
const { startProtectedServer } = require('../protected-server');
const { startRedis } = require('../redis');
const { openTokenStore } = require('../token-store');
const { openAdmin } = require('../redis-clients');
const { until } = require('../wait');
const { startPod } = require('./pod');
const { openSignIn } = require('./sign-in');

const PODS = 3;
/** Longer than a process waits for another. */
const LIMIT_MS = 90_000;

/** A user is asked to sign in for whatever no other try can help with. */
const isForNow = ({ retryable }) => retryable === true;

/** The requests whose refresh token is in another of them as well. */
function sentTwice(requests) {
  const times = new Map();
  for (const { body } of requests) times.set(body.refresh_token, (times.get(body.refresh_token) ?? 0) + 1);
  return requests.filter(({ body }) => times.get(body.refresh_token) > 1);
}

/** LibreChat's own manager does not say for whom it asks; the other one that asks does. */
const usersOf = (requests) => new Set(requests.map(({ headers }) => headers['x-user']));

/**
 * Three processes that need the tokens of the same users at the same moment, when these have expired, while something
 * happens to one of them or to Redis. The authorization server takes a refresh token once, and revokes the grant when it
 * sees one again.
 *
 * @param options.withLock       whether the host has a `lock`
 * @param options.withLibreChat  whether the last process is LibreChat's own manager
 * @param options.users          how many
 * @returns `{ round, close }`
 */
async function startFaultyFleet({ withLock = true, withLibreChat = false, users: count }) {
  const open = [];
  const keep = (thing) => {
    open.push(thing);
    return thing;
  };
  const mongo = keep(await startMongo());
  const authorizationServer = keep(await startAuthorizationServer());
  const server = keep(await startProtectedServer(authorizationServer));
  const store = keep(await openTokenStore(mongo));
  const redis = keep(await startRedis(['--appendonly', 'yes']));
  const allow = [server.address, authorizationServer.address];
  const users = Array.from({ length: count }, () => createUser());

  /** The pods by which a user's refresh is held just now. */
  let heldBy = new Map();
  const holds = (pod) => (user) => heldBy.set(user, [...(heldBy.get(user) ?? []), Number(pod)]);
  const pods = [];
  for (let pod = 0; pod < PODS; pod += 1) {
    const isLibreChat = withLibreChat && pod === PODS - 1;
    const oauth_headers = { 'x-pod': String(pod), 'x-user': '{{LIBRECHAT_USER_ID}}' };
    const parameters = { mongo, withLock, config: server.config({ oauth_headers }), allow };
    const script = isLibreChat ? 'refresh-librechat.js' : 'refresh.js';
    pods.push(keep(await startPod(script, parameters, redis, holds(pod))));
  }

  const { signIn } = keep(openSignIn({ authorizationServer, server, store, allow }));
  await signIn(users);

  const admin = openAdmin(redis.port);
  keep({ close: async () => admin.disconnect() });
  async function expireAll() {
    const expiresAt = new Date(Date.now() - 60_000);
    await store.models.Token.updateMany({ type: 'mcp_oauth' }, { expiresAt });
    // LibreChat's own manager keeps tokens in flows as well.
    if (withLibreChat) await admin.call('FLUSHALL');
  }

  /** Resolves to a function that lets all go on that are held there. */
  async function holdAt(point) {
    heldBy = new Map();
    const letPodsGo = () => {
      for (const pod of pods) pod.goOn();
    };
    if (!['received', 'carried out'].includes(point)) return letPodsGo;
    return authorizationServer.holdAll(point, ({ 'x-pod': pod, 'x-user': user }) => holds(pod)(user));
  }

  /** The one that most users depend on. */
  function refresher() {
    const counts = pods.map((_, pod) => [...heldBy.values()].filter((by) => by.includes(pod)).length);
    return counts.indexOf(Math.max(...counts));
  }

  /** Those of the users whom a process asks to sign in, when what may pass has passed. */
  async function askedBy(pod, waiting) {
    const asked = new Set();
    let left = waiting;
    const isOver = async () => {
      const failures = await pod.ask(left);
      for (const failure of failures) if (!isForNow(failure)) asked.add(failure.user);
      left = left.filter(({ id }) => !asked.has(id) && failures.some(({ user }) => user === id));
      return left.length === 0;
    };
    await until('an answer that is not for now', isOver, LIMIT_MS);
    return waiting.filter(({ id }) => asked.has(id));
  }

  /** Signs in who cannot get a token any more. On a busy machine a process may ask somebody else, but not time and again. */
  async function findLost() {
    await expireAll();
    const [first, second] = pods;
    return signIn(await askedBy(second, await askedBy(first, users)));
  }

  return {
    pods,
    redis,

    /**
     * All users' tokens have expired, and all processes are asked for all users.
     *
     * @param kind  of `KINDS`
     * @returns for each user `{ isHit, failures, sentTwice, isLost }`: whether it was refreshed by the process that
     *   something happened to, what went wrong at those that are alive, whether a refresh token was sent twice, and whether
     *   the user has to sign in again
     */
    async round({ point, begin, happens, isEarly }) {
      const fault = await begin?.({ redis, pods });
      await expireAll();
      const before = authorizationServer.requests.length;
      const goOn = await holdAt(point);
      let answered = 0;
      const answers = pods.map(async (pod) => {
        const failures = await pod.ask(users, point);
        answered += 1;
        return failures ?? [];
      });
      let isHit = () => true;
      if (point) {
        const isTime = () => heldBy.size >= (isEarly ? 1 : users.length) || answered === PODS;
        await until('the refreshes', isTime, LIMIT_MS);
        const at = refresher();
        if (happens.isOfPod) isHit = ({ id }) => heldBy.get(id)?.includes(at);
        const others = answers.filter((_, pod) => pod !== at);
        await happens({
          pod: pods[at],
          pods,
          redis,
          fault,
          goOn,
          others: Promise.all(others),
          all: Promise.all(answers),
        });
      }
      const failures = (await Promise.all(answers)).flat();
      const sent = authorizationServer.requests.slice(before).filter(({ grantType }) => grantType === 'refresh_token');
      const lost = await findLost();
      const twice = usersOf(sentTwice(sent));
      return users.map((user) => {
        return {
          isHit: isHit(user),
          failures: failures.filter((failure) => failure.user === user.id),
          sentTwice: twice.has(user.id),
          isLost: lost.includes(user),
        };
      });
    },

    async close() {
      for (const thing of open.reverse()) await thing.close();
    },
  };
}

module.exports = { startFaultyFleet };
