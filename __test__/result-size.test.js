/** `maxResultBytes` and `overflow`: results of tools that are too large, over real servers. */

const { outcome, useClients } = require('./support/client');
const { tools: langchainTools } = require('../langchain');
const { everythingOverStdio } = require('./support/everything');
const { createUser } = require('./support/host');
const { scripted } = require('./support/faults');

const { BASE } = require('./support/scripted-modern-server');
const { runScript } = require('./support/script');
const { startTaskServer } = require('./support/task-server');

const { connect, fixtures } = useClients();

const BOUND = 2_000;
const TEXT = 'aé😀"\n'.repeat(1_000);
const PICTURE = { type: 'image', mimeType: 'image/png', data: 'QUJD'.repeat(1_000) };
const RESULTS = {
  small: { content: [{ type: 'text', text: 'x' }], _meta: { odd: 1 } },
  large: { content: [{ type: 'text', text: TEXT }], structuredContent: { text: TEXT }, isError: false },
  picture: { content: [PICTURE, { type: 'text', text: 'A picture' }] },
  failed: { content: [{ type: 'text', text: TEXT }], isError: true },
};
const TOOLS = Object.keys(RESULTS).map((name) => ({ name, inputSchema: { type: 'object' } }));
TOOLS[1].outputSchema = { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] };

const bytes = (value) => Buffer.byteLength(JSON.stringify(value));
const ofServer = { tools: TOOLS, callTool: ({ name }) => RESULTS[name] };
const ann = { user: createUser({ id: 'ann' }) };

const start = (overflow, more) =>
  connect({ server: ofServer, config: { maxResultBytes: BOUND, overflow }, params: ann, ...more });

/** What LibreChat asks for. */
const callTool = (runtime, toolName, provider = 'openai') =>
  runtime.manager.callTool({ serverName: 'srv', toolName, toolArguments: {}, provider, ...ann });

/** The surfaces on which requests are made. */
const SURFACES = {
  'runtime.client': ({ client }) => client,
  'MCPConnection.client': async ({ runtime }) => {
    const connection = await runtime.manager.getConnection({ serverName: 'srv', ...ann });
    return {
      callTool: (params) => connection.client.request({ method: 'tools/call', params }),
      readResource: (params) => connection.client.request({ method: 'resources/read', params }),
    };
  },
};

/** All parts of a resource. */
async function readAll(client, uri, length) {
  const parts = [];
  for (let offset = 0; offset !== null; ) {
    const read = await client.readResource({ uri: `${uri}?offset=${offset}&length=${length}` });
    expect(bytes(read)).toBeLessThanOrEqual(BOUND);
    const [{ text, blob, _meta }] = read.contents;
    parts.push(text ?? blob);
    offset = _meta['librechat-mcp-native/part'].next;
  }
  expect(parts.length).toBeGreaterThan(1);
  return parts.join('');
}

