/** `createMCPRuntime({ config })`: a runtime without LibreChat, on real servers. */

const { mkdtempSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { createMCPRuntime } = require('./support/addon');
const { useEnvironment } = require('./support/environment');
const { everythingOverStdio } = require('./support/everything');
const { useFixtures } = require('./support/fixtures');
const { runScript } = require('./support/script');
const { formatTools, TOOLS } = require('./support/tools');
const { until } = require('./support/wait');

const fixtures = useFixtures();
const user = { id: 'embedded' };

let directory;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'mcp-embedded-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const embedded = (config, services) => fixtures.keep(createMCPRuntime({ config, ...services }));

function yamlFile(text) {
  const path = join(directory, 'librechat.yaml');
  writeFileSync(path, text);
  return path;
}

describe('servers', () => {
  test('from a file: stdio and Streamable HTTP; tools are formatted here', async () => {
    const everything = await fixtures.everything('streamableHttp');
    const { command, args } = everythingOverStdio();
    const runtime = embedded(
      yamlFile(`
version: 1.2.8
mcpSettings:
  allowedAddresses: ['${everything.address}']
mcpServers:
  local:
    command: ${JSON.stringify(command)}
    args: ${JSON.stringify(args)}
    stderr: ignore
  web:
    type: streamable-http
    url: ${everything.url}
`),
    );
    for (const serverName of ['local', 'web']) {
      const result = await runtime.reinitMCPServer({ user, serverName });
      expect(result).toMatchObject({ success: true, oauthRequired: false, serverName });
      expect(result.tools.map(({ name }) => name)).toContain('echo');
      // Not every provider takes `$schema`.
      const tools = result.tools.map(({ inputSchema: { $schema, ...inputSchema }, ...tool }) => ({
        ...tool,
        inputSchema,
      }));
      expect(result.availableTools).toEqual(formatTools(serverName, tools));
    }
    const [content] = await runtime.manager.callTool({
      serverName: 'web',
      toolName: 'echo',
      toolArguments: { message: 'hello' },
      provider: 'openai',
      user,
    });
    expect(JSON.stringify(content)).toContain('hello');
    const connection = await runtime.manager.getConnection({ serverName: 'web', user });
    expect(connection.client.getProtocolVersion()).toMatch(/^20\d\d-\d\d-\d\d$/);
    const shared = await runtime.manager.appConnections.getAll();
    expect([...shared.keys()]).toEqual(['local', 'web']);
  });

  test('from an object, with environment variables that are read when a call starts', async () => {
    const server = await fixtures.server();
    const { code, output } = await runScript('embedded.js', { url: server.url, address: server.address });
    expect({ code, output }).toEqual({ code: 0, output: 'true' });
    const [initialize] = server.received('initialize');
    expect(initialize.headers['x-key']).toBe('set-later');
  });

  test('the addresses that may be contacted are those of mcpSettings', async () => {
    const server = await fixtures.server();
    const runtime = embedded({ mcpServers: { srv: { url: server.url, requiresOAuth: false } } });
    const result = await runtime.reinitMCPServer({ user, serverName: 'srv' });
    expect(result).toMatchObject({ success: false, error: { code: 'MCP_ADDRESS_NOT_ALLOWED' } });
    expect(server.requests).toEqual([]);
  });

  test('a server that is not in the file', async () => {
    const runtime = embedded({ mcpServers: {} });
    const call = runtime.manager.getConnection({ serverName: 'none', user });
    await expect(call).rejects.toMatchObject({ mcpCode: 'MCP_CONFIG_NOT_FOUND' });
  });
});

describe('instructions and tool functions', () => {
  test('instructions come from the file', async () => {
    const mcpServers = { a: { command: 'a', args: [], serverInstructions: 'Use it well.' } };
    const runtime = embedded({ mcpServers });
    expect(await runtime.manager.formatInstructionsForContext()).toContain('Use it well.');
  });

  test('servers that all users share are inspected once, for all who ask', async () => {
    const server = await fixtures.server({ instructions: 'Be kind.' });
    const shared = { type: 'streamable-http', url: server.url };
    const runtime = embedded({
      mcpServers: {
        told: { ...shared, serverInstructions: true },
        plain: shared,
        personal: { ...shared, customUserVars: { KEY: { title: 'Key', description: 'Your key' } } },
        later: { ...shared, startup: false },
        gone: { command: '/nonexistent/command', args: [], serverInstructions: true },
      },
      mcpSettings: { allowedAddresses: [server.address] },
    });
    expect(server.requests).toEqual([]);
    const { getAppToolFunctions, formatInstructionsForContext } = runtime.manager;
    const [functions, again] = await Promise.all([getAppToolFunctions(), getAppToolFunctions()]);
    expect(Object.keys(functions).sort()).toEqual(
      ['plain', 'told'].flatMap((name) => TOOLS.map((tool) => `${tool.name}_mcp_${name}`)).sort(),
    );
    expect(again).toEqual(functions);
    const instructions = await formatInstructionsForContext();
    expect(instructions).toContain('## told MCP Server Instructions\n\nBe kind.');
    expect(instructions).not.toMatch(/plain|gone|true/);
    expect(server.received('initialize')).toHaveLength(2);
  });

  test('a runtime that is closed meanwhile', async () => {
    const server = await fixtures.server({ fault: () => true });
    const runtime = embedded({
      mcpServers: { srv: { type: 'streamable-http', url: server.url, requiresOAuth: false } },
      mcpSettings: { allowedAddresses: [server.address] },
    });
    const functions = runtime.manager.getAppToolFunctions();
    functions.catch(() => {});
    await until('the request', () => server.requests.length > 0);
    await runtime.close();
    await expect(functions).rejects.toMatchObject({ code: 'MCP_CLOSED' });
  });
});

describe('a configuration that cannot be used is refused at once', () => {
  test.each([
    ['bad YAML', 'mcpServers:\n  a: {\n', /librechat\.yaml: .*line 3/],
    ['a server twice', 'mcpServers:\n  a: {}\n  a: {}\n', /duplicate/],
    ['a server that is a text', 'mcpServers: { a: text }', /`mcpServers\.a` must be an object/],
    ['rules that are no list', 'mcpSettings: { allowedDomains: example.com }', /`mcpSettings\.allowedDomains`/],
  ])('%s', (_, text, expected) => {
    let thrown;
    try {
      embedded(yamlFile(text));
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({
      name: 'Error',
      code: 'MCP_INVALID_CONFIG',
      message: expect.stringMatching(expected),
    });
  });

  test('a file that is not there', () => {
    expect(() => createMCPRuntime({ config: join(directory, 'none.yaml') })).toThrow(/none\.yaml cannot be read/);
  });

  test('together with a registry, or of a wrong type', () => {
    const { services } = require('./support/host').createHost();
    expect(() => createMCPRuntime({ ...services, config: {} })).toThrow(/exclude each other/);
    expect(() => createMCPRuntime({ config: 1 })).toThrow(/host\.config must be a path or an object, got a number/);
    expect(() => createMCPRuntime({})).toThrow(/host\.registry must be .* unless host\.config is given/);
  });
});

describe('a key of stored tokens that is none', () => {
  const WRONG = 'short-s3cr3t';
  useEnvironment({ CREDS_KEY: WRONG });

  test.each([
    ['CREDS_KEY', {}],
    ['credentialsKey', { credentialsKey: `${'ab'.repeat(31)}zz` }],
  ])('is an error at once, and is not repeated: %s', (_, services) => {
    let error;
    try {
      embedded({ mcpServers: {} }, services);
    } catch (caught) {
      error = caught;
    }
    expect(error).toMatchObject({ code: 'MCP_TOKEN_STORE', message: expect.stringContaining('CREDS_KEY') });
    expect(error.message).toMatch(/64 hexadecimal digits.*openssl rand -hex 32/);
    for (const given of [WRONG, services.credentialsKey ?? WRONG]) expect(error.message).not.toContain(given);
  });

  test('does not matter beside one of the host, and no runtime has to have one', () => {
    for (const credentialsKey of ['ab'.repeat(32), '']) embedded({ mcpServers: {} }, { credentialsKey });
  });
});
