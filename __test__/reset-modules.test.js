/** Jest loads modules anew after `resetModules`; the addon behind them is the same. */

const { useFixtures } = require('./support/fixtures');

const fixtures = useFixtures();

test('two copies of the module work beside each other', async () => {
  const server = await fixtures.server();
  const config = {
    mcpServers: { srv: { type: 'streamable-http', url: server.url, requiresOAuth: false } },
    mcpSettings: { allowedAddresses: [server.address] },
  };
  const runtimes = [1, 2].map(() => {
    jest.resetModules();
    return fixtures.keep(require('./support/addon').createMCPRuntime({ config }));
  });
  expect(runtimes[0].reinitMCPServer).not.toBe(runtimes[1].reinitMCPServer);
  const [first, second] = runtimes;
  const call = { user: { id: 'u' }, serverName: 'srv' };
  expect(await first.reinitMCPServer(call)).toMatchObject({ success: true });
  await first.close();
  expect(await second.reinitMCPServer(call)).toMatchObject({ success: true });
});