describe.each(Object.keys(SURFACES))('over %s', (surface) => {
  async function open(overflow) {
    const made = await start(overflow);
    return { ...made, client: await SURFACES[surface](made) };
  }

  test('a result within the bound stays as it is', async () => {
    const { client } = await open('cut');
    expect(await client.callTool({ name: 'small' })).toEqual(RESULTS.small);
  });

  test.each([undefined, 'error'])('a larger one is an error with `overflow: %s`', async (overflow) => {
    const { client, server } = await open(overflow);
    const failure = await client.callTool({ name: 'large' }).catch((error) => error);
    expect(failure).toMatchObject({ code: 'MCP_RESULT_TOO_LARGE', retryable: false });
    const size = bytes(RESULTS.large);
    expect(failure.message).toContain(`'large' of MCP server 'srv' has ${size} bytes, and maxResultBytes allows 2000`);
    expect(server.received('tools/call')).toHaveLength(1);
  });

  test('it is cut, and says so', async () => {
    const { client, runtime } = await open('cut');
    const { content, ...others } = await client.callTool({ name: 'large' });
    expect(others).toEqual({});
    const [, shown, marker] = content[0].text.match(/^(.*)\n\[… cut: (.*)\]$/s);
    expect(TEXT.startsWith(shown)).toBe(true);
    expect(shown.length).toBeGreaterThan(500);
    expect(marker).toMatch(/^\d+ of \d+ bytes of this result are shown, without structuredContent \(maxResultBytes\)$/);
    const failed = await client.callTool({ name: 'failed' });
    expect(failed.isError).toBe(true);
    const pictured = await client.callTool({ name: 'picture' });
    expect(pictured.content.map(({ text }) => text)).toEqual([
      `[left out: image/png of ${bytes(PICTURE)} bytes]`,
      'A picture',
      expect.stringMatching(/^\[… cut: \d+ of \d+ bytes/),
    ]);
    for (const given of [{ content, ...others }, failed, pictured]) expect(bytes(given)).toBeLessThanOrEqual(BOUND);
    expect(runtime.stats().resultsCut).toEqual({ srv: { cut: 3 } });
    expect(runtime.metrics()).toContain('librechat_mcp_results_cut_total{server="srv",how="cut"} 3\n');
  });

  test('all of it is read in parts, without the server', async () => {
    const { client, server, runtime } = await open('resource');
    const given = await client.callTool({ name: 'large' });
    expect(bytes(given)).toBeLessThanOrEqual(BOUND);
    const [{ text }, link] = given.content;
    expect(text).toMatch(/^aé😀.*\n\[… cut: .*; the resource below has all of it, to be read in parts\]$/s);
    const uri = expect.stringMatching(/^mcp-result:\/\/[0-9a-f]{32}$/);
    expect(link).toEqual({
      type: 'resource_link',
      uri,
      name: 'large',
      mimeType: 'text/plain',
      size: expect.any(Number),
    });
    const whole = `${TEXT}\n\n[application/json: ${link.uri}/structuredContent]`;
    expect(link.size).toBe(Buffer.byteLength(whole));
    for (const length of [700, 1_000_000]) expect(await readAll(client, link.uri, length)).toBe(whole);
    const structured = await readAll(client, `${link.uri}/structuredContent`, 10_000);
    expect(JSON.parse(structured)).toEqual(RESULTS.large.structuredContent);

    const picture = await client.callTool({ name: 'picture' });
    const ofPicture = picture.content.find(({ type }) => type === 'resource_link').uri;
    const { contents } = await client.readResource({ uri: ofPicture });
    expect(contents[0].text).toBe(`[image/png: ${ofPicture}/0]\n\nA picture`);
    expect(await readAll(client, `${ofPicture}/0`, 1_000)).toBe(PICTURE.data);

    expect(await outcome(client.readResource({ uri: `${link.uri}?offset=2` }))).toMatchObject({
      name: 'McpError',
      code: -32602,
      message: expect.stringContaining('offset is within a character'),
    });
    expect(server.received('resources/read')).toEqual([]);
    expect(runtime.stats().resultsCut).toEqual({ srv: { resource: 2 } });
  });
});

test('nobody reads the result of another user, of another server or of one who has gone', async () => {
  const server = await fixtures.server(ofServer);
  const rules = { maxResultBytes: BOUND, overflow: 'resource' };
  const servers = { srv: server.config(rules), other: server.config(rules) };
  const { runtime } = fixtures.runtime({ servers, allow: [server] });
  const client = runtime.client('srv', ann);
  const { content } = await client.callTool({ name: 'large' });
  const { uri } = content.at(-1);
  const bob = { user: createUser({ id: 'bob' }) };
  const connection = await runtime.manager.getConnection({ serverName: 'srv', ...ann });
  const missing = { name: 'McpError', code: -32002, message: 'MCP error -32002: Resource not found' };
  const unknown = `mcp-result://${'0'.repeat(32)}`;
  for (const read of [
    runtime.client('srv', bob).readResource({ uri }),
    runtime.client('srv').readResource({ uri }),
    runtime.client('other', ann).readResource({ uri }),
    client.readResource({ uri: unknown }),
    client.readResource({ uri: uri.slice(0, -1) }),
    client.readResource({ uri: uri.toUpperCase() }),
    client.readResource({ uri: ` ${uri}` }),
    client.readResource({ uri: uri.replace('//', '') }),
    client.request({ method: 'resources/subscribe', params: { uri } }),
    client.request({ method: 'resources/unsubscribe', params: { uri } }),
    connection.client.request({ method: 'resources/subscribe', params: { uri } }),
    connection.subscribeResource(uri),
    connection.unsubscribeResource(uri),
  ])
    expect(await outcome(read)).toMatchObject(missing);
  expect((await client.readResource({ uri })).contents).toHaveLength(1);
  await runtime.manager.disconnectUserConnections('ann');
  expect(await outcome(client.readResource({ uri }))).toMatchObject(missing);
  for (const method of ['read', 'subscribe', 'unsubscribe']) expect(server.received(`resources/${method}`)).toEqual([]);
});

test('LibreChat’s models see what there is, where it ends and where the rest is', async () => {
  const { runtime } = await start('cut');
  const [shown, artifacts] = await callTool(runtime, 'large');
  expect(shown).toMatch(/^aé😀.*\n\[… cut: .* without structuredContent \(maxResultBytes\)\]$/s);
  expect(artifacts).toBeUndefined();
  expect(await callTool(runtime, 'picture')).toEqual([
    expect.stringMatching(/^\[left out: image\/png of .*A picture/s),
  ]);
  const [plain] = await callTool(runtime, 'picture', 'unknown');
  expect(plain).toMatch(/^\[left out: image\/png of \d+ bytes\]\n\nA picture\n\n\[… cut: /);
});

test('of a kept result they see a link', async () => {
  const { runtime } = await start('resource');
  const [shown] = await callTool(runtime, 'large');
  expect(shown).toMatch(/parts\]\n\nResource Name: large\nResource URI: mcp-result:\/\/[0-9a-f]{32}\n/);
});

test('texts with half a surrogate pair come through', async () => {
  const { client, server } = await start('cut');
  const json = `{"content":[{"\\ud800":1,"type":"text","text":"${'\\ud83d\\ude00\\ud83d'.repeat(500)}"}]}`;
  server.fault = scripted({ 'tools/call': () => `{"result":${json}}` });
  const { content } = await client.callTool({ name: 'large' });
  expect(content[0].text).toMatch(/^(\u{1f600}\ud83d)+(\u{1f600})?\n\[… cut: /u);
});

test('a process’s results are bounded like others', async () => {
  const config = { ...everythingOverStdio(), maxResultBytes: 1_100, overflow: 'cut' };
  const { runtime } = fixtures.runtime({ servers: { srv: config } });
  const { content } = await runtime.client('srv').callTool({ name: 'echo', arguments: { message: TEXT } });
  expect(content[0].text).toMatch(/^Echo: aé😀.*\n\[… cut: /s);
});

test('the result of a task is bounded like others', async () => {
  const server = fixtures.keep(
    await startTaskServer(() => ({ status: 'completed', result: { ...BASE, ...RESULTS.large } })),
  );
  const config = { ...server.config, maxResultBytes: BOUND, overflow: 'cut' };
  const { runtime } = fixtures.runtime({ servers: { srv: config }, allow: [server] });
  const given = await runtime.client('srv', ann).callTool({ name: 'large' });
  expect(given).toEqual({ ...BASE, content: [{ type: 'text', text: expect.stringMatching(/^aé😀.*\n\[… cut: /s) }] });
});

test.each(['cut', 'resource'])('agents go on with a result of `overflow: %s`', async (overflow) => {
  const { client, server } = await start(overflow);
  const marked = expect.stringMatching(/^aé😀.*\n\[… cut: .* without structuredContent/s);
  const calls = [{ toolName: 'large', input: {} }];
  const config = server.config({ maxResultBytes: BOUND, overflow });
  const { code, output } = await runScript('ai-sdk.js', { server: config, allow: server.address, calls });
  expect({ code, output }).toEqual({ code: 0, output: expect.stringMatching(/^\{/) });
  const { text, told, outputs, caught } = JSON.parse(output);
  expect({ text, caught }).toEqual({ text: 'Done.', caught: [] });
  expect(outputs[0].content[0]).toEqual({ type: 'text', text: marked });
  expect(told[0].type).toBe('content');
  expect(told[0].value[0]).toEqual({ type: 'text', text: marked });
  expect(told[0].value).toHaveLength(outputs[0].content.length);

  const ofLangChain = await langchainTools(client);
  const said = await ofLangChain.find(({ name }) => name === 'large').invoke({});
  expect(said).toEqual(marked);
  expect(said.includes('mcp-result://')).toBe(overflow === 'resource');
});

test('a closed runtime has no results any more', async () => {
  const { client, runtime } = await start('resource');
  const { uri } = (await client.callTool({ name: 'large' })).content.at(-1);
  await runtime.close();
  expect(await outcome(client.readResource({ uri }))).toMatchObject({ code: 'MCP_CLOSED' });
});
