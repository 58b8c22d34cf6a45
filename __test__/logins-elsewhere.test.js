/** A logout or login at another process reaches every connection of a user, whatever session it has, and nothing undoes it. */

const { InMemoryTaskMessageQueue } = require('@modelcontextprotocol/sdk/experimental/tasks');
const { completeAuthorization, useAuthorization } = require('./support/authorization');
const { ECHO } = require('./support/calls');
const { useEnvironment } = require('./support/environment');
const { SessionStore, sessionsOf } = require('./support/session-store');
const { TaskStore } = require('./support/task-store');
const { until } = require('./support/wait');

// Processes ask whether there was one five seconds after they asked last.
useEnvironment({ MCP_USER_CONNECTION_IDLE_TIMEOUT: '20000' });
const suite = useAuthorization();

/** Token methods of a LibreChat whose rows have no credential sets. */
function withoutSets({ createToken, updateToken, ...methods }) {
  const stripped = (row) => {
    const { credential_set_id, ...metadata } = row.metadata ?? {};
    return { ...row, metadata };
  };
  return {
    ...methods,
    createToken: (row) => createToken(stripped(row)),
    updateToken: (filter, row) => updateToken(filter, stripped(row)),
  };
}

/** Two processes with one user and one store of sessions. */
async function setup({ server: serverOptions, change = (methods) => methods } = {}) {
  const sharedSessions = new SessionStore();
  const services = { sharedSessions };
  const first = await suite.host({ config: { startup: false }, server: serverOptions, services });
  const { server, user, flowManager, store } = first;
  const tokenMethods = change(first.services.tokenMethods);
  // Hosts that are started later get these.
  services.tokenMethods = tokenMethods;
  const start = () => {
    const host = first.start();
    const call = { ...ECHO, user };
    return {
      ...host,
      echo: (params) => host.runtime.manager.callTool({ ...call, ...params }),
      logOut: (params) => {
        const whose = { userId: user.id, serverName: 'srv', deleteToken: tokenMethods.deleteTokens };
        return host.runtime.tokens.deleteUserTokens({ ...whose, ...params });
      },
      /** Resolves to the access token. */
      async logIn() {
        const { oauthUrl } = await host.runtime.reinitMCPServer({ user, serverName: 'srv' });
        const { tokens } = await completeAuthorization(host, await suite.authorizationServer.signIn(oauthUrl));
        return tokens.access_token;
      },
    };
  };
  const called = () =>
    server.received('tools/call').map(({ headers }) => ({
      session: headers['mcp-session-id'],
      token: headers.authorization.replace('Bearer ', ''),
    }));
  /** The process uses this token, and no session that was called with another. */
  const untilUsed = async (token, process) => {
    await until('the login of now', async () => {
      await process.echo();
      return called().at(-1).token === token;
    });
    const { session } = called().at(-1);
    const tokens = called().filter((call) => call.session === session);
    expect(new Set(tokens.map((call) => call.token))).toEqual(new Set([token]));
  };
  const [here, there] = [start(), start()];
  return { server, user, flowManager, store, sharedSessions, here, there, called, untilUsed };
}

const WITHOUT_SETS = { change: withoutSets };

describe('a login elsewhere is noticed', () => {
  test.each([
    ['where rows have no credential sets', WITHOUT_SETS],
    ['by a session that is not shared', { server: { instructions: 'Be kind. '.repeat(30_000) } }],
  ])('%s', async (_, options) => {
    const { sharedSessions, here, there, called, untilUsed } = await setup(options);
    const before = await here.logIn();
    await here.echo();
    expect(sharedSessions.keys('session')).toEqual([]);
    await there.logOut();
    const after = await there.logIn();
    await untilUsed(after, here);
    expect(called()[0].token).toBe(before);
  });

  test('when a refused token is replaced by one without a set', async () => {
    const { server, here, there, called } = await setup(WITHOUT_SETS);
    const before = await here.logIn();
    await here.echo();
    await there.logOut();
    const after = await there.logIn();
    server.refused.add(before);
    await here.echo();
    const [first, ...others] = called().filter(({ token }, index) => index === 0 || token === after);
    expect(first.token).toBe(before);
    expect(others.length).toBeGreaterThan(0);
    for (const { session } of others) expect(session).not.toBe(first.session);
  });

  test('that comes while a process connects', async () => {
    const { sharedSessions, here, there, untilUsed } = await setup();
    await there.logIn();
    let isWaiting = false;
    let goOn;
    const released = new Promise((resolve) => {
      goOn = resolve;
    });
    sharedSessions.get = async (key) => {
      if (key.startsWith('["session",')) {
        isWaiting = true;
        await released;
      }
      return SessionStore.prototype.get.call(sharedSessions, key);
    };
    const first = here.echo();
    await until('its tokens', () => isWaiting);
    await there.logOut();
    const after = await there.logIn();
    goOn();
    await first;
    await untilUsed(after, here);
  });
});

