const { randomBytes } = require('node:crypto');
const { join } = require('node:path');
const { setTimeout: delay } = require('node:timers/promises');
const { startScript } = require('../librechat/servers/processes');
const { startBalancer } = require('./balancer');
const { startRedis } = require('./redis');

const POLL_MS = 20;

/**
 * @typedef {object} Counts
 * @property {Record<'shared' | 'personal' | 'protected', number>} initialize  by MCP server
 * @property {number} calls           of tools, that the MCP servers saw
 * @property {number} refreshTokens   that were redeemed
 * @property {number} mostOfOneToken  how often the one was redeemed that was redeemed most
 * @property {number} refused         redemptions
 */

/**
 * Redis, an authorization server, three MCP servers, three pods and a balancer before them.
 *
 * @param {object} options
 * @param {number[]} options.ports  ten
 * @param {number} options.accessTokenSeconds
 * @param {{ url: string, pid?: number, close(): unknown }} [options.redis]  one that runs; its URL is as `pod.js` takes it
 */
async function startFleet({ ports, accessTokenSeconds, redis: given }) {
  const [redisPort, authorization, shared, personal, guarded, control, balancerPort, ...podPorts] = ports;
  const password = randomBytes(8).toString('hex');
  /** @type {{ close(): unknown }[]} */
  const started = [];
  /** @template {{ close(): unknown }} T @param {T} thing */
  const keep = (thing) => {
    started.push(thing);
    return thing;
  };
  const close = async () => {
    for (const thing of started.splice(0).reverse()) await thing.close();
  };

  try {
    const redis = keep(given ?? (await startRedis(redisPort)));
    const controlUrl = `http://127.0.0.1:${control}`;
    const options = {
      ports: { authorization, shared, personal, protected: guarded, control },
      accessTokenSeconds,
      password,
    };
    const script = join(__dirname, 'servers.mjs');
    const servers = keep(await startScript(script, [JSON.stringify(options)], { url: `${controlUrl}/counts` }));

    /** @param {number} port @param {object} more */
    const config = (port, more) => ({ type: 'streamable-http', url: `http://127.0.0.1:${port}/mcp`, ...more });
    const mcpServers = {
      shared: config(shared, { requiresOAuth: false }),
      personal: config(personal, { requiresOAuth: false, headers: { 'x-user': '{{LIBRECHAT_USER_ID}}' } }),
      protected: config(guarded, { requiresOAuth: true }),
    };
    // Loopback addresses are refused unless they are allowed by name.
    const allowedAddresses = [authorization, shared, personal, guarded].map((port) => `127.0.0.1:${port}`);
    const env = {
      REDIS_URL: redis.url,
      MCP_CONFIG: JSON.stringify({ mcpServers, mcpSettings: { allowedAddresses } }),
      DOMAIN_SERVER: `http://127.0.0.1:${balancerPort}`,
      CREDS_KEY: randomBytes(32).toString('hex'),
    };
    /** @param {number} port */
    const startPod = (port) => {
      const url = `http://127.0.0.1:${port}`;
      return startScript(join(__dirname, 'pod.js'), [], { url: `${url}/ready`, env: { ...env, PORT: String(port) } });
    };
    const pods = await Promise.all(podPorts.map(startPod));
    keep({ close: () => Promise.all(pods.map((pod) => pod.close())) });
    const urls = podPorts.map((port) => `http://127.0.0.1:${port}`);
    const balancer = keep(await startBalancer(urls, balancerPort));
    const isReady = async (/** @type {string} */ url) => {
      while (!balancer.isReady(url)) await delay(POLL_MS);
    };
    await Promise.all(urls.map(isReady));

    return {
      url: balancer.url,
      password,
      redis,
      pods,
      servers,
      elsewhere: balancer.elsewhere,
      /** @returns {Promise<Counts>} */
      counts: async () => /** @type {any} */ ((await fetch(`${controlUrl}/counts`)).json()),
      /** The access tokens that a user has are of no use any more; refresh tokens are. @param {string} user */
      withdraw: (user) => fetch(`${controlUrl}/withdraw?user=${user}`, { method: 'POST' }),
      /** Ends a pod as a rollout does, and starts it again; resolves to the milliseconds that it drained. @param {number} index */
      async restart(index) {
        await pods[index].close();
        const [, drained] = /drained in (\d+) ms/.exec(pods[index].output()) ?? [];
        if (!drained) throw new Error(`a pod did not end as it should:\n${pods[index].output()}`);
        pods[index] = await startPod(podPorts[index]);
        await isReady(urls[index]);
        return Number(drained);
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

module.exports = { startFleet };
