/** `createMCPRuntime({ config, redis })`: what users have stored is in a Redis, not on disk. */

/** Logins stay with the process that began them, whose own port their browsers come back to. */
const MEMBERS = ['lock', 'tokenMethods', 'exchangedTokens', 'sharedSessions', 'limits', 'toolPins'];

const invalid = (problem) => Object.assign(new Error(`createMCPRuntime: ${problem}`), { code: 'MCP_INVALID_CONFIG' });

/** Whether that is the URL of a Redis. It may have a password, and is never repeated. */
function isUrl(text) {
  if (typeof text !== 'string' || !URL.canParse(text)) return false;
  const { protocol, hostname, pathname, username, password } = new URL(text);
  try {
    decodeURIComponent(username + password);
  } catch {
    return false;
  }
  return /^rediss?:$/.test(protocol) && hostname !== '' && /^\/?\d*$/.test(pathname);
}

function check(host) {
  if (!isUrl(host.redis)) {
    throw new TypeError('createMCPRuntime: host.redis must be a URL: redis://… or rediss://…, with a host');
  }
  if (host.config === undefined || host.config === null) {
    throw new TypeError(
      'createMCPRuntime: host.redis needs host.config; a host with a registry gives redisServices(client)',
    );
  }
  if (!host.credentialsKey && !process.env.CREDS_KEY) {
    throw invalid(
      'host.redis needs the key that stored tokens are encrypted with, the same in all processes: set CREDS_KEY, or give host.credentialsKey, 32 bytes in hex',
    );
  }
}

/** The host, with services of its Redis in place of those that it does not give. */
function served(host, services) {
  const added = MEMBERS.filter((name) => host[name] === undefined || host[name] === null);
  const members = added.map((name) => [name, { value: services[name], enumerable: true }]);
  return Object.create(host, { ...Object.fromEntries(members), redis: { value: undefined } });
}

/** @param {(host: any) => any} create  the addon's function */
function withRedis(create) {
  return function createMCPRuntime(host) {
    if (host?.redis === undefined || host.redis === null) return create(host);
    check(host);
    // What nearly nobody needs takes milliseconds to load.
    const { connectionTo, installedOpener } = require('../redis/connection.js');
    const { servicesOver } = require('../redis/services.js');
    const open = installedOpener();
    if (!open) throw invalid('host.redis needs ioredis or redis. Run: npm install ioredis');
    const connection = connectionTo(host.redis, open, {
      onAway: (why) => host.logger?.warn(`[MCP] Redis cannot be reached: ${why}`),
      onBack: () => host.logger?.info('[MCP] Redis can be reached again'),
    });
    const runtime = create(served(host, servicesOver(connection.run)));
    const { close } = runtime;
    runtime.close = async (...args) => {
      await close(...args);
      await connection.close();
    };
    return runtime;
  };
}

module.exports = { withRedis };
