/** What LibreChat's code does with its own manager, and must find here: statics, maps, states, errors, calls. */

const { types } = require('node:util');
const { McpError } = require('@modelcontextprotocol/sdk/types.js');
const faults = require('./support/faults');
const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');
const { closedAddress } = require('./support/mcp-server');
const { until } = require('./support/wait');

const fixtures = useFixtures();
const user = createUser();

/** The small server as `srv`: of one user, or with `shared` of all. */
async function world({ shared = false, serverOptions, config, services } = {}) {
  const server = await fixtures.server(serverOptions);
  const host = fixtures.runtime({
    servers: { srv: server.config({ startup: shared, ...config }) },
    allow: [server],
    services,
  });
  const { manager } = host.runtime;
  const call = (text, extra) =>
    manager.callTool({
      user,
      serverName: 'srv',
      toolName: 'echo',
      provider: 'openai',
      toolArguments: { text },
      ...extra,
    });
  /** The value that each tool call had in a header, by its text. */
  const sent = (header) =>
    server
      .received('tools/call')
      .map(({ headers, message }) => [message.params.arguments.text, headers[header]])
      .sort();
  /** The values that everything else had in it. */
  const besides = (header) => {
    const others = server.requests.filter(({ message }) => message?.method !== 'tools/call');
    return [...new Set(others.map(({ headers }) => headers[header]))];
  };
  return { ...host, server, manager, call, sent, besides };
}

describe('functions without their object, with arguments too many', () => {
  test('of the manager, of appConnections and of a connection', async () => {
    const { manager } = await world({ shared: true });
    const { callTool, getConnection, appConnections } = manager;
    const { get, has } = appConnections;
    // As callbacks of `map` they get an index and the array.
    const [connection] = await Promise.all(['srv'].map(get));
    expect(await Promise.all(['srv', 'other'].map(has))).toEqual([true, false]);
    expect(await getConnection({ user, serverName: 'srv' }, 'stray')).toBe(connection);
    const { fetchTools, isConnected, isStale } = connection;
    expect((await fetchTools('stray')).map(({ name }) => name)).toEqual(['echo', 'undescribed']);
    expect(await isConnected('stray')).toBe(true);
    expect(isStale(0, 'stray')).toBe(false);
    const { listTools } = connection.client;
    expect((await listTools()).tools).toHaveLength(2);
    const toolArguments = { text: 'hi' };
    const params = { user, serverName: 'srv', toolName: 'echo', provider: 'openai', toolArguments };
    expect(await callTool(params, 'stray')).toEqual(['hi', undefined]);
  });

  describe('clearCooldown', () => {
    /** A server that is not there, asked until its breaker opens. */
    async function coolingDown({ shared }) {
      const gone = await closedAddress();
      const host = fixtures.runtime({ servers: { srv: gone.config({ startup: shared }) }, allow: [gone] });
      const { manager, MCPConnection } = host.runtime;
      const codeOfAttempt = async () => {
        const [attempt] = await Promise.allSettled([manager.getConnection({ user, serverName: 'srv' })]);
        return attempt.reason.mcpCode ?? attempt.reason.code;
      };
      expect(await codeOfAttempt()).toBe('MCP_CONNECTION_FAILED');
      expect(await codeOfAttempt()).toBe('MCP_CIRCUIT_OPEN');
      return { codeOfAttempt, clearCooldown: MCPConnection.clearCooldown };
    }

    test('of a user: lets that user try again, and nobody else’s does', async () => {
      const { codeOfAttempt, clearCooldown } = await coolingDown({ shared: false });
      clearCooldown('srv');
      clearCooldown('srv', 'somebody else');
      clearCooldown('other', user.id);
      expect(await codeOfAttempt()).toBe('MCP_CIRCUIT_OPEN');
      clearCooldown('srv', user.id, 'stray');
      expect(await codeOfAttempt()).toBe('MCP_CONNECTION_FAILED');
    });

    test('as the callback of forEach: an index is no user', async () => {
      const { codeOfAttempt, clearCooldown } = await coolingDown({ shared: true });
      clearCooldown('srv', user.id);
      expect(await codeOfAttempt()).toBe('MCP_CIRCUIT_OPEN');
      ['srv'].forEach(clearCooldown);
      expect(await codeOfAttempt()).toBe('MCP_CONNECTION_FAILED');
    });
  });
});