test('a task is looked after in the session of now, once there is another login', async () => {
  const taskStore = new TaskStore();
  suite.fixtures.keep({ close: () => taskStore.cleanup() });
  const { server, here, there } = await setup({
    server: {
      tools: [{ name: 'echo', inputSchema: { type: 'object' }, execution: { taskSupport: 'required' } }],
      capabilities: { tools: {}, tasks: { requests: { tools: { call: {} } } } },
      callTool: async ({ task: { ttl } }, extra) => ({
        task: await extra.taskStore.createTask({ ttl, pollInterval: 100 }),
      }),
      tasks: { taskStore, taskMessageQueue: new InMemoryTaskMessageQueue() },
    },
  });
  await here.logIn();
  const calling = here.echo();
  await server.arrival('tasks/get');
  await there.logOut();
  const after = await there.logIn();
  const looks = () =>
    server.received('tasks/get').map(({ headers }) => [headers['mcp-session-id'], headers.authorization]);
  await until('a look with the token of now', () => looks().some(([, token]) => token === `Bearer ${after}`));
  await taskStore.storeTaskResult(taskStore.ids[0], 'completed', { content: [{ type: 'text', text: 'done' }] });
  expect(await calling).toEqual(['done', undefined]);
  expect(server.received('tools/call')).toHaveLength(1);
  const tokens = new Map(looks());
  for (const [session, token] of looks()) expect(tokens.get(session)).toBe(token);
});

test('a refresh by a process that knows no sets goes on with the session', async () => {
  const { server, here, there, called } = await setup(WITHOUT_SETS);
  const before = await here.logIn();
  await here.echo();
  server.refused.add(before);
  await there.echo();
  await here.echo();
  const [first] = called();
  const last = called().at(-1);
  expect(last.token).not.toBe(before);
  expect(last.session).toBe(first.session);
});

test('a call asks for the mark once in a while', async () => {
  const { sharedSessions, here } = await setup({ server: { instructions: 'Be kind. '.repeat(30_000) } });
  await here.logIn();
  await here.echo();
  const asks = () => sharedSessions.calls.filter((name) => name === 'get').length;
  const before = asks();
  for (let call = 0; call < 20; call++) await here.echo();
  // One machine takes longer than another.
  expect(asks() - before).toBeLessThan(20);
});

test('the session after a login is listened to while another process has that of before', async () => {
  const { server, here, there } = await setup();
  const isStream = ({ method, path }) => method === 'GET' && path === '/mcp';
  const streams = () => server.requests.filter(isStream).map(({ headers }) => headers['mcp-session-id']);
  await here.logIn();
  await here.echo();
  await until('the stream', () => streams().length === 1);
  await there.logOut();
  await there.logIn();
  await there.echo();
  const session = sessionsOf(server, 'tools/call').at(-1);
  expect(session).not.toBe(streams()[0]);
  await until('that of the session of now', () => streams().includes(session));
});

describe('deleteUserTokens', () => {
  const ASKED = 'the user is asked';
  const oauthStart = async () => {
    throw new Error(ASKED);
  };

  test.each([
    ['of the runtime', () => ({})],
    ['of the call', ({ flowManager }) => ({ flowManager })],
  ])('deletes the flow that was completed, in the flowManager %s: the next call asks the user', async (_, params) => {
    const world = await setup();
    const { user, store, flowManager, here, there } = world;
    await here.logIn();
    await here.echo();
    const flow = await flowManager.getFlowState(`${user.id}:srv`, 'mcp_oauth');
    expect(flow.status).toBe('COMPLETED');
    await there.logOut(params(world));
    for (const type of ['mcp_oauth', 'mcp_get_tokens']) {
      expect(await flowManager.getFlowState(`${user.id}:srv`, type)).toBeFalsy();
    }
    expect(await flowManager.getFlowState(flow.metadata.state, 'mcp_oauth_state')).toBeFalsy();
    await expect(there.echo({ oauthStart })).rejects.toThrow(ASKED);
    expect(await store.rows(user.id)).toEqual({});
  });

  test('rejects where the flow cannot be deleted, and deletes the rows', async () => {
    const { user, store, flowManager, sharedSessions, here, there } = await setup();
    await here.logIn();
    const [mark] = sharedSessions.keys('session-epoch');
    const before = sharedSessions.values.get(mark);
    flowManager.deleteFlow = async () => {
      throw new Error('the store of flows is away');
    };
    await expect(there.logOut()).rejects.toThrow('the store of flows is away');
    expect(await store.rows(user.id)).toEqual({});
    expect(sharedSessions.values.get(mark)).not.toBe(before);
  });
});
