/** The traffic that the page of `inspect` shows beside a server. */

const { readFileSync } = require('node:fs');
const { Traffic } = require('../cli/inspect/traffic');
const { everythingOverStdio } = require('./support/everything');
const { button, choose, chooseTool, inList, link, useInspectPage } = require('./support/inspect-page');

const { fixtures, open } = useInspectPage();
// The machine may be busy with other things.
jest.setTimeout(300_000);

test('the traffic of a server stands beside it, and can be searched', async () => {
  const server = await fixtures.server();
  const { page } = await open(
    { srv: server.config(), everything: everythingOverStdio() },
    { allowedAddresses: [server.address] },
  );
  await inList(page, 'connected, 17 tools').waitFor();
  await choose(page, /^srv/);
  const traffic = page.getByRole('complementary', { name: 'Traffic' });
  const rows = traffic.locator('summary');
  await rows.filter({ hasText: '← result of tools/list' }).waitFor();
  await rows.filter({ hasText: '• connected' }).first().waitFor();
  await rows
    .filter({ hasText: /POST \S+\/mcp ⇒ 200 · \d+ ms/ })
    .first()
    .waitFor();
  await chooseTool(page, 'echo');
  await page.getByLabel('text required').fill('a text of the user');
  await button(page, 'Call').click();
  await rows.filter({ hasText: '→ tools/call echo' }).waitFor();
  await rows.filter({ hasText: '← result of tools/call echo' }).click();
  await traffic.locator('pre').getByText('a text of the user').waitFor();

  await traffic.getByLabel('Search').fill('tools/call');
  await traffic.getByLabel('HTTP').uncheck();
  await rows.nth(2).waitFor({ state: 'detached' });
  expect((await rows.allTextContents()).map((text) => text.replace(/^[\d:.]+ /, ''))).toEqual([
    '← result of tools/call echo',
    '→ tools/call echo',
  ]);
  // That of another server is not there.
  await traffic.getByLabel('Search').fill('process-started');
  await rows.first().waitFor({ state: 'detached' });
  await choose(page, /^everything/);
  await rows.filter({ hasText: '• process-started' }).waitFor();
});

test('a message whose words are no words is shown, and takes nothing of the page with it', async () => {
  const server = await fixtures.server();
  const odd = { toString: 1, valueOf: 1 };
  server.fault = ({ message, response }) => {
    if (message?.method !== 'tools/call') return false;
    const events = [
      { method: 'notifications/message', params: { level: 'info', data: 'x', name: odd } },
      { id: message.id, error: { code: odd, message: 'odd' } },
    ];
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.end(events.map((event) => `data: ${JSON.stringify({ jsonrpc: '2.0', ...event })}\n\n`).join(''));
    return true;
  };
  const { page } = await open({ srv: server.config() }, { allowedAddresses: [server.address] });
  await choose(page, /^srv/);
  await chooseTool(page, 'echo');
  await page.getByLabel('text required').fill('x');
  await button(page, 'Call').click();
  const traffic = page.getByRole('complementary', { name: 'Traffic' });
  await traffic.locator('summary', { hasText: '← notifications/message' }).waitFor();
  await button(page, 'Call').waitFor();
});

/** `everything` is chosen; `traffic` is what stands beside it. */
async function openEverything() {
  const { page } = await open({ everything: everythingOverStdio() });
  await inList(page, 'connected, 17 tools').waitFor();
  await choose(page, /^everything/);
  const traffic = page.getByRole('complementary', { name: 'Traffic' });
  const rows = traffic.locator('summary');
  await rows.filter({ hasText: '← result of tools/list' }).first().waitFor();
  return { page, traffic, rows };
}

