const { isDeepStrictEqual } = require('node:util');
const { ECHO } = require('./calls');
const { useFixtures } = require('./fixtures');
const { createUser } = require('./host');

/**
 * A server called `srv` and a host of August 2026, with allowlists of tenants.
 *
 * @param options.rules   `(whose) => allowlists` in place of the registry's
 * @param options.shared  whether users share the connection
 */
async function createWorld(fixtures, user, { config, services, server: options, rules, shared = true } = {}) {
  const server = await fixtures.server({ capabilities: { tools: { listChanged: true } }, ...options });
  const base = server.config({ startup: shared, source: 'yaml', ...config });
  const host = fixtures.runtime({ servers: { srv: base }, allow: [server], services });
  const { registry, runtime } = host;
  const asked = [];
  registry.isAppServerConfig = async function isAppServerConfig(name, effective) {
    return isDeepStrictEqual(this.servers[name], effective);
  };
  registry.resolveAllowlists = async function resolveAllowlists(whose) {
    asked.push(whose);
    const own = { allowedDomains: this.allowedDomains, allowedAddresses: this.allowedAddresses };
    const found = { ...own, ...rules?.(whose) };
    return { ...found, useSSRFProtection: !found.allowedDomains?.length };
  };
  const params = { user, serverName: 'srv' };
  const call = (extra) => runtime.manager.callTool({ ...ECHO, user, ...extra });
  const reinit = (extra) => runtime.reinitMCPServer({ ...params, ...extra });
  return { ...host, server, base, params, asked, call, reinit, manager: runtime.manager };
}

/** `world(options)` makes one for a test; what it starts is closed after it. Call once at the top of a suite. */
function useCurrentHost() {
  const fixtures = useFixtures();
  const user = createUser({ role: 'ADMIN' });
  return { fixtures, user, world: (options) => createWorld(fixtures, user, options) };
}

module.exports = { useCurrentHost };
