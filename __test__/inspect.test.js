/** `runtime.inspectServer`: what LibreChat's MCPServerInspector finds out, on real servers. */

const { MCPDomainNotAllowedError, MCPInspectionFailedError, isMCPInspectionFailedError } = require('./support/addon');
const { everythingOverStdio } = require('./support/everything');
const { answer } = require('./support/faults');
const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');
const { closedAddress } = require('./support/mcp-server');
const { TOOLS } = require('./support/tools');
const { nothingInFlight } = require('./support/wait');

const fixtures = useFixtures();

const rejection = async (promise) => {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('expected a rejection');
};

/** A small server and a runtime that may reach it; `config()` says nothing about OAuth. */
async function small(options) {
  const server = await fixtures.server(options);
  const host = fixtures.runtime({ allow: [server] });
  const config = (extra) => ({ type: 'streamable-http', url: server.url, ...extra });
  const inspect = (extra, ...rest) => host.runtime.inspectServer('srv', config(extra), ...rest);
  return { ...host, server, config, inspect };
}

test('whose config names users: asked where the host’s own policy has them share it', async () => {
  const server = await fixtures.server();
  const raw = { type: 'streamable-http', url: server.url, headers: { 'X-User': '{{LIBRECHAT_USER_ID}}' } };
  const inspected = async (requiresUserScopedConnection) => {
    const services = requiresUserScopedConnection && { requiresUserScopedConnection };
    const { runtime } = fixtures.runtime({ allow: [server], services });
    return (await runtime.inspectServer('srv', raw)).tools;
  };
  expect(await inspected()).toBeUndefined();
  expect(await inspected(() => true)).toBeUndefined();
  const asked = [];
  const shares = (config) => {
    asked.push(config);
    return false;
  };
  expect(await inspected(shares)).toBe('echo, undescribed');
  expect(asked[0]).toBe(raw);
  expect(server.received('tools/list').at(-1).headers['x-user']).toBe('{{LIBRECHAT_USER_ID}}');
});

describe('a server that asks nothing of users', () => {
  test('is asked over a connection of its own, which is closed', async () => {
    const { runtime, server, config } = await small();
    const raw = Object.freeze(config({ title: 'Small', nested: { kept: true } }));
    const parsed = await runtime.inspectServer('srv', raw);
    const named = (name, rest) => [
      `${name}_mcp_srv`,
      { type: 'function', function: { name: `${name}_mcp_srv`, ...rest } },
    ];
    expect(parsed).toEqual({
      ...raw,
      requiresOAuth: false,
      oauthMetadata: null,
      capabilities: JSON.stringify({ tools: {} }),
      tools: 'echo, undescribed',
      toolFunctions: Object.fromEntries([
        named('echo', { description: TOOLS[0].description, parameters: TOOLS[0].inputSchema }),
        named('undescribed', { parameters: { type: 'object' } }),
      ]),
      initDuration: expect.any(Number),
    });
    expect(parsed.toolFunctions.undescribed_mcp_srv.function).not.toHaveProperty('description');
    expect(parsed).not.toHaveProperty('resolvedInstructions');
    expect(parsed.nested).toBe(raw.nested);
    expect(server.sessions.size).toBe(0);
    await nothingInFlight(server);
    expect(runtime.manager.getConnectionStats()).toMatchObject({ totalConnections: 0, appConnectionCount: 0 });
  });

  test('says what it is about where the config wants its instructions', async () => {
    const { runtime } = fixtures.runtime();
    const inspect = (serverInstructions) =>
      runtime.inspectServer('every', { ...everythingOverStdio(), requiresOAuth: undefined, serverInstructions });
    const own = await inspect('true');
    expect(own.resolvedInstructions).toMatch(/everything/i);
    expect(own.serverInstructions).toBe('true');
    expect(own.requiresOAuth).toBe(false);
    expect(own).not.toHaveProperty('oauthMetadata');
    expect(own.tools.split(', ')).toContain('echo');
    const told = await inspect('Be brief.');
    expect(told.serverInstructions).toBe('Be brief.');
    expect(told).not.toHaveProperty('resolvedInstructions');
  });

  test('two tools of one name: both named, the last as a function', async () => {
    const [echo] = TOOLS;
    const { inspect } = await small({ tools: [echo, { ...echo, description: 'again' }] });
    const parsed = await inspect();
    expect(parsed.tools).toBe('echo, echo');
    expect(Object.values(parsed.toolFunctions).map((tool) => tool.function.description)).toEqual(['again']);
  });

  test('that does not list its tools is inspected nevertheless', async () => {
    const { inspect, logger } = await small({ listError: { code: -32000, message: 'no list today' } });
    const parsed = await inspect();
    expect(parsed).toMatchObject({ requiresOAuth: false, capabilities: '{"tools":{}}' });
    expect(parsed).not.toHaveProperty('tools');
    expect(parsed).not.toHaveProperty('toolFunctions');
    expect(logger.messages('error').join()).toMatch(/Failed to fetch tools: .*no list today/);
  });

  test('is asked over a connection that is given', async () => {
    const { server, runtime, config } = await small();
    const other = fixtures.runtime({ servers: { srv: server.config({ startup: false }) }, allow: [server] });
    const connection = await other.runtime.manager.getConnection({ user: createUser(), serverName: 'srv' });
    const parsed = await other.runtime.inspectServer('srv', config({ requiresOAuth: false }), connection);
    expect(parsed.tools).toBe('echo, undescribed');
    expect(server.received('initialize')).toHaveLength(1);
    expect(await connection.isConnected()).toBe(true);
    const stranger = rejection(runtime.inspectServer('srv', config({ requiresOAuth: false }), connection));
    expect(await stranger).toMatchObject({
      name: 'TypeError',
      message: 'inspectServer: connection must be an MCPConnection of this runtime',
    });
  });
});

