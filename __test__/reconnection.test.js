/** `runtime.OAuthReconnectionManager`: users' servers come back after a restart, from stored tokens, asking nobody. */

const { useAuthorization } = require('./support/authorization');
const { until } = require('./support/wait');

const suite = useAuthorization();

/** A restarted host with a user who had authorized before, and its reconnection manager. */
async function restarted(options) {
  const host = await suite.host(options);
  await host.authorize();
  await host.restart();
  return { ...host, ...(await manager(host)) };
}

async function manager({ runtime, flowManager, store, user }) {
  const { OAuthReconnectionManager } = runtime;
  const reconnection = await OAuthReconnectionManager.createInstance(flowManager, store.services.tokenMethods);
  const settled = () => until('the end of the reconnection', () => !reconnection.isReconnecting(user.id, 'srv'));
  return { OAuthReconnectionManager, reconnection, settled };
}

const sessions = (host) => host.server.received('initialize').filter(({ headers }) => headers.authorization);

test('there is one manager of a runtime', async () => {
  const host = await suite.host();
  expect(() => host.runtime.OAuthReconnectionManager.getInstance()).toThrow('OAuthReconnectionManager not initialized');
  const { OAuthReconnectionManager, reconnection } = await manager(host);
  expect(OAuthReconnectionManager.getInstance()).toBe(reconnection);
  await expect(manager(host)).rejects.toThrow('OAuthReconnectionManager already initialized');
});

test('reconnects with the stored token, and calls use that connection', async () => {
  let release;
  const released = new Promise((resolve) => {
    release = resolve;
  });
  const fault = async ({ message }) => {
    if (message?.method === 'initialize') await released;
    return false;
  };
  const host = await restarted({ server: { fault } });
  await host.reconnection.reconnectServers(host.user.id);
  expect(host.reconnection.isReconnecting(host.user.id, 'srv')).toBe(true);
  release();
  await host.settled();
  expect(sessions(host)).toHaveLength(1);
  expect(await host.echo('hello')).toContain('hello');
  expect(sessions(host)).toHaveLength(1);
});

test('refreshes an expired token first, and asks nobody', async () => {
  const host = await restarted();
  await host.store.expire(host.user.id);
  const before = suite.authorizationServer.refreshes().length;
  expect(await host.reconnection.reconnectServer(host.user.id, 'srv')).toBe(true);
  expect(suite.authorizationServer.refreshes()).toHaveLength(before + 1);
  expect(sessions(host)).toHaveLength(1);
  expect(await host.flowManager.getFlowState(`${host.user.id}:srv`, 'mcp_oauth')).toMatchObject({
    status: 'COMPLETED',
  });
});

test('a user without tokens is left alone', async () => {
  const host = await suite.host();
  const { reconnection } = await manager(host);
  await reconnection.reconnectServers(host.user.id);
  expect(reconnection.isReconnecting(host.user.id, 'srv')).toBe(false);
  expect(host.server.requests).toEqual([]);
  expect(await host.flowManager.getFlowState(`${host.user.id}:srv`, 'mcp_oauth')).toBeNull();
});

test('a server that is connected is left alone', async () => {
  const host = await restarted();
  await host.reinit();
  const before = sessions(host).length;
  await host.reconnection.reconnectServers(host.user.id);
  expect(host.reconnection.isReconnecting(host.user.id, 'srv')).toBe(false);
  expect(sessions(host)).toHaveLength(before);
});

test('after a failure a server is not tried again until the user has authorized', async () => {
  const host = await restarted();
  const { reconnection, user, server } = host;
  const { mcp_oauth: token } = await host.store.plain(user.id);
  const row = { userId: user.id, type: 'mcp_oauth_refresh' };
  await host.store.services.tokenMethods.deleteTokens(row);
  server.refused.add(token);
  expect(await reconnection.reconnectServer(user.id, 'srv')).toBe(false);
  expect(reconnection.getTrackerStats()).toEqual({
    usersWithFailedServers: 1,
    usersWithActiveReconnections: 0,
    activeTimestamps: 0,
  });

  const before = server.requests.length;
  await reconnection.reconnectServers(user.id);
  expect(reconnection.isReconnecting(user.id, 'srv')).toBe(false);
  expect(server.requests).toHaveLength(before);

  server.refused.clear();
  reconnection.clearReconnection(user.id, 'srv');
  await reconnection.reconnectServers(user.id);
  await host.settled();
  expect(await host.echo('hello')).toContain('hello');
  expect(reconnection.getTrackerStats().usersWithFailedServers).toBe(0);
});

test('close() ends reconnections that are under way', async () => {
  const host = await restarted({ server: { fault: ({ message }) => message?.method === 'initialize' } });
  await host.reconnection.reconnectServers(host.user.id);
  await until('the reconnection', () => sessions(host).length > 0);
  await host.runtime.close();
  await until('the end of its requests', () => host.server.inFlight() === 0);
  await expect(host.reconnection.reconnectServers(host.user.id)).rejects.toMatchObject({ code: 'MCP_CLOSED' });
});
