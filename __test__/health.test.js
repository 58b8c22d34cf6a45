/** `runtime.health()`, and `close({ drainMs })`: what a pod says of itself, and how it goes. */

const { ECHO } = require('./support/calls');
const { useEnvironment } = require('./support/environment');
const faults = require('./support/faults');
const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');
const { noOpenSockets, settlesWithin, until } = require('./support/wait');

useEnvironment({ MCP_CB_MAX_FAILED_ROUNDS: '1' });

const fixtures = useFixtures();
const user = createUser();
const CLOSED = { code: 'MCP_CLOSED' };

/** A runtime whose tool calls wait in the server until `answer()`. */
async function withWaitingCall() {
  const server = await fixtures.server();
  const { runtime } = fixtures.runtime({ servers: { srv: server.config() }, allow: [server] });
  const calls = [];
  server.fault = faults.on('tools/call', ({ message, response }) => calls.push({ message, response }));
  const call = runtime.manager.callTool({ ...ECHO, user });
  call.catch(() => {});
  await until('the call at the server', () => calls.length === 1);
  const answer = () => {
    const [{ message, response }] = calls;
    const result = { content: [{ type: 'text', text: 'at last' }] };
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ jsonrpc: '2.0', id: message.id, result }));
  };
  return { server, runtime, call, answer };
}

describe('health', () => {
  test('of a runtime that has done nothing', async () => {
    const { runtime } = fixtures.runtime({ servers: {} });
    expect(runtime.health()).toEqual({ takesCalls: true, servers: {} });
    await runtime.close();
    expect(runtime.health()).toEqual({ takesCalls: false, servers: {} });
  });

  test('counts the connections of all users by server', async () => {
    const server = await fixtures.server();
    const config = { ...server.config(), startup: false };
    const { runtime } = fixtures.runtime({ servers: { srv: config }, allow: [server] });
    for (const one of [user, createUser('another')]) await runtime.reinitMCPServer({ user: one, serverName: 'srv' });
    const connections = { connected: 2, connecting: 0, error: 0 };
    expect(runtime.health().servers).toEqual({ srv: { connections, blocked: 0 } });
  });

  test('says why a server could not be reached, and for how long it is left alone', async () => {
    const server = await fixtures.server();
    server.fault = faults.html();
    const before = Date.now();
    const { runtime } = fixtures.runtime({ servers: { srv: server.config() }, allow: [server] });
    const { error } = await runtime.reinitMCPServer({ user, serverName: 'srv' });
    await runtime.reinitMCPServer({ user, serverName: 'srv' });
    const { srv } = runtime.health().servers;
    expect(srv).toMatchObject({ blocked: 1, lastFailure: { code: error.code, message: error.message } });
    expect(srv.retryAfterMs).toBeGreaterThan(0);
    expect(srv.lastFailure.at).toBeGreaterThanOrEqual(before);
    server.fault = undefined;
    runtime.MCPConnection.clearCooldown('srv');
    await expect(runtime.reinitMCPServer({ user, serverName: 'srv' })).resolves.toMatchObject({ success: true });
    expect(runtime.health().servers.srv).toEqual({
      connections: { connected: 1, connecting: 0, error: 0 },
      blocked: 0,
      lastFailure: srv.lastFailure,
    });
  });

  test('a user who has to authorize is no failure of the server', async () => {
    const server = await fixtures.server();
    server.fault = ({ response }) => response.writeHead(401, { 'www-authenticate': 'Bearer' }).end();
    const { runtime } = fixtures.runtime({ servers: { srv: server.config() }, allow: [server] });
    await runtime.reinitMCPServer({ user, serverName: 'srv' });
    expect(runtime.health().servers.srv?.lastFailure).toBeUndefined();
  });
});

describe('close({ drainMs })', () => {
  test('lets a call end, and takes no other', async () => {
    const { server, runtime, call, answer } = await withWaitingCall();
    const closed = runtime.close({ drainMs: 60_000 });
    expect(runtime.health().takesCalls).toBe(false);
    await expect(runtime.manager.callTool({ ...ECHO, user })).rejects.toMatchObject(CLOSED);
    await expect(runtime.oauth.getFlowState('f', {})).rejects.toMatchObject(CLOSED);
    await runtime.manager.disconnectAppServers();
    answer();
    await expect(call).resolves.toEqual(['at last', undefined]);
    await closed;
    await noOpenSockets(server);
  });

  test('ends what takes longer', async () => {
    const { runtime, call } = await withWaitingCall();
    await runtime.close({ drainMs: 20 });
    await expect(call).rejects.toMatchObject(CLOSED);
  });

  test('ends at once where nothing is under way', async () => {
    const { runtime } = fixtures.runtime({ servers: {} });
    await settlesWithin(20_000, runtime.close({ drainMs: 3_600_000 }));
  });

  test('a second close() ends the wait', async () => {
    const { runtime, call } = await withWaitingCall();
    const draining = runtime.close({ drainMs: 3_600_000 });
    await until('draining', () => !runtime.health().takesCalls);
    await runtime.close();
    await draining;
    await expect(call).rejects.toMatchObject(CLOSED);
  });

  test.each(['soon', 7, { drainMs: '100' }])('refuses %j', async (wrong) => {
    const { runtime } = fixtures.runtime({ servers: {} });
    await expect(runtime.close(wrong)).rejects.toThrow(/^close: /);
    expect(runtime.health().takesCalls).toBe(true);
  });
});
