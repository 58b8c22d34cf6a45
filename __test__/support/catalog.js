/** LibreChat's part in recovering a server's catalog: what its `loadMCPServerCatalogs` does with a server without tools. */

/** As LibreChat's schema fills it in, with short waits for what a test does not look at. */
const POLICY = {
  discoveryBackoffMs: [60_000],
  discoveryTimeoutMs: 10_000,
  discoverySettleGraceMs: 10_000,
  reauthRetryMs: 60_000,
};

const after = (milliseconds, value) => new Promise((done) => setTimeout(done, milliseconds, value).unref());

/**
 * Discovers, unless the tracker knows better. `discover` stands for the manager's function.
 * @returns `{ tools, state? }`, as LibreChat's tracker gives it
 */
function recover(manager, { policy, generation, discover = manager.discoverServerTools, ...params }) {
  const whole = { ...POLICY, ...policy };
  const { user, serverName, serverConfig = {} } = params;
  const discovery = async (_publish, detach) => {
    const { discoveryTimeoutMs, discoverySettleGraceMs } = whole;
    const pending = discover({
      user,
      serverName,
      deadlineMs: Date.now() + discoveryTimeoutMs,
      onDiscoveryDetached: detach,
    });
    const late = after(discoveryTimeoutMs + discoverySettleGraceMs, 'late');
    const found = await Promise.race([pending.catch(() => ({ tools: null })), late]);
    if (found === 'late') {
      detach(pending);
      return { serverName, tools: null, state: 'backoff' };
    }
    const { tools, oauthRequired, authenticationKind } = found;
    if (oauthRequired && authenticationKind === 'oauth') return { serverName, tools, state: 'reauth_required' };
    return { serverName, tools, ...(tools === null && { state: 'backoff' }) };
  };
  const tracker = manager.getCatalogRecoveryTracker();
  return tracker.run(user, { serverName, serverConfig }, whole, generation, discovery);
}

/** A discovery in place of the manager's that can be told what it comes to, and when; counts its calls. */
function discovering(outcome = { tools: null, oauthRequired: false }) {
  let pending;
  const discover = jest.fn(() => pending ?? Promise.resolve(outcome));
  discover.hold = () => {
    pending = new Promise((done) => {
      discover.release = () => {
        pending = undefined;
        done(outcome);
      };
    });
  };
  return discover;
}

module.exports = { POLICY, discovering, recover };
