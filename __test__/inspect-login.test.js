/** Logins on the page of `inspect`: how they are given up, kept, ended, and where there is none. */

const { everythingOverStdio } = require('./support/everything');
const { button, choose, inList, link, useInspectPage } = require('./support/inspect-page');

const { fixtures, open, openProtected } = useInspectPage();
// The machine may be busy with other things.
jest.setTimeout(300_000);

/** The page of a server that wants a login, at that part. */
async function openLogin() {
  const { page, server, authorizationServer } = await openProtected();
  await link(page, 'Login').click();
  const address = link(page, `${authorizationServer.issuer}/auth`);
  /** Logs in where the address leads; resolves to the status that the browser comes back to, `null` where nobody listens. */
  const comeBack = async (url) => {
    const tab = await page.context().newPage();
    await tab.goto(url);
    const { login, password } = authorizationServer.account;
    await tab.getByLabel('Name').fill(login);
    await tab.getByLabel('Password').fill(password);
    const returned = tab.waitForRequest((request) => request.url().includes('/oauth/callback'));
    await tab.getByRole('button').click();
    const response = await (await returned).response();
    await tab.close();
    return response?.status() ?? null;
  };
  return { page, server, authorizationServer, address, comeBack };
}

test('a login that is cancelled is over: coming back to it stores nothing', async () => {
  const { page, server, address, comeBack } = await openLogin();
  await button(page, 'Log in').click();
  const url = await address.getAttribute('href');
  await button(page, 'Cancel').click();
  expect(await page.evaluate(() => document.activeElement.textContent)).toBe('Log in');
  await page.getByText('Cancelled. What was opened').waitFor();
  expect(await page.getByRole('alert').count()).toBe(0);
  expect(await page.locator('.steps .state').allTextContents()).toEqual([
    ...Array(3).fill('done'),
    'cancelled',
    ...Array(3).fill('not yet'),
  ]);

  expect([null, 400]).toContain(await comeBack(url));
  await button(page, 'Connect').click();
  await inList(page, 'connecting').or(inList(page, 'login needed')).waitFor();
  await inList(page, 'login needed').waitFor();
  expect(server.received('tools/list')).toHaveLength(0);
});

test('a login goes on while the user looks elsewhere or loads the page again; then it is ended', async () => {
  const { page, server, authorizationServer, address, comeBack } = await openLogin();
  await button(page, 'Log in').click();
  const url = await address.getAttribute('href');
  await link(page, 'Overview').click();
  await page.reload();
  await link(page, 'Login').click();
  expect(await address.getAttribute('href')).toBe(url);
  expect(await comeBack(url)).toBe(200);
  await page.getByText('You are logged in.').waitFor();
  await inList(page, 'connected, 2 tools').waitFor();
  expect(server.received('tools/list').length).toBeGreaterThan(0);

  // What went wrong is not said for longer than it holds.
  await authorizationServer.fail(503);
  await button(page, 'Refresh now').click();
  await page.getByRole('alert').waitFor();
  const refresh = page.locator('.steps > li').last();
  await refresh.getByText('failed here').waitFor();
  await authorizationServer.fail();
  await button(page, 'Refresh now').click();
  await refresh.getByText('done', { exact: true }).waitFor();
  expect(await page.getByRole('alert').count()).toBe(0);

  await button(page, 'Log out').click();
  await page.getByText('You are logged out; 2 tokens revoked.').waitFor();
  await inList(page, 'login needed').waitFor();
  await button(page, 'Log out').click();
  await page.getByText('Nobody was logged in.').waitFor();
});

test('where nobody has to log in, none is told of', async () => {
  const server = await fixtures.server();
  const { page } = await open(
    { srv: server.config(), everything: everythingOverStdio() },
    { allowedAddresses: [server.address] },
  );
  await inList(page, 'connected, 2 tools').waitFor();
  await choose(page, /^srv/);
  await link(page, 'Login').click();
  await button(page, 'Log in').click();
  await page.getByText('This server needs no login.').waitFor();
  expect(await page.locator('.steps .state').allTextContents()).toEqual(Array(7).fill('not yet'));

  await inList(page, 'connected, 17 tools').waitFor();
  await choose(page, /^everything/);
  await link(page, 'Overview').waitFor();
  expect(await link(page, 'Login').count()).toBe(0);
});