test('maps are maps, and the caller’s own', async () => {
  const { manager } = await world();
  const connection = await manager.getConnection({ user, serverName: 'srv' });
  const { appConnections } = manager;
  for (const map of [await appConnections.getAll(), await appConnections.getLoaded(), await appConnections.getMany([])])
    expect(types.isMap(map)).toBe(true);
  const own = manager.getUserConnections(user.id);
  expect(types.isMap(own)).toBe(true);
  own.clear();
  expect(manager.getUserConnections(user.id).get('srv')).toBe(connection);
});

describe('errors', () => {
  const mcpError = (code, mcpCode, text) => ({
    name: 'McpError',
    code,
    mcpCode,
    message: `MCP error ${code}: ${text}`,
  });
  const obo = { scopes: 'api://server/.default' };
  const openIdUser = () => {
    const federatedTokens = { access_token: 'assertion', expires_at: Math.floor(Date.now() / 1000) + 3600 };
    return { ...createUser({ provider: 'openid', federatedTokens }), openidId: 'subject' };
  };

  test('no user, or one without an id', async () => {
    const { manager, call } = await world();
    const nobody = mcpError(-32600, 'MCP_USER_REQUIRED', 'No connection found for server srv');
    await expect(manager.getConnection({ serverName: 'srv' })).rejects.toMatchObject(nobody);
    await expect(call('hi', { user: undefined })).rejects.toMatchObject(nobody);
    const noId = mcpError(-32600, 'MCP_USER_REQUIRED', '[MCP] User object missing id property');
    await expect(manager.getUserConnection({ user: {}, serverName: 'srv' })).rejects.toMatchObject(noId);
    await expect(manager.getUserConnection({ serverName: 'srv' })).rejects.toMatchObject(noId);
  });

  test('an author who may no longer exchange tokens', async () => {
    let trusted = true;
    const services = {
      oboTokenResolver: async () => ({ access_token: 'token' }),
      oboTrustChecker: async () => trusted,
    };
    const { call } = await world({ config: { obo }, services });
    const somebody = openIdUser();
    await call('a', { user: somebody });
    trusted = false;
    const text =
      `[MCP][User: ${somebody.id}][srv] OBO is not permitted for server "srv". ` +
      'The user who configured it no longer has permission to use OBO.';
    const refusal = mcpError(-32603, 'OBO_NOT_TRUSTED', text);
    await expect(call('b', { user: somebody })).rejects.toMatchObject(refusal);
    trusted = true;
    const oboTrustChecker = async () => false;
    await expect(call('c', { user: somebody, oboTrustChecker })).rejects.toMatchObject(refusal);
  });

  test('an exchange that fails during a connection', async () => {
    let failure;
    const oboTokenResolver = async () => {
      if (failure) throw failure;
      return { access_token: 'token' };
    };
    const { call } = await world({ config: { obo }, services: { oboTokenResolver } });
    const somebody = openIdUser();
    await call('a', { user: somebody });
    failure = new Error('invalid_grant');
    const error = mcpError(-32603, 'OBO_EXCHANGE_FAILED', '');
    error.message = expect.stringMatching(/^MCP error -32603: \[MCP\].*\[srv\] .*Cannot execute tool echo\. /);
    await expect(call('b', { user: somebody })).rejects.toMatchObject(error);
  });

  test('what the server answers keeps its number and text', async () => {
    const callTool = () => {
      throw Object.assign(new Error('no such thing'), { code: -32002 });
    };
    const { call } = await world({ serverOptions: { callTool } });
    await expect(call('a')).rejects.toMatchObject(mcpError(-32002, 'MCP_SERVER_ERROR', 'no such thing'));
  });

  test('one that the server’s SDK made, as the SDK’s client has it', async () => {
    const callTool = () => {
      throw new McpError(-32602, 'wrong argument');
    };
    const { call } = await world({ serverOptions: { callTool } });
    const text = 'MCP error -32602: wrong argument';
    await expect(call('a')).rejects.toMatchObject(mcpError(-32602, 'MCP_SERVER_ERROR', text));
  });

  test('a server that wants authorization says so in words that LibreChat looks for', async () => {
    const { call, server } = await world();
    await call('a');
    server.fault = faults.answer(401);
    await expect(call('b')).rejects.toMatchObject({ message: expect.stringMatching(/401|OAuth|authentication/) });
  });

  test('an aborted call says "abort"', async () => {
    const { call } = await world();
    const refused = call('a', { options: { signal: AbortSignal.abort() } });
    await expect(refused).rejects.toMatchObject({ name: 'AbortError', message: expect.stringContaining('abort') });
  });
});

