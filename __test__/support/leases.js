const { useAuthorization } = require('./authorization');
const { LeasingFlowManager } = require('./flows');

const COORDINATED = { oauthRefreshCoordination: true };
/** What a call fails with that may work later. */
const UNAVAILABLE = { code: 'MCP_TOKEN_REFRESH_UNAVAILABLE', retryable: true };

const fenceOf = (userId) => JSON.stringify(['', userId, 'srv']);
const flightOf = (userId) => JSON.stringify(['refresh', '', userId, 'srv']);

/** A flow manager that tells what leases it was asked for, and which of them are still held. */
class WatchedFlowManager extends LeasingFlowManager {
  asked = [];
  held = new Set();

  async getLeaseGeneration(id) {
    this.asked.push(['generation', JSON.parse(id)]);
    return super.getLeaseGeneration(id);
  }

  async acquireLease(id, options) {
    this.asked.push(['lease', JSON.parse(id), options]);
    const lease = await super.acquireLease(id, options);
    if (!lease) return null;
    this.held.add(lease);
    const release = async () => {
      this.held.delete(lease);
      await lease.release();
    };
    return { ...lease, release };
  }

  /** What an uninstall does: what was begun before it is of no use any more. */
  async tearDown(userId, forget = async () => {}) {
    const lease = await this.acquireLease(fenceOf(userId), { advanceGeneration: true });
    await forget();
    await lease.release();
  }
}

/** `useAuthorization` for hosts whose flow manager has leases. Call once at the top of a suite. */
function useLeases() {
  const suite = useAuthorization();

  /** A user who is signed in, and whose token has expired. */
  suite.signedIn = async ({
    config = COORDINATED,
    services,
    flowManager = new WatchedFlowManager(),
    ...options
  } = {}) => {
    const host = await suite.host({ ...options, config, services: { ...services, flowManager } });
    await host.authorize();
    await host.store.expire(host.user.id);
    const before = suite.authorizationServer.refreshes().length;
    flowManager.asked = [];
    const refreshes = () => suite.authorizationServer.refreshes().length - before;
    return { ...host, refreshes, fence: fenceOf(host.user.id), flight: flightOf(host.user.id) };
  };

  return suite;
}

module.exports = { COORDINATED, UNAVAILABLE, WatchedFlowManager, fenceOf, useLeases };
