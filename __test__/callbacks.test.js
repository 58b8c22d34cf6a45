/** Callbacks of the host that nobody waits for: whatever they do, calls go on, and so does the process. */

const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');
const { runScript } = require('./support/script');
const { never } = require('./support/wait');

const fixtures = useFixtures();

test('that fail are told of once, and end neither calls nor the process', async () => {
  const { code, output } = await runScript('failing-callbacks.js', {}, 110_000);
  expect([code, output]).toEqual([0, expect.stringMatching(/^\{"results":/)]);
  const { results, stray } = JSON.parse(output);
  expect(stray).toEqual([]);
  expect(results.length).toBeGreaterThan(20);
  for (const result of results) {
    expect(result).toEqual({ ...result, texts: ['answered', 'answered'], told: 1 });
    // A listener that throws keeps the others from nothing.
    if (result.callback === 'connectionChange') expect(result).toMatchObject({ heard: true });
  }
});

test('a promise that never settles changes nothing', async () => {
  const server = await fixtures.server();
  const { runtime } = fixtures.runtime({
    servers: { srv: server.config() },
    allow: [server],
    services: { logger: { debug: never, info: never, warn: never, error: never }, onSpans: never },
  });
  expect(await runtime.reinitMCPServer({ user: createUser(), serverName: 'srv' })).toMatchObject({ success: true });
  expect(runtime.stats().callbackFailures).toEqual({});
});