describe('what belongs to one call', () => {
  test('headers: two calls at once over one connection have their own, and nothing else has them', async () => {
    const config = { headers: { 'X-Message': 'id {{LIBRECHAT_BODY_MESSAGEID}}', 'X-Fixed': 'fixed' } };
    const { manager, server, call, sent, besides, runtime } = await world({ config });
    const texts = ['a', 'b', 'c', 'd'];
    await Promise.all(texts.map((text) => call(text, { requestBody: { messageId: `of-${text}` } })));
    const connection = await manager.getConnection({ user, serverName: 'srv' });
    await connection.fetchTools();
    await call('e', { requestBody: { messageId: 'of-e' } });
    await runtime.close();
    expect(server.received('initialize')).toHaveLength(1);
    expect(sent('x-message')).toEqual([...texts, 'e'].map((text) => [text, `id of-${text}`]));
    expect(sent('x-fixed').map(([, value]) => value)).toEqual(Array(5).fill('fixed'));
    // The connection has those of the call that it was made for, whichever that was, or none.
    expect(besides('x-fixed')).toEqual(['fixed']);
    expect(besides('x-message')).toHaveLength(1);
    expect(besides('x-message')[0]).not.toBe('id of-e');
  });

  test('a connection that users share carries nothing of theirs', async () => {
    const { server, call } = await world({ shared: true, config: { headers: { 'X-Fixed': '{{K}}' } } });
    const users = [createUser(), createUser()];
    await Promise.all(
      users.map((each) =>
        call(each.id, { user: each, customUserVars: { K: each.id }, requestBody: { messageId: each.id } }),
      ),
    );
    expect(server.received('initialize')).toHaveLength(1);
    expect(server.received('tools/call')).toHaveLength(2);
    for (const { headers } of server.requests) {
      for (const { id } of users) expect(JSON.stringify(headers)).not.toContain(id);
    }
  });

  describe('tokens', () => {
    const inAnHour = Math.floor(Date.now() / 1000) + 3600;
    const loggedIn = (name) => {
      const made = createUser({ provider: 'openid', federatedTokens: { access_token: name, expires_at: inAnHour } });
      return { ...made, openidId: `subject-${name}` };
    };
    /** Every exchange has another answer. */
    const counting = () => {
      let count = 0;
      return jest.fn(async (_, assertion) => {
        count += 1;
        return { access_token: `for-${assertion}-${count}`, expires_in: 3600 };
      });
    };

    test('for Microsoft Graph: each tool call asks for its own, and a connection has that of the call it was made for', async () => {
      const graphTokenResolver = counting();
      const config = { headers: { 'X-Graph': 'Bearer {{LIBRECHAT_GRAPH_ACCESS_TOKEN}}' } };
      const { server, call, sent, besides } = await world({ config, services: { graphTokenResolver } });
      const one = loggedIn('one');
      await call('a', { user: one });
      await call('b', { user: one });
      expect(sent('x-graph')).toEqual([
        ['a', 'Bearer for-one-1'],
        ['b', 'Bearer for-one-2'],
      ]);
      expect(server.received('initialize')).toHaveLength(1);
      for (const value of besides('x-graph')) expect(value).toBe('Bearer for-one-1');
      const [whose, assertion, scopes, fromCache] = graphTokenResolver.mock.calls[0];
      expect(whose).toBe(one);
      expect([assertion, scopes, fromCache]).toEqual(['one', 'https://graph.microsoft.com/.default', true]);

      const ofTheCall = async () => ({ access_token: 'of-the-call' });
      await call('c', { user: one, graphTokenResolver: ofTheCall });
      await Promise.all(['d', 'e'].map((name) => call(name, { user: loggedIn(name) })));
      const [, , c, ...others] = sent('x-graph');
      expect(c).toEqual(['c', 'Bearer of-the-call']);
      for (const [name, value] of others) expect(value).toMatch(`Bearer for-${name}-`);
      expect(graphTokenResolver).toHaveBeenCalledTimes(4);
    });

    test('for Microsoft Graph: handshake and list of a reinit carry it', async () => {
      const graphTokenResolver = counting();
      const config = { headers: { Authorization: 'Bearer {{LIBRECHAT_GRAPH_ACCESS_TOKEN}}' } };
      const { server, besides, runtime } = await world({ config, services: { graphTokenResolver } });
      const result = await runtime.reinitMCPServer({ user: loggedIn('one'), serverName: 'srv' });
      expect(result.success).toBe(true);
      expect(server.received('tools/list')).toHaveLength(1);
      expect(besides('authorization')).toEqual(['Bearer for-one-1']);
    });

    test('on behalf of the user: each tool call asks for its own, over one connection', async () => {
      const oboTokenResolver = counting();
      const config = { obo: { scopes: 'api://server/.default' } };
      const { server, call, sent } = await world({ config, services: { oboTokenResolver } });
      const one = loggedIn('one');
      for (const text of ['a', 'b', 'c']) await call(text, { user: one });
      const tokens = sent('authorization').map(([, token]) => token);
      for (const token of tokens) expect(token).toMatch(/^Bearer for-one-\d+$/);
      expect(new Set(tokens).size).toBe(3);
      expect(server.received('initialize')).toHaveLength(1);
      await call('d', { user: one, oboTokenResolver: async () => ({ access_token: 'of-the-call' }) });
      expect(sent('authorization').at(-1)).toEqual(['d', 'Bearer of-the-call']);
    });
  });
});

