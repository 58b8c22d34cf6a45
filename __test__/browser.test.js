/** A login as users see it: a browser, the authorization server's page, the host's callback route. */

const { useAuthorization } = require('./support/authorization');
const { startBrowser } = require('./support/browser');
const { createUser } = require('./support/host');
const { freePort } = require('./support/ports');
const { startProcess } = require('./support/processes');
const { startProtectedServer } = require('./support/protected-server');
const { connected } = require('./support/results');
const { TOOLS } = require('./support/tools');

const suite = useAuthorization();

async function setup() {
  const { fixtures, mongo, authorizationServer } = suite;
  const server = fixtures.keep(await startProtectedServer(authorizationServer));
  const port = await freePort();
  const app = fixtures.keep(
    startProcess('web-app.js', {
      mongo,
      port,
      config: server.config(),
      allow: [server.address, authorizationServer.address],
      user: createUser(),
    }),
  );
  await app.message();
  const browser = fixtures.keep(await startBrowser());
  return { server, port, reinit: () => app.ask({}), page: await browser.newPage() };
}

async function signIn(page, password) {
  await page.getByLabel('Name').fill(suite.authorizationServer.account.login);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button').click();
}

test('the user signs in, lands on the callback route, and the next reinit lists the tools', async () => {
  const { server, port, page, reinit } = await setup();
  const { oauthUrl } = await reinit();

  await page.goto(oauthUrl);
  expect(await page.title()).toBe('Sign in');
  await signIn(page, 'not the password');
  await page.getByText('Name or password is wrong').waitFor();
  expect(server.received('initialize').some(({ headers }) => headers.authorization)).toBe(false);

  await signIn(page, suite.authorizationServer.account.password);
  await page.waitForURL(`http://localhost:${port}/api/mcp/srv/oauth/callback?**`);
  expect(await page.title()).toBe('Connected');
  expect(await reinit()).toEqual(connected('srv', TOOLS));
}, 300_000);
