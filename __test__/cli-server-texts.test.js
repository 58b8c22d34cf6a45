/** What the command line tool shows of servers: whatever they say, no command dies and no terminal obeys. */

const { useCli } = require('./support/cli');
const faults = require('./support/faults');
const { startIdentityProvider } = require('./support/identity-provider');

const { fixtures, withServers } = useCli();

/** A window title, colours, C1, bidi, invisible characters, tags, and lines that look like ours. */
const UNSAFE =
  '\u001b]0;title\u0007\u001b[31m\u009b31m\u202ertl\u2066iso\u200f\u061c\u200b\ufeff\u180e\u2060\u{e0041}\r\nFAKE\u2028FAKE\u0085x\u007f';
const CONTROLS = /[^\P{C}\n]|[\u2028\u2029]/gu;

const unsafeIn = (text) => [...(text.match(CONTROLS) ?? []), ...(/^FAKE/m.test(text) ? ['a forged line'] : [])];

const LAST = { name: 'last', inputSchema: { type: 'object' } };
const named = (changes) => ({ name: 'first', inputSchema: { type: 'object' }, ...changes });

/** The tool with a server that answers these methods as it is told to. */
async function cliOf(answers) {
  const server = await fixtures.server({ fault: faults.scripted(answers) });
  const mcpServers = { srv: server.config({ source: undefined }) };
  return withServers(mcpServers, { allowedAddresses: [server.address] });
}

const offering = (tools) => ({ 'tools/list': () => ({ result: { tools } }) });
const answering = (result) => ({ 'tools/call': () => ({ result }) });

describe('texts that a terminal would obey', () => {
  const evil = named({
    name: `t${UNSAFE}`,
    description: `d${UNSAFE}`,
    inputSchema: {
      type: 'object',
      properties: { [`p${UNSAFE}`]: { type: `y${UNSAFE}`, description: `e${UNSAFE}` } },
    },
  });
  const content = [
    { type: 'text', text: `x${UNSAFE}` },
    { type: `i${UNSAFE}`, mimeType: UNSAFE, data: 'AA==' },
    { type: 'resource', resource: { uri: UNSAFE, text: UNSAFE } },
  ];
  const error = () => ({ error: { code: -32000, message: `refused ${UNSAFE}` } });

  test.each([
    ['tools', ['tools', 'srv'], offering([evil, LAST]), 0, /^last$/m],
    ['check', ['check'], offering([evil, LAST]), 0, /1 of 1 servers work/],
    ['call', ['call', 'srv', 'echo'], answering({ content }), 0, /^x/],
    ['a call that fails', ['call', 'srv', 'echo'], { 'tools/call': error }, 1, /refused/],
    ['a list that fails', ['tools', 'srv'], { 'tools/list': error }, 1, /refused/],
    ['a connection that fails', ['check'], { initialize: error, 'server/discover': error }, 1, /refused/],
  ])('%s, as text, as JSON and in the log', async (_, args, answers, code, expected) => {
    const { run } = await cliOf(answers);
    const env = { MCP_NATIVE_LOG: 'debug' };
    const text = await run(args, { env });
    expect(text).toMatchObject({ code, stdout: expect.stringMatching(expected) });
    expect(unsafeIn(text.stdout + text.stderr)).toEqual([]);
    const json = await run([...args, '--json'], { env });
    expect(json.code).toBe(code);
    expect(unsafeIn(json.stdout + json.stderr)).toEqual([]);
    expect(() => json.json()).not.toThrow();
  });

  test('--json tells the same text', async () => {
    const { run } = await cliOf(offering([evil]));
    const [tool] = (await run(['tools', 'srv', '--json'])).json();
    expect(tool).toEqual(evil);
  });

  test('the protocol version of a server', async () => {
    const result = {
      protocolVersion: `2025-11-25${UNSAFE}`,
      capabilities: {},
      serverInfo: { name: UNSAFE, version: '1' },
    };
    const { run } = await cliOf({ initialize: () => ({ result }) });
    const { stdout, stderr } = await run(['check'], { env: { MCP_NATIVE_LOG: 'debug' } });
    expect(stdout).toContain('srv');
    expect(unsafeIn(stdout + stderr)).toEqual([]);
  });

  test('claims of an exchanged token', async () => {
    const claims = Buffer.from(JSON.stringify({ aud: UNSAFE, [UNSAFE]: [UNSAFE] })).toString('base64url');
    const answer = { access_token: `a.${claims}.c`, scope: UNSAFE };
    const provider = fixtures.keep(await startIdentityProvider({ answer }));
    const srv = { type: 'streamable-http', url: 'https://example.com/mcp', obo: { scopes: 'api://x/.default' } };
    const { run } = withServers({ srv });
    const env = { OPENID_ISSUER: provider.config.issuer, OPENID_CLIENT_ID: 'client' };
    for (const json of [[], ['--json']]) {
      const { code, stdout } = await run(['obo', 'srv', ...json], { env, input: 'an-assertion-of-a-user' });
      expect({ code, unsafe: unsafeIn(stdout) }).toEqual({ code: 0, unsafe: [] });
    }
  });

  test('line breaks of a text stay, and are seen to be its own', async () => {
    const inputSchema = { type: 'object', properties: { a: { description: 'erste\nzweite' } } };
    const tools = await cliOf(offering([named({ description: 'Größe\nzwei Zeilen', inputSchema })]));
    expect(await tools.run(['tools', 'srv'])).toMatchObject({
      code: 0,
      stdout: 'first\n  Größe\n  zwei Zeilen\n  - a (any, optional): erste\n    zweite\n1 tool\n',
    });
    const call = await cliOf(answering({ content: [{ type: 'text', text: 'a\r\nb' }] }));
    expect(await call.run(['call', 'srv', 'echo'])).toMatchObject({ code: 0, stdout: 'a\n  b\n' });
  });
});

