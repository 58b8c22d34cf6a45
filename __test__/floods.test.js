/** Servers that send without end: memory stays bounded, other servers are called meanwhile, and `close()` returns. */

const { useFixtures } = require('./support/fixtures');
const { startScript } = require('./support/script');
const { createUser } = require('./support/host');
const { delay, never, settlesWithin, until } = require('./support/wait');

const fixtures = useFixtures();
const user = createUser();
const MIB = 1024 * 1024;
/** What a flood may leave behind for a moment; without bounds it takes gigabytes. */
const MOST = 200 * MIB;
const FLOOD_MS = 2000;

const sampling = { method: 'sampling/createMessage', params: { messages: [], maxTokens: 1 } };
const FLOODS = [
  ['ping on the GET stream', 'get', { method: 'ping' }],
  ['sampling that the host never answers', 'get', sampling],
  ['log messages', 'get', { method: 'notifications/message', params: { level: 'info', data: 'x' } }],
  ['announcements of changes', 'get', { method: 'notifications/tools/list_changed' }],
  ['notifications that nobody knows', 'get', { method: 'notifications/x' }],
  ['progress during a call', 'call', { method: 'notifications/progress', params: { progressToken: 0, progress: 1 } }],
  [
    'elicitation during a call',
    'call',
    { method: 'elicitation/create', params: { message: '?', requestedSchema: {} } },
  ],
  ['ping over HTTP+SSE', 'sse', { method: 'ping' }],
  ['log messages over HTTP+SSE', 'sse', { method: 'notifications/message', params: { level: 'info', data: 'x' } }],
];

async function startFlood(where, message) {
  const { child, output } = startScript('flood-server.js', { where, message, stay: true });
  fixtures.keep({ close: async () => child.kill('SIGKILL') });
  await until('the port of the server', () => output().includes('\n'));
  const address = `127.0.0.1:${Number(output())}`;
  const type = where === 'sse' ? 'sse' : 'streamable-http';
  return { address, config: { type, url: `http://${address}/mcp`, requiresOAuth: false, source: 'yaml' } };
}

test.each(FLOODS)('%s', async (what, where, message) => {
  const flood = await startFlood(where, message);
  const quiet = await fixtures.server();
  const { runtime, logger } = fixtures.runtime({
    servers: { flood: flood.config, quiet: quiet.config() },
    allow: [flood, quiet],
    services: { sampling: never, elicitation: never, onLogMessage: () => {} },
  });
  const call = (serverName, toolName, options) =>
    runtime.manager.callTool({
      user,
      serverName,
      toolName,
      provider: 'openai',
      toolArguments: { text: 'hi' },
      options,
    });
  await call('quiet', 'echo');
  await runtime.manager.getConnection({ user, serverName: 'flood' });
  const before = process.memoryUsage.rss();
  const flooded = call('flood', 'flood', { onprogress: () => {} }).catch((error) => error);
  let most = 0;
  for (const end = Date.now() + FLOOD_MS; Date.now() < end; await delay(50)) {
    most = Math.max(most, process.memoryUsage.rss() - before);
    if (most > MOST) break;
  }
  const { ms: callMs } = await settlesWithin(20_000, call('quiet', 'echo'));
  const { ms: closeMs } = await settlesWithin(20_000, runtime.close());
  await flooded;
  console.log(
    `${what}: ${Math.round(most / MIB)} MiB, another call ${callMs} ms, close() ${closeMs} ms, ${logger.entries.length} lines`,
  );
  expect(most).toBeLessThan(MOST);
  expect(logger.entries.length).toBeLessThan(200);
});
