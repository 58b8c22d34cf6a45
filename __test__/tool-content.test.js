/**
 * Results of tools, formatted as LibreChat's `formatToolContent` formats them: recorded inputs and outputs of it, and what
 * it does with links, blobs and structured content since the autumn of 2026.
 */

const { answer } = require('./support/faults');
const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');
const CASES = require('./support/tool-content.json');

const fixtures = useFixtures();

test(`${CASES.length} results for several providers`, async () => {
  const server = await fixtures.server();
  const { runtime } = fixtures.runtime({ servers: { srv: server.config({ startup: false }) }, allow: [server] });
  const call = { user: createUser(), serverName: 'srv', toolName: 'echo', toolArguments: {} };
  for (const { provider, result, formatted } of CASES) {
    server.fault = ({ message, response }) =>
      message?.method === 'tools/call' &&
      answer(200, JSON.stringify({ jsonrpc: '2.0', id: message.id, result }), 'application/json')({ response });
    const ours = await runtime.manager.callTool({ ...call, provider });
    // As JSON: an array has no place for what is undefined.
    expect(JSON.parse(JSON.stringify(ours))).toEqual(formatted);
  }
});
