/** Users who authorize with a real authorization server, their tokens in LibreChat's own collection. */

const { useAuthorization } = require('./support/authorization');
const { connected } = require('./support/results');
const { TOOLS } = require('./support/tools');

const suite = useAuthorization();

test('the user signs in, and the next reinit lists the tools', async () => {
  const host = await suite.host();
  const first = await host.reinit();
  expect(first).toMatchObject({ success: true, oauthRequired: true, tools: null });
  expect(first.oauthUrl).toMatch(`${suite.authorizationServer.issuer}/auth?`);

  const { tokens } = await host.authorize();
  expect(tokens).toMatchObject({ access_token: expect.any(String), refresh_token: expect.any(String) });
  expect(await host.reinit()).toEqual(connected('srv', TOOLS));
  expect(new Set(host.bearers('tools/list'))).toEqual(new Set([tokens.access_token]));
});
