/**
 * Makes the pictures of docs/inspect.md, of the page in Chromium over real servers, with the addon of `npm run build:test`:
 *
 *   node scripts/screenshots.js
 */

const { mkdirSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { startAuthorizationServer } = require('../__test__/support/authorization-server');
const { startBrowser } = require('../__test__/support/browser');
const { everythingOverStdio } = require('../__test__/support/everything');
const { startIdentityProvider } = require('../__test__/support/identity-provider');
const { startInspect } = require('../__test__/support/inspect');
const { startMcpServer } = require('../__test__/support/mcp-server');
const { startProtectedServer } = require('../__test__/support/protected-server');
const { ROOT } = require('./addon-path');

const FOLDER = join(ROOT, 'docs', 'images');
const VIEWPORT = { width: 1280, height: 760 };

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const tokenOf = (claims) => `${encode({ alg: 'none' })}.${encode(claims)}.signature`;
const USERS_TOKEN = tokenOf({ iss: 'https://login.example.com', sub: 'alice', aud: 'api://librechat', scp: 'chat' });
const SERVERS_TOKEN = tokenOf({ iss: 'https://login.example.com', sub: 'alice', aud: 'api://orders', scp: 'read' });

async function main() {
  const open = [];
  const keep = async (starting) => {
    const thing = await starting;
    open.unshift(thing);
    return thing;
  };
  try {
    const authorizationServer = await keep(startAuthorizationServer());
    const notes = await keep(startProtectedServer(authorizationServer));
    const orders = await keep(startMcpServer());
    const provider = await keep(startIdentityProvider({ answer: { access_token: SERVERS_TOKEN } }));
    const config = {
      mcpServers: {
        everything: everythingOverStdio({ title: 'Everything' }),
        notes: notes.config({ title: 'Notes' }),
        orders: orders.config({ title: 'Orders', obo: { scopes: 'api://orders/.default' } }),
        search: orders.config({
          title: 'Search',
          headers: { 'X-Key': '{{SEARCH_KEY}}' },
          customUserVars: { SEARCH_KEY: { title: 'Key', description: 'The key of your account' } },
        }),
      },
      mcpSettings: { allowedAddresses: [notes.address, orders.address, authorizationServer.address] },
    };
    const env = { OPENID_ISSUER: provider.config.issuer, OPENID_CLIENT_ID: 'client', OPENID_CLIENT_SECRET: 'secret' };
    const inspect = await keep(startInspect({ 'librechat.yaml': config }, { env }));
    const browser = await keep(startBrowser());
    mkdirSync(FOLDER, { recursive: true });
    await shoot(await browser.newPage({ viewport: VIEWPORT }), inspect.address);
  } finally {
    for (const thing of open) await thing.close();
  }
}

async function shoot(page, address) {
  const chromium = await page.context().newCDPSession(page);
  const go = (...names) => page.goto(`${new URL(address).origin}/#/${names.join('/')}`);
  const press = (name) => page.getByRole('button', { name, exact: true }).click();
  const save = async (name) => {
    await page.evaluate(() => {
      document.activeElement.blur();
      scrollTo(0, 0);
    });
    // A PNG would be three times as large.
    const { data } = await chromium.send('Page.captureScreenshot', { format: 'webp', quality: 75 });
    writeFileSync(join(FOLDER, `inspect-${name}.webp`), Buffer.from(data, 'base64'));
  };

  await page.goto(address);
  await page.getByText('connected, 16 tools').first().waitFor();

  await go('everything');
  await page.getByRole('heading', { name: 'Everything', exact: true }).waitFor();
  await save('overview');

  await go('everything', 'prompts', 'args-prompt');
  await page.getByLabel('city required').fill('Oslo');
  await press('Get');
  await page.getByRole('heading', { name: 'Result', exact: true }).waitFor();
  await save('prompt');

  await go('everything', 'resources');
  await page
    .getByRole('main')
    .getByRole('link', { name: /architecture/i })
    .first()
    .click();
  await page.getByRole('heading', { name: 'Result', exact: true }).waitFor();
  await save('resource');

  await go('everything', 'tools', 'get-structured-content');
  await page.getByLabel('location').selectOption({ label: 'Chicago' });
  await press('Call');
  await page.getByRole('heading', { name: 'Structured content', exact: true }).waitFor();
  await save('tool');

  await go('everything', 'tools', 'trigger-elicitation-request');
  await press('Call');
  await page.getByRole('region', { name: /asks you/ }).waitFor();
  await save('question');
  await press('Decline');

  await go('notes', 'login');
  await press('Log in');
  await page.getByText('To log in, open').waitFor();
  await save('login');

  await page.emulateMedia({ colorScheme: 'dark' });
  await go('orders', 'exchange');
  await page.getByLabel("The user's token").fill(USERS_TOKEN);
  await press('Exchange');
  await page.locator('.steps table').nth(1).waitFor();
  // Traffic is told a moment later than what comes of it.
  await page.getByText('← result of tools/list').first().waitFor();
  await save('exchange');
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
