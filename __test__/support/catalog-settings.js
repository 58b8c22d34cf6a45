/** What the members of `mcpSettings.catalogRecovery` change, by key, for the test of all keys of LibreChat's schemas. */

const { POLICY, discovering, recover } = require('./catalog');
const { until } = require('./wait');

/** @param settingOfTheHost  the effect of what LibreChat's own functions read */
function effectsOfRecovery({ fixtures, user, settingOfTheHost }) {
  /** A manager whose catalogs LibreChat recovers, with what its config says for the manager. */
  async function catalogs(options = {}, server = {}) {
    const { url } = server;
    const { runtime } = fixtures.runtime({
      servers: { srv: { type: 'http', url: url ?? 'http://127.0.0.1:9/', requiresOAuth: false, startup: false } },
      allow: url ? [server] : [],
    });
    const manager = await runtime.MCPManager.createInstance({}, options);
    const again = (policy, params) => recover(manager, { user, serverName: 'srv', policy, ...params });
    return { manager, again };
  }

  /** How often a server is asked whose catalog is recovered twice with this policy, and with another until it is asked again. */
  const retried = (outcome, never, atOnce) => async () => {
    const { again } = await catalogs();
    const discover = discovering(outcome);
    for (let round = 0; round < 2; round++) await again(never, { discover });
    expect(discover).toHaveBeenCalledTimes(1);
    await until('the server is asked again', async () => {
      await again(atOnce, { discover });
      return discover.mock.calls.length > 2;
    });
  };

  /** In `mcpSettings.catalogRecovery`. The rest are waits of LibreChat's own, around its caches. */
  const effects = {
    discoveryBackoffMs: retried({ tools: null }, { discoveryBackoffMs: [60_000] }, { discoveryBackoffMs: [1] }),
    reauthRetryMs: retried(
      { tools: null, oauthRequired: true, authenticationKind: 'oauth' },
      { reauthRetryMs: 60_000 },
      { reauthRetryMs: 1 },
    ),
    discoveryTimeoutMs: async () => {
      const server = await fixtures.server({ fault: ({ message }) => message?.method === 'initialize' });
      const { again } = await catalogs({}, server);
      const policy = { discoveryTimeoutMs: 100, discoverySettleGraceMs: 300_000 };
      expect(await again(policy)).toMatchObject({ tools: null, state: 'backoff' });
    },
    discoverySettleGraceMs: async () => {
      const { again } = await catalogs();
      const discover = discovering();
      discover.hold();
      for (let round = 0; round < 2; round++) {
        const policy = { discoveryTimeoutMs: 1, discoverySettleGraceMs: 1, discoveryBackoffMs: [1] };
        expect(await again(policy, { discover })).toMatchObject({ tools: null });
      }
      expect(discover).toHaveBeenCalledTimes(1);
      discover.release();
    },
    maxStateEntries: async () => {
      const { again } = await catalogs({ catalogRecoveryMaxStateEntries: 1 });
      const discover = discovering();
      for (const serverName of ['a', 'b', 'a']) await again({}, { serverName, discover });
      expect(discover).toHaveBeenCalledTimes(3);
    },
    maxDetachedDiscoveries: async () => {
      const { manager } = await catalogs({ catalogRecoveryMaxDetachedDiscoveries: 1 });
      const tracker = manager.getCatalogRecoveryTracker();
      const admits = (serverName) => tracker.admitsDiscovery(user, { serverName, serverConfig: {} }, POLICY);
      expect(admits('b')).toBe(true);
      tracker.detachDiscovery(user, { serverName: 'a', serverConfig: {} }, POLICY, new Promise(() => {}));
      expect(admits('b')).toBe(false);
    },
    generationReadTimeoutMs: settingOfTheHost,
    authorizationFenceRetryMs: settingOfTheHost,
    authorizationFenceTimeoutMs: settingOfTheHost,
    authorizationFenceRetryIntervalMs: settingOfTheHost,
    authorizationFenceRetryBatchSize: settingOfTheHost,
  };

  return Object.fromEntries(
    Object.entries(effects).map(([key, effect]) => [`mcpSettings.catalogRecovery.${key}`, effect]),
  );
}

module.exports = { effectsOfRecovery };