describe('is not connected', () => {
  test.each([
    ['startup: false', { startup: false }, { requiresOAuth: false }],
    ['variables of users', { customUserVars: { KEY: { title: 'Key', description: '' } } }, { requiresOAuth: false }],
    ['on-behalf-of', { obo: { scopes: 'api://x/.default' } }, { requiresOAuth: false }],
    ['a placeholder of the user', { headers: { 'x-user': '{{LIBRECHAT_USER_ID}}' } }, { requiresOAuth: false }],
    ['a key of the user', { apiKey: { source: 'user', authorization_type: 'bearer' } }, { requiresOAuth: false }],
    ['OAuth', { requiresOAuth: true }, { requiresOAuth: true }],
  ])('%s', async (_, extra, expected) => {
    const { inspect, server, config } = await small();
    expect(await inspect(extra)).toMatchObject({ ...config(extra), ...expected, initDuration: expect.any(Number) });
    expect(server.received('initialize')).toHaveLength(0);
  });

  test('a server whose URL depends on the user: whether it wants OAuth stays open', async () => {
    const { runtime } = fixtures.runtime({ allowedDomains: [] });
    const raw = { type: 'streamable-http', url: 'https://{{TENANT}}.example.org/mcp', customUserVars: { TENANT: {} } };
    expect(await runtime.inspectServer('srv', raw)).toEqual({ ...raw, initDuration: expect.any(Number) });
  });
});

test('OAuth is detected by what the server answers', async () => {
  const { inspect, server } = await small();
  server.fault = ({ request, response }) => {
    if (request.url.startsWith('/.well-known/')) {
      const document = { resource: server.url, authorization_servers: ['https://as.example'] };
      return answer(200, JSON.stringify(document), 'application/json')({ response });
    }
    response.setHeader(
      'www-authenticate',
      `Bearer resource_metadata="http://${server.address}/.well-known/oauth-protected-resource"`,
    );
    return answer(401)({ response });
  };
  const parsed = await inspect();
  expect(parsed).toMatchObject({
    requiresOAuth: true,
    oauthMetadata: { resource: server.url, authorization_servers: ['https://as.example'] },
  });
  expect(parsed).not.toHaveProperty('tools');
  expect(server.received('initialize')).toHaveLength(0);

  // The config says that the server wants a key: its 401 means no OAuth.
  const keyed = await rejection(inspect({ apiKey: { source: 'admin', authorization_type: 'bearer', key: 'wrong' } }));
  expect(keyed).toMatchObject({ code: 'MCP_INSPECTION_FAILED', cause: { code: 'MCP_AUTHORIZATION_REQUIRED' } });
});

describe('refused', () => {
  test('a domain that is not allowed, before anything is sent', async () => {
    const { inspect, server, registry } = await small();
    const error = await rejection(inspect({}, undefined, ['example.org']));
    expect(error).toBeInstanceOf(MCPDomainNotAllowedError);
    expect(error).toMatchObject({
      code: 'MCP_DOMAIN_NOT_ALLOWED',
      statusCode: 403,
      domain: `http://${server.address}`,
      message: `Domain "http://${server.address}" is not allowed`,
    });
    registry.allowedDomains = ['example.org'];
    expect(await rejection(inspect())).toBeInstanceOf(MCPDomainNotAllowedError);
    expect((await inspect({}, undefined, null)).tools).toBe('echo, undescribed');
    // Without a list of addresses loopback is out of bounds.
    expect(await rejection(inspect({}, undefined, null, null))).toBeInstanceOf(MCPDomainNotAllowedError);
    expect((await inspect({}, undefined, null, [server.address])).tools).toBe('echo, undescribed');
  });

  test('a server that cannot be reached', async () => {
    const gone = await closedAddress();
    const { runtime } = fixtures.runtime({ allow: [gone] });
    const config = { type: 'streamable-http', url: gone.url, requiresOAuth: false, initTimeout: 500 };
    const error = await rejection(runtime.inspectServer('gone', config));
    expect(error).toBeInstanceOf(MCPInspectionFailedError);
    expect(isMCPInspectionFailedError(error)).toBe(true);
    expect(error).toMatchObject({
      code: 'MCP_INSPECTION_FAILED',
      statusCode: 400,
      serverName: 'gone',
      message: 'Failed to connect to MCP server "gone"',
      cause: { code: expect.stringMatching(/^MCP_(TIMEOUT|CONNECTION_FAILED)$/) },
    });
  });

  test('what is no config, and calls after close()', async () => {
    const { runtime, config } = await small();
    for (const [args, message] of [
      [[], 'inspectServer: serverName must be a string'],
      [['srv'], 'inspectServer: rawConfig must be an object'],
      [['srv', 'text'], 'inspectServer: rawConfig must be an object'],
    ])
      expect(await rejection(runtime.inspectServer(...args))).toMatchObject({ name: 'TypeError', message });
    const wrong = await rejection(runtime.inspectServer('srv', config({ timeout: 'soon' })));
    expect(wrong).toMatchObject({ code: 'MCP_INSPECTION_FAILED', cause: { code: 'MCP_INVALID_CONFIG' } });
    await runtime.close();
    expect(await rejection(runtime.inspectServer('srv', config()))).toMatchObject({ code: 'MCP_CLOSED' });
  });
});