describe('the end of a call', () => {
  /** A tool that reports progress, and one that says nothing; `cancelled` are the calls that the server was told of. */
  async function patient({ type = 'streamable-http' } = {}) {
    const cancelled = [];
    const callTool = async ({ name, arguments: { text } }, { signal, sendNotification, _meta }) => {
      signal.addEventListener('abort', () => cancelled.push(text));
      for (let progress = 1; progress <= 14; progress += 1) {
        await new Promise((resolve) => setTimeout(resolve, 250));
        const params = { progressToken: _meta?.progressToken, progress };
        if (name === 'talks') await sendNotification({ method: 'notifications/progress', params });
      }
      return { content: [{ type: 'text', text }] };
    };
    const made = await world({ serverOptions: { callTool } });
    const { server } = made;
    const url = type === 'sse' ? server.sseUrl : server.url;
    made.registry.servers.srv = server.config({ startup: false, type, url });
    /** The server was told that it was this call, and its tool with it. */
    const told = async (text) => {
      await until('notifications/cancelled', () => cancelled.includes(text));
      const call = server.received('tools/call').find(({ message }) => message.params.arguments.text === text);
      const notices = server.received('notifications/cancelled').map(({ message }) => message.params.requestId);
      expect(notices).toEqual([call.message.id]);
    };
    return { ...made, cancelled, told };
  }

  const timedOut = { name: 'McpError', code: -32001, mcpCode: 'MCP_TIMEOUT' };

  test('timeout starts again with progress, also where nobody listens to it', async () => {
    const { call, cancelled, server } = await patient();
    expect(await call('a', { toolName: 'talks', options: { timeout: 3000 } })).toEqual(['a', undefined]);
    expect(cancelled).toEqual([]);
    expect(server.received('notifications/cancelled')).toEqual([]);
  });

  test('without progress it ends the call, and the server is told', async () => {
    const { call, told } = await patient();
    await expect(call('a', { toolName: 'silent', options: { timeout: 1000 } })).rejects.toMatchObject(timedOut);
    await told('a');
  });

  test('maxTotalTimeout ends a call that timeout would let live, and the server is told', async () => {
    const { call, told } = await patient();
    const options = { timeout: 3000, maxTotalTimeout: 1200 };
    await expect(call('a', { toolName: 'talks', options })).rejects.toMatchObject(timedOut);
    await told('a');
  });

  test.each(['streamable-http', 'sse'])('an abort over %s: the server is told, the others go on', async (type) => {
    const { call, told, cancelled, server } = await patient({ type });
    const controller = new AbortController();
    const options = { signal: controller.signal };
    const calls = [call('a', { toolName: 'silent', options }), call('b', { toolName: 'silent' })];
    const both = Promise.allSettled(calls);
    await until('both calls', () => server.received('tools/call').length === 2);
    controller.abort();
    const [first, second] = await both;
    expect(first.reason).toMatchObject({ name: 'AbortError', code: 'MCP_ABORTED' });
    expect(second.value).toEqual(['b', undefined]);
    await told('a');
    expect(cancelled).toEqual(['a']);
  });
});
