/**
 * A server over stdio that a test tells how to behave: node odd-stdio-server.js PARAMETERS, as JSON:
 *
 *   say     a text for stderr when it starts; `times` it is said
 *   on      'start' (the default), a method, or a number of milliseconds: when it does one of these:
 *   code    ends with this exit code
 *   signal  is killed by this signal
 *   flood   'stderr' or 'stdout': writes lines there without end, and looks at nothing else any more
 *   pid     a file for its process id
 *   modern  speaks 2026-07-28 alone; the error that it answers `initialize` with
 */

const { writeFileSync, writeSync } = require('node:fs');
const { createInterface } = require('node:readline');

const { say, times = 1, on = 'start', code, signal, flood, pid, modern } = JSON.parse(process.argv[2]);

if (pid) writeFileSync(pid, String(process.pid));
for (let count = 0; say && count < times; count++) writeSync(2, say);

const RESULTS = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion,
    capabilities: { tools: {} },
    serverInfo: { name: 'odd', version: '1' },
  }),
  'tools/list': () => ({ tools: [{ name: 'echo', inputSchema: { type: 'object' } }] }),
  'tools/call': () => ({ content: [{ type: 'text', text: 'called' }] }),
  ping: () => ({}),
};

if (modern) {
  delete RESULTS.initialize;
  const base = { resultType: 'complete', ttlMs: 0, cacheScope: 'private' };
  RESULTS['server/discover'] = () => ({ ...base, supportedVersions: ['2026-07-28'], capabilities: { tools: {} } });
}

/** Blocks where nobody reads. */
function writeForever(descriptor) {
  const lines = 'no message at all\n'.repeat(1000);
  for (;;) writeSync(descriptor, lines);
}

function act() {
  if (flood) writeForever(flood === 'stderr' ? 2 : 1);
  else if (signal) process.kill(process.pid, signal);
  else if (code !== undefined) process.exit(code);
}

if (on === 'start') act();
else if (typeof on === 'number') setTimeout(act, on);

createInterface({ input: process.stdin }).on('line', (text) => {
  const { id, method, params } = JSON.parse(text);
  if (method === on) act();
  else if (id !== undefined) {
    const answer = RESULTS[method] ? { result: RESULTS[method](params) } : { error: modern };
    process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, ...answer })}\n`);
  }
});
