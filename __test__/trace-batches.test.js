/** What the host hears of a trace while it is busy with something else. */

const { mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { ECHO } = require('./support/calls');
const { useEnvironment } = require('./support/environment');
const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');
const { nameOf, readTrace } = require('./support/traces');
const { until } = require('./support/wait');

const folder = mkdtempSync(join(tmpdir(), 'mcp-trace-'));
const FILE = join(folder, 'trace.ndjson');
useEnvironment({ MCP_NATIVE_TRACE: FILE });
const fixtures = useFixtures();
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const MANY = 2000;
const clock = new Int32Array(new SharedArrayBuffer(4));

/** An MCP server that says much before it answers a call. */
const TALKATIVE = `
const tools = [{ name: 'echo', inputSchema: { type: 'object' } }];
const serverInfo = { name: 'talkative', version: '1' };
const results = {
  initialize: { protocolVersion: '2025-06-18', capabilities: { tools: {} }, serverInfo },
  'tools/list': { tools },
  'tools/call': { content: [{ type: 'text', text: 'hi' }] },
};
const send = (message) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', ...message }) + '\\n');
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method } = JSON.parse(line);
  if (id === undefined) return;
  if (method === 'tools/call') {
    for (let progress = 0; progress < ${MANY}; progress += 1) {
      send({ method: 'notifications/progress', params: { progressToken: 'nobody', progress } });
    }
  }
  send(results[method] ? { id, result: results[method] } : { id, error: { code: -32601, message: 'no' } });
});
`;

test('what has gathered while the listener was busy comes in one batch, of no more than 500', async () => {
  const batches = [];
  const onTraffic = (batch) => {
    batches.push(batch);
    if (!batch.some((record) => nameOf(record) === 'sent tools/call')) return;
    // Nothing else runs in this thread meanwhile.
    const end = Date.now() + 60_000;
    while (readTrace(FILE).length < MANY && Date.now() < end) Atomics.wait(clock, 0, 0, 50);
  };
  const config = { type: 'stdio', command: process.execPath, args: ['-e', TALKATIVE], source: 'yaml', startup: false };
  const { runtime } = fixtures.runtime({ servers: { srv: config }, services: { onTraffic } });
  await runtime.manager.callTool({ ...ECHO, user: createUser() });
  await runtime.close();
  await until('the end of the trace', () => {
    const written = readTrace(FILE);
    return written.at(-1).step === 'disconnected' && batches.flat().length === written.length;
  });
  expect(batches.flat()).toEqual(readTrace(FILE));
  const sizes = batches.map((batch) => batch.length);
  expect(Math.max(...sizes)).toBe(500);
});