test('traffic can be saved and cleared, and a search without hits says so', async () => {
  const { page, traffic, rows } = await openEverything();
  const downloading = page.waitForEvent('download');
  await button(traffic, 'Save').click();
  const download = await downloading;
  expect(download.suggestedFilename()).toBe('everything.ndjson');
  const lines = readFileSync(await download.path(), 'utf8')
    .trimEnd()
    .split('\n');
  const saved = lines.map((line) => JSON.parse(line));
  expect(saved[0]).toMatchObject({ v: 1, kind: 'step', server: 'everything' });
  expect(saved.map(({ message }) => message?.method)).toContain('tools/list');

  await traffic.getByLabel('Search').fill('no such thing');
  await traffic.getByText(/^None of \d+ is like that\.$/).waitFor();
  await traffic.getByLabel('Search').fill('');
  await button(traffic, 'Clear').click();
  // Records of before may still come.
  await rows.filter({ hasText: 'process-started' }).waitFor({ state: 'detached' });
  // It is gone for pages that are loaded later as well.
  await page.reload();
  await inList(page, 'connected, 17 tools').waitFor();
  await chooseTool(page, 'echo');
  await page.getByLabel('message required').fill('later');
  await button(page, 'Call').click();
  await rows.filter({ hasText: '← result of tools/call echo' }).waitFor();
  expect(await rows.filter({ hasText: 'process-started' }).count()).toBe(0);
});

test('traffic scrolls by itself, and what has the focus is in sight', async () => {
  const { page, traffic, rows } = await openEverything();
  await page.setViewportSize({ width: 1280, height: 300 });
  const heights = () => traffic.evaluate(({ clientHeight, scrollHeight }) => [clientHeight, scrollHeight]);
  const [shown, all] = await heights();
  expect(shown).toBeLessThanOrEqual(300);
  expect(all).toBeGreaterThan(shown);
  const last = rows.last();
  await button(traffic, 'Clear').focus();
  for (let count = await rows.count(); count > 0; count--) await page.keyboard.press('Tab');
  expect(await last.evaluate((row) => row === document.activeElement)).toBe(true);
  const { y, height } = await last.boundingBox();
  expect(y).toBeGreaterThanOrEqual(0);
  expect(y + height).toBeLessThanOrEqual(300);
});

test('long lists of servers and of tools are searched by name', async () => {
  const gone = { type: 'stdio', command: '/no/such/command', args: [] };
  const others = Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`gone-${index}`, gone]));
  const { page } = await open({ everything: everythingOverStdio({ title: 'All of it' }), ...others });
  await inList(page, 'connected, 17 tools').waitFor();
  const servers = page.getByRole('navigation', { name: 'Servers' });
  await servers.getByLabel('Find a server').fill('of IT');
  await servers.getByText('1 of 11', { exact: true }).waitFor();
  await choose(page, /^All of it/);
  await link(page, 'Tools').click();
  const tools = page.getByRole('region', { name: 'Tools' });
  await tools.getByLabel('Find a tool').fill('sum');
  await tools.getByText('1 of 17', { exact: true }).waitFor();
  expect(await tools.getByRole('listitem').getByRole('link').allTextContents()).toEqual(['get-sum']);
});

describe('what is kept for pages that are opened later', () => {
  const recordsOf = (server, count, more) => Array.from({ length: count }, (_, index) => ({ server, index, ...more }));
  const keptOf = (traffic, name) => traffic.event.records.filter(({ server }) => server === name);

  test('a server that talks much takes no room of another', () => {
    const traffic = new Traffic(() => {});
    traffic.onTraffic(recordsOf('quiet', 2));
    traffic.onTraffic(recordsOf('loud', 1500));
    expect(keptOf(traffic, 'quiet')).toEqual(recordsOf('quiet', 2));
    expect(keptOf(traffic, 'loud')).toEqual(recordsOf('loud', 1500).slice(-1000));

    // Of all together, too, there is a bound.
    const traffics = new Traffic(() => {});
    traffics.onTraffic(recordsOf('quiet', 2));
    traffics.onTraffic(recordsOf('large', 200, { text: 'x'.repeat(64 * 1024) }));
    expect(keptOf(traffics, 'quiet')).toHaveLength(2);
    expect(JSON.stringify(traffics.event).length).toBeLessThan(9 * 1024 * 1024);
    expect(keptOf(traffics, 'large').at(-1).index).toBe(199);
  });

  test('what is cleared is that of a server and of none', () => {
    const told = [];
    const traffic = new Traffic((event) => told.push(event));
    traffic.onTraffic([...recordsOf('one', 1), ...recordsOf('two', 1), ...recordsOf(null, 1)]);
    traffic.clear({ server: 'one' });
    expect(traffic.event.records).toEqual(recordsOf('two', 1));
    expect(told.at(-1)).toEqual({ type: 'cleared', server: 'one' });
  });
});
