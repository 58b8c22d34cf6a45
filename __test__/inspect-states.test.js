/** What the page of `inspect` says of servers, calls and itself, when things go on for long, or wrong. */

const { startAskingServer } = require('./support/asking-server');
const { everythingOverStdio } = require('./support/everything');
const { startHttpServer } = require('./support/http-server');
const { startServerProcess } = require('./support/killable-server');
const { button, choose, chooseTool, inList, link, result, useInspectPage } = require('./support/inspect-page');

const { fixtures, open } = useInspectPage();
// The machine may be busy with other things.
jest.setTimeout(300_000);

const said = (page) => page.locator('p.unseen[role=status]');
const focused = (page) => page.evaluate(() => document.activeElement.className);

/** An HTTP server that does with each request what `answer` does. */
async function startHttp(answer) {
  const { address, origin, close } = await startHttpServer(answer);
  fixtures.keep({ close });
  const config = { type: 'streamable-http', url: `${origin}/mcp`, requiresOAuth: false, initTimeout: 120_000 };
  return { address, config };
}

test('a call that is cancelled says so, and how far it had come', async () => {
  const { page } = await open({ everything: everythingOverStdio({ title: 'Everything' }) });
  await inList(page, 'connected, 17 tools').waitFor();
  await choose(page, /^Everything/);
  await chooseTool(page, 'trigger-long-running-operation');
  await page.getByRole('heading', { level: 3 }).first().waitFor();
  expect(await page.title()).toBe('trigger-long-running-operation – Tools – Everything – MCP servers');
  await page.getByLabel('duration').fill('300');
  await page.getByRole('spinbutton', { name: 'steps' }).fill('600');
  await button(page, 'Call').click();
  await result(page).getByRole('progressbar', { name: 'Progress' }).waitFor();
  await result(page)
    .getByText(/\d+ of 600/)
    .waitFor();
  await button(page, 'Cancel').click();
  await result(page).getByText('Cancelled.', { exact: true }).waitFor();
  expect(await page.getByRole('alert').count()).toBe(0);
  expect(await focused(page)).toBe('outcome');
});

test('each question is announced, and whoever has answered is at the result', async () => {
  const asking = fixtures.keep(await startAskingServer('call'));
  const { page } = await open({ asks: asking.config() }, { allowedAddresses: [asking.address] });
  await inList(page, 'connected, 1 tool').waitFor();
  await choose(page, /^asks/);
  await chooseTool(page, 'ask');
  const heard = [];
  for (const name of ['Ada', 'Grace']) {
    if (heard.length === 0) await button(page, 'JSON').click();
    await page.getByLabel('Arguments as JSON').fill(JSON.stringify({ method: 'elicitation/create' }));
    await button(page, 'Call').click();
    const question = page.getByRole('region', { name: 'asks asks you, in ask' });
    await question.waitFor();
    heard.push(await said(page).textContent());
    await question.getByLabel('name').fill(name);
    await button(question, 'Accept').click();
    await result(page).getByText(`"name":"${name}"`).waitFor();
    expect(await focused(page)).toBe('outcome');
  }
  expect(heard).toEqual(['asks asks you something: question 1', 'asks asks you something: question 2']);
});

test('a server that is gone is not connected, until a call succeeds', async () => {
  const server = fixtures.keep(await startServerProcess());
  const { page } = await open({ srv: server.config() }, { allowedAddresses: [server.address] });
  await inList(page, /^connected, /).waitFor();
  await choose(page, /^srv/);
  await chooseTool(page, 'echo');
  const field = page.getByLabel('text required');
  await field.fill('kept');
  await server.close();
  await button(page, 'Call').click();
  await result(page).getByRole('alert').waitFor();
  await inList(page, 'disconnected').waitFor();
  expect(await field.inputValue()).toBe('kept');

  fixtures.keep(await startServerProcess({ port: server.port }));
  await button(page, 'Call').click();
  await result(page).getByText('kept').first().waitFor();
  await inList(page, /^connected, /).waitFor();
});

