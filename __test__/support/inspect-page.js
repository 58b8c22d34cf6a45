const { startAuthorizationServer } = require('./authorization-server');
const { startBrowser } = require('./browser');
const { useFixtures } = require('./fixtures');
const { startInspect } = require('./inspect');
const { startProtectedServer } = require('./protected-server');

/**
 * The page of `inspect` for a suite. Call once at the top of a suite.
 *
 * @returns `{ fixtures, open(mcpServers, options), openProtected() }`. `open` resolves to `{ page, inspect }`, the page in a tab
 *   of its own; what goes wrong in it fails the test. `options`: `allowedAddresses`, `env`, and those of a browser's context
 */
function useInspectPage() {
  const fixtures = useFixtures();
  let browser;
  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(() => browser?.close());

  async function open(mcpServers, { allowedAddresses, env, ...context } = {}) {
    const faults = [];
    fixtures.keep({ close: () => expect(faults).toEqual([]) });
    const config = { mcpServers, mcpSettings: { allowedAddresses } };
    const inspect = fixtures.keep(await startInspect({ 'librechat.yaml': config }, { env }));
    const tab = fixtures.keep(await browser.newContext({ viewport: { width: 1280, height: 900 }, ...context }));
    const page = await tab.newPage();
    const isFault = (message) => message.type() === 'error' && !message.text().includes('net::ERR_');
    page.on('console', (message) => isFault(message) && faults.push(message.text()));
    page.on('pageerror', (error) => faults.push(error.stack));
    page.on('dialog', (dialog) => faults.push(dialog.message()));
    await page.goto(inspect.address);
    return { page, inspect };
  }

  /** The server `srv`, which wants a login, has been chosen: `{ page, server, authorizationServer }`. */
  async function openProtected() {
    const authorizationServer = fixtures.keep(await startAuthorizationServer());
    const server = fixtures.keep(await startProtectedServer(authorizationServer));
    const { page } = await open(
      { srv: server.config() },
      { allowedAddresses: [server.address, authorizationServer.address] },
    );
    await inList(page, 'login needed').waitFor();
    await choose(page, /^srv/);
    return { page, server, authorizationServer };
  }

  return { fixtures, open, openProtected };
}

const link = (page, name) => page.getByRole('link', { name, exact: true });
const button = (page, name) => page.getByRole('button', { name, exact: true });
/** What came of the last request. */
const result = (page) => page.locator('.outcome');
/** In the list of servers. */
const inList = (page, text) => page.getByRole('navigation', { name: 'Servers' }).getByText(text);
const choose = (page, name) => page.getByRole('navigation', { name: 'Servers' }).getByRole('link', { name }).click();

/** Goes to a tool of the server that was chosen. */
async function chooseTool(page, name) {
  await link(page, 'Tools').click();
  await link(page, name).click();
}

module.exports = { button, choose, chooseTool, inList, link, result, useInspectPage };