describe('shapes that no server should send', () => {
  const deep = (levels) => `${'{"a":'.repeat(levels)}null${'}'.repeat(levels)}`;
  const withSchema = (schema) =>
    `{"result":{"tools":[{"name":"first","inputSchema":${schema}},${JSON.stringify(LAST)}]}}`;

  test.each([
    ['required is a number', '{"type":"object","required":5,"properties":{"a":{"type":"string"}}}'],
    ['required is a text', '{"type":"object","required":"a","properties":{"a":{}}}'],
    ['required is an object', '{"type":"object","required":{"a":1},"properties":{"a":{}}}'],
    ['properties are a list', '{"type":"object","properties":[1,2]}'],
    ['properties are a text', '{"type":"object","properties":"abc"}'],
    ['properties are null', '{"type":"object","properties":null}'],
    ['parameters are none', '{"type":"object","properties":{"a":null,"b":5,"c":"x","d":[]}}'],
    ['types are odd', '{"type":"object","properties":{"a":{"type":{"toString":5}},"b":{"type":[null,[1]]}}}'],
    [
      'descriptions are odd',
      '{"type":"object","properties":{"a":{"description":{"toString":1}},"b":{"description":[]}}}',
    ],
    [
      'names are of every object',
      '{"type":"object","properties":{"__proto__":{"type":"x"},"toString":{},"constructor":1}}',
    ],
    ['the schema is a list', '[]'],
    ['the schema is null', 'null'],
    ['the schema is a text', '"x"'],
    ['the schema is deep', `{"type":"object","properties":${deep(20_000)}}`],
  ])('%s: every command goes on', async (_, schema) => {
    const { run } = await cliOf({ 'tools/list': () => withSchema(schema) });
    expect(await run(['tools', 'srv'])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^last$/m) });
    expect(await run(['check'])).toMatchObject({ code: 0 });
    const { code, json } = await run(['tools', 'srv', '--json']);
    expect(code).toBe(0);
    expect(json().at(-1)).toEqual(LAST);
  });

  test.each([
    ['descriptions', { description: 5 }],
    ['descriptions that are objects', { description: { toString: 5 } }],
    ['annotations', { annotations: 'x', title: 7, outputSchema: [], _meta: null }],
    ['names', { name: { a: 1 } }],
    ['no names', { name: undefined }],
  ])('odd %s of a tool', async (_, changes) => {
    const { run } = await cliOf(offering([named(changes), LAST]));
    for (const command of [['tools', 'srv'], ['check'], ['tools', 'srv', '--json']]) {
      expect(await run(command)).toMatchObject({ code: 0, stderr: '' });
    }
  });

  test.each([
    ['entries that are no tools', [null, 5, 'x', [], {}, LAST]],
    ['no list', { a: LAST }],
    ['null', null],
    ['a text', 'x'],
  ])('tools/list with %s ends no command otherwise than with an error that is told', async (_, tools) => {
    const { run } = await cliOf(offering(tools));
    for (const command of [['tools', 'srv'], ['check']]) {
      const { code, stdout, stderr } = await run(command);
      expect([0, 1]).toContain(code);
      expect(stdout + stderr).not.toMatch(/is not iterable|Cannot read|is not a function|cannot read|MCP_INTERNAL/);
    }
  });

  test.each([
    ['null among the content', { content: [null, 5, 'x', [], {}, { type: 'text', text: 'after' }] }, /after/],
    ['content that is null', { content: null }, /^$/],
    ['content that is a text', { content: 'after' }, /after/],
    ['content that is an object', { content: { type: 'text', text: 'after' } }, /after/],
    [
      'texts that are none',
      {
        content: [
          { type: 'text', text: null },
          { type: 'text', text: 'after' },
        ],
      },
      /after/,
    ],
    [
      'odd types',
      {
        content: [
          { type: { toString: 1 }, mimeType: [], data: 'x' },
          { type: 'text', text: 'after' },
        ],
      },
      /after/,
    ],
  ])('a result with %s', async (_, result, expected) => {
    const { run } = await cliOf(answering(result));
    expect(await run(['call', 'srv', 'echo'])).toMatchObject({ code: 0, stdout: expect.stringMatching(expected) });
    expect((await run(['call', 'srv', 'echo', '--json'])).json()).toEqual(result);
  });
});
