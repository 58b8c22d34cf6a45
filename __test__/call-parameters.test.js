/** Parameters of calls that newer LibreChat passes. */

const { createUser } = require('./support/host');
const { useLiveTokens } = require('./support/live-tokens');

const { setup } = useLiveTokens();

describe('other parameters of newer LibreChat', () => {
  test.each([
    [{ mcpApps: 'on' }, /params\.mcpApps must be an object/],
    [{ scheduledMCPInvocation: {} }, /params\.scheduledMCPInvocation is not supported/],
    [{ scheduledBearerInvocation: {} }, /params\.scheduledBearerInvocation is not supported/],
    [{ recoveryPolicy: 5 }, /params\.recoveryPolicy must be an object/],
    [{ streamId: 5 }, /params\.streamId must be a string/],
    [{ jobCreatedAt: 'now' }, /params\.jobCreatedAt must be a number/],
    [{ connectionTarget: {} }, /params\.connectionTarget must have a serverConfig/],
    [{ connectionTarget: { serverConfig: {} } }, /params\.connectionTarget must have a connectionOwner/],
    [
      { connectionTarget: { serverConfig: {}, connectionOwner: 'operator' }, serverConfig: {} },
      /params\.connectionTarget cannot be given beside serverConfig/,
    ],
  ])('refused: %j', async (params, message) => {
    const { call, reinit, server } = await setup();
    const user = createUser();
    await expect(call({ user, ...params })).rejects.toThrow(message);
    await expect(reinit({ user, ...params })).rejects.toThrow(message);
    expect(server.requests).toEqual([]);
  });

  test('taken, without an effect on the connection', async () => {
    const { call, reinit } = await setup();
    const params = {
      user: createUser(),
      mcpApps: { enabled: false },
      recoveryPolicy: {},
      streamId: null,
      jobCreatedAt: 5,
    };
    expect(await reinit(params)).toMatchObject({ success: true });
    await call({ ...params, streamId: 'stream' });
  });

  test('MCP Apps: LibreChat’s policy comes with every call, and is warned of once', async () => {
    const { call, reinit, logger } = await setup();
    const params = { user: createUser(), mcpApps: { enabled: true, legacyHtmlEnabled: true } };
    expect(await reinit(params)).toMatchObject({ success: true });
    await call(params);
    const told = logger.entries.filter(({ message }) => message.includes('MCP Apps'));
    expect(told).toMatchObject([{ level: 'warn', message: expect.stringContaining('enabled, and not supported') }]);
  });

  test('connectionTarget: a connection of the user’s own, or the one that all share', async () => {
    const { call, server, runtime } = await setup();
    const users = [createUser(), createUser()];
    const target = (connectionOwner) => ({ serverConfig: server.config(), connectionOwner });
    for (const user of users) await call({ user, connectionTarget: target('operator') });
    expect(runtime.manager.getConnectionStats()).toMatchObject({ appConnectionCount: 1, totalConnections: 0 });
    for (const user of users) await call({ user, connectionTarget: target('principal') });
    expect(runtime.manager.getConnectionStats()).toMatchObject({ trackedUsers: 2, totalConnections: 2 });
  });
});