test('servers that do not answer hold up no other', async () => {
  const silent = await startHttp(() => {});
  const server = await fixtures.server();
  const names = Array.from({ length: 17 }, (_, index) => `silent${index}`);
  const { page } = await open(
    { ...Object.fromEntries(names.map((name) => [name, silent.config])), srv: server.config() },
    { allowedAddresses: [silent.address, server.address] },
  );
  await inList(page, 'connected, 2 tools').waitFor();
  expect(await inList(page, 'connecting…').count()).toBe(17);

  // Signs can be told apart where the user's colours are in force.
  await page.emulateMedia({ forcedColors: 'active' });
  const ground = (selector) =>
    page
      .locator(selector)
      .first()
      .evaluate((element) => getComputedStyle(element).backgroundColor);
  expect(await ground('.sign.connected')).not.toBe(await ground('.sign.connecting'));
});

test('an error stands once, and names what the page has', async () => {
  const broken = await startHttp((_, response) => response.writeHead(500).end('The disk is full'));
  const server = await fixtures.server();
  const obo = server.config({ obo: { scopes: 'api://srv/.default' } });
  const { page } = await open(
    { broken: { ...broken.config, initTimeout: 5000 }, obo },
    { allowedAddresses: [broken.address, server.address] },
  );
  await choose(page, /^broken/);
  await inList(page, 'failed').first().waitFor();
  await link(page, 'Tools').click();
  await page.getByText('The server is not connected.').waitFor();
  expect(await page.getByRole('alert').count()).toBe(1);

  await choose(page, /^obo/);
  await page.getByText("Try the exchange with a user's token: the part On behalf of").waitFor();
  expect(await link(page, 'Login').count()).toBe(0);
});

test('when the program has ended the page says so, and nothing that it cannot know', async () => {
  const { page, inspect } = await open({ everything: everythingOverStdio() });
  await inList(page, 'connected, 17 tools').waitFor();
  const other = await page.context().newPage();
  await other.goto(inspect.address);
  await other.getByRole('alert').getByText('start inspect again for another').waitFor();
  await other.getByRole('heading', { name: 'There is nothing to be seen' }).waitFor();
  await other.close();

  await choose(page, /^everything/);
  await inspect.stop();
  await page.getByRole('alert').getByText('Start inspect again').waitFor();
  await inList(page, 'not known').waitFor();
  expect(await page.locator('.sign.connected').count()).toBe(0);
  // What cannot be asked any more is no fault of the page.
  await button(page, 'Connect').click();
  await link(page, 'Tools').click();
  await page.locator('section').getByText('Start inspect again').waitFor();
});

test('a sound can be heard', async () => {
  const samples = Buffer.alloc(800);
  const head = Buffer.alloc(44);
  head.write('RIFF', 0);
  head.writeUInt32LE(36 + samples.length, 4);
  head.write('WAVEfmt ', 8);
  for (const [offset, value] of Object.entries({ 16: 16, 24: 8000, 28: 8000, 40: samples.length }))
    head.writeUInt32LE(value, Number(offset));
  for (const [offset, value] of Object.entries({ 20: 1, 22: 1, 32: 1, 34: 8 }))
    head.writeUInt16LE(value, Number(offset));
  head.write('data', 36);
  const data = Buffer.concat([head, samples]).toString('base64');
  const content = [
    { type: 'audio', data, mimeType: 'audio/wav' },
    { type: 'audio', data, mimeType: 'text/html' },
  ];
  const tools = [{ name: 'ring', inputSchema: { type: 'object' } }];
  const server = await fixtures.server({ tools, callTool: () => ({ content }) });
  const { page } = await open({ srv: server.config() }, { allowedAddresses: [server.address] });
  await inList(page, 'connected, 1 tool').waitFor();
  await choose(page, /^srv/);
  await chooseTool(page, 'ring');
  await button(page, 'Call').click();
  const sound = page.getByLabel('Sound of the result');
  await sound.waitFor();
  expect(await page.locator('audio').count()).toBe(1);
  const duration = (element) =>
    new Promise((resolve) => {
      element.addEventListener('error', () => resolve('refused'));
      element.addEventListener('loadedmetadata', () => resolve(element.duration));
      element.load();
    });
  expect(await sound.evaluate(duration)).toBeCloseTo(0.1, 2);
});
