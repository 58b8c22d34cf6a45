/** The page that `inspect` serves, in a browser: a first look at servers, by keyboard; logins, questions, and hostile servers. */

const { startAskingServer } = require('./support/asking-server');
const { everythingOverStdio } = require('./support/everything');
const { startIdentityProvider } = require('./support/identity-provider');
const { button, choose, chooseTool, inList, link, result, useInspectPage } = require('./support/inspect-page');

const { fixtures, open, openProtected } = useInspectPage();
// The machine may be busy with other things.
jest.setTimeout(300_000);
const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

/** Goes on with Tab until the focus is where `name` is what a screen reader says. */
async function tabTo(page, role, name) {
  const wanted = page.getByRole(role, { name, exact: true });
  await wanted.waitFor();
  for (let count = 0; count < 200; count++) {
    if (await wanted.evaluate((element) => element === document.activeElement)) return;
    await page.keyboard.press('Tab');
  }
  throw new Error(`Tab does not lead to the ${role} "${name}"`);
}

test('a first look by keyboard alone: servers, a tool with its form, its result', async () => {
  const gone = { type: 'streamable-http', url: 'https://gone.invalid/mcp', initTimeout: 2000 };
  const { page, inspect } = await open({ everything: everythingOverStdio({ title: 'Everything' }), gone });
  await inList(page, 'connected, 17 tools').waitFor();
  await inList(page, 'failed').waitFor();
  expect(page.url()).toBe(`${inspect.origin}/#/`);

  await tabTo(page, 'link', 'Everything connected, 17 tools');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Everything', level: 2 }).waitFor();
  expect(await page.evaluate(() => document.activeElement.id)).toBe('title');
  await tabTo(page, 'link', 'Tools');
  await page.keyboard.press('Enter');
  await tabTo(page, 'link', 'echo');
  await page.keyboard.press('Enter');
  await tabTo(page, 'textbox', /^message/);

  await page.keyboard.press('Control+Enter');
  expect(await page.getByRole('textbox', { name: /^message/ }).evaluate((field) => field.validity.valueMissing)).toBe(
    true,
  );
  expect(await result(page).textContent()).toBe('');
  // A text may have lines.
  await page.keyboard.type('Hello');
  await page.keyboard.press('Enter');
  await page.keyboard.type('there');
  await page.keyboard.press('Control+Enter');
  await result(page).getByText('Echo: Hello\nthere', { exact: true }).waitFor();

  // The tab keeps its key, and the address is of no use to another.
  await page.reload();
  await inList(page, 'connected, 17 tools').waitFor();
  const other = await page.context().newPage();
  await other.goto(inspect.address);
  await other.getByRole('alert').getByText('this address was used before').waitFor();
});

test('forms and results of many kinds', async () => {
  const { page } = await open({ everything: everythingOverStdio() });
  await inList(page, 'connected, 17 tools').waitFor();
  await choose(page, /^everything/);

  await chooseTool(page, 'get-tiny-image');
  await button(page, 'Call').click();
  const image = result(page).getByRole('img');
  await image.waitFor();
  expect(await image.evaluate((element) => [element.complete, element.naturalWidth > 0])).toEqual([true, true]);

  await chooseTool(page, 'get-structured-content');
  await page.getByLabel('location').selectOption({ label: 'Chicago' });
  await button(page, 'Call').click();
  await result(page).getByRole('heading', { name: 'Structured content' }).waitFor();
  await result(page).locator('pre.json').getByText('"conditions"').first().waitFor();

  await chooseTool(page, 'get-sum');
  await page.getByLabel('a required').fill('2');
  await page.getByLabel('b required').fill('3.5');
  await button(page, 'JSON').click();
  expect(JSON.parse(await page.getByLabel('Arguments as JSON').inputValue())).toEqual({ a: 2, b: 3.5 });
  await page.getByLabel('Arguments as JSON').fill('{ "a": 2, "b": ');
  await page.getByText('This is no JSON').waitFor();
  await button(page, 'Call').click();
  expect(await result(page).textContent()).toBe('');
  await page.getByLabel('Arguments as JSON').fill('{ "a": 2, "b": 4 }');
  await button(page, 'Call').click();
  await result(page).getByText('The sum of 2 and 4 is 6.', { exact: true }).waitFor();

  await link(page, 'Prompts').click();
  await link(page, 'args-prompt').click();
  await page.getByLabel('city required').fill('Oslo');
  await button(page, 'Get').click();
  await result(page).getByText("What's weather in Oslo?").first().waitFor();

  await link(page, 'Resources').click();
  await link(page, 'architecture.md').click();
  await result(page).getByText('Everything Server – Architecture').first().waitFor();
});

test('what a server asks is answered by hand', async () => {
  const asking = fixtures.keep(await startAskingServer('call'));
  const { page } = await open(
    { everything: everythingOverStdio(), asks: asking.config() },
    { allowedAddresses: [asking.address] },
  );
  await inList(page, 'connected, 17 tools').waitFor();
  await choose(page, /^everything/);
  await chooseTool(page, 'trigger-elicitation-request');
  await button(page, 'Call').click();
  const question = page.getByRole('region', { name: /everything asks you/ });
  await question.waitFor();
  // Whoever called is led to the question.
  expect(await page.evaluate(() => document.activeElement.textContent)).toMatch(/everything asks you/);
  await inList(page, '1 to answer').waitFor();
  await question.getByLabel('String (name)').fill('Ada');
  await question.getByLabel('Piano').check();
  await button(question, 'Accept').click();
  await result(page)
    .getByText(/- Name: Ada/)
    .first()
    .waitFor();
  expect(await question.count()).toBe(0);

  await choose(page, /^asks/);
  await chooseTool(page, 'ask');
  const call = async (method) => {
    await button(page, 'JSON').click();
    await page.getByLabel('Arguments as JSON').fill(JSON.stringify({ method }));
    await button(page, 'Call').click();
  };
  await call('sampling/createMessage');
  const sampling = page.getByRole('region', { name: 'asks asks for an answer of a model, in ask' });
  await sampling.getByLabel('Answer in place of the model').fill('Nobody');
  await button(sampling, 'Answer').click();
  await result(page).getByText('"text":"Nobody"').waitFor();

  await link(page, 'Overview').click();
  await page.getByLabel('Another root').fill('file:///srv/work');
  await button(page, 'Add').click();
  await page.getByRole('listitem').getByText('file:///srv/work').waitFor();
  await chooseTool(page, 'ask');
  await call('roots/list');
  await result(page).getByText('{"roots":[{"uri":"file:///srv/work"}]}', { exact: true }).waitFor();
});

test('a login: its steps fill in, and the tools are there', async () => {
  const { page, server, authorizationServer } = await openProtected();
  await link(page, 'Login').click();
  const steps = page.locator('.steps > li');
  const states = () => steps.locator('.state').allTextContents();
  expect(await states()).toEqual(Array(7).fill('not yet'));

  await button(page, 'Log in').click();
  const address = page.getByRole('link', { name: `${authorizationServer.issuer}/auth`, exact: true });
  await address.waitFor();
  expect(await states()).toEqual(['done', 'done', 'done', 'now', 'not yet', 'not yet', 'not yet']);
  expect(await steps.nth(2).textContent()).toMatch(/code_challenge_method\s*S256/);
  expect(await page.locator('[aria-current=step]').textContent()).toMatch(/^You log in/);
  const linesOf = (element) =>
    element.getBoundingClientRect().height / Number.parseFloat(getComputedStyle(element).lineHeight);
  for (const width of [320, 800, 1280]) {
    await page.setViewportSize({ width, height: 900 });
    expect(await page.getByText('code_challenge_method', { exact: true }).evaluate(linesOf)).toBeCloseTo(1);
  }
  // The line begins where the circle ends.
  const [circle, line] = await steps
    .first()
    .evaluate((step) => [getComputedStyle(step, '::before').height, getComputedStyle(step, '::after').top]);
  expect(Number.parseFloat(circle)).toBeCloseTo(Number.parseFloat(line), 1);

  const opened = page.context().waitForEvent('page');
  await address.click();
  const login = await opened;
  await login.getByLabel('Name').fill(authorizationServer.account.login);
  await login.getByLabel('Password').fill(authorizationServer.account.password);
  await login.getByRole('button').click();
  await login.getByText('You are logged in').waitFor();

  await page.getByText('You are logged in.').waitFor();
  // What was seen of each step stands beside it.
  const seen = [
    [0, /GET \S+\/\.well-known\/oauth-protected-resource\S* ⇒ 200/],
    [0, /GET \S+\/\.well-known\/\S+ ⇒ 200/],
    [1, /POST \S+\/reg ⇒ 201/],
    [4, /POST \S+\/token ⇒ 200/],
  ];
  for (const [step, exchange] of seen) await steps.nth(step).getByText(exchange).first().waitFor();
  expect(await states()).toEqual([...Array(6).fill('done'), 'not yet']);
  await inList(page, 'connected, 2 tools').waitFor();
  const [bearer] = server.received('tools/list').map(({ headers }) => headers.authorization.replace('Bearer ', ''));
  expect(bearer.length).toBeGreaterThan(20);
  await button(page, 'Refresh now').click();
  await steps
    .nth(6)
    .getByText(/POST \S+\/token ⇒ 200/)
    .waitFor();
  expect(await states()).toEqual(Array(7).fill('done'));
  expect(authorizationServer.refreshes()).toHaveLength(1);
  expect(await page.content()).not.toContain(bearer);
});

test('a login that is refused says at which step', async () => {
  const { page, authorizationServer } = await openProtected();
  await link(page, 'log in').click();
  await button(page, 'Log in').click();
  const address = new URL(await link(page, `${authorizationServer.issuer}/auth`).getAttribute('href'));
  const back = new URL(address.searchParams.get('redirect_uri'));
  back.search = new URLSearchParams({ error: 'access_denied', state: address.searchParams.get('state') });
  expect((await fetch(back)).status).toBe(400);
  await page.getByRole('alert').getByText('access_denied').waitFor();
  const refused = page.locator('.steps > li').filter({ hasText: 'failed here' });
  await refused.filter({ hasText: 'You log in' }).waitFor();
  expect(await refused.count()).toBe(1);
});

test('an exchange on behalf of a user: claims of both tokens, and neither token', async () => {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const jwt = (claims) => `${encode({ alg: 'none' })}.${encode(claims)}.signature-secret`;
  const [given, got] = [jwt({ aud: 'librechat', sub: 'alice' }), jwt({ aud: 'api://srv', scp: 'read' })];
  const provider = fixtures.keep(await startIdentityProvider({ answer: { access_token: got } }));
  const server = await fixtures.server();
  const env = {
    OPENID_ISSUER: provider.config.issuer,
    OPENID_CLIENT_ID: 'client',
    OPENID_CLIENT_SECRET: 'client-secret',
  };
  const { page } = await open(
    { srv: server.config({ obo: { scopes: 'api://srv/.default' } }) },
    { allowedAddresses: [server.address], env },
  );
  await choose(page, /^srv/);
  await link(page, 'On behalf of').click();
  await page.getByLabel("The user's token").fill(given);
  await button(page, 'Exchange').click();
  const tables = page.locator('.steps table');
  await tables.nth(1).waitFor();
  await page
    .getByRole('listitem')
    .getByText(/^POST \S+\/token ⇒ 200/)
    .first()
    .waitFor();
  const traffic = page.getByRole('complementary', { name: 'Traffic' }).locator('summary');
  await traffic
    .filter({ hasText: /POST \S+\/token ⇒ 200.* \(of no server\)$/ })
    .first()
    .waitFor();
  expect(await tables.nth(0).textContent()).toMatch(/aud\s*librechat\s*sub\s*alice/);
  expect(await tables.nth(1).textContent()).toMatch(/aud\s*api:\/\/srv\s*scp\s*read/);
  await inList(page, 'connected, 2 tools').waitFor();
  expect(server.received('tools/list').map(({ headers }) => headers.authorization)).toContain(`Bearer ${got}`);
  expect(await page.getByLabel("The user's token").inputValue()).toBe('');
  for (const token of [given, got]) expect(await page.content()).not.toContain(token);
});

const SCRIPT = '<img src=x onerror="alert(1)"><script>alert(2)</script>';

test('what a server says is text, whatever it says', async () => {
  const tools = [
    {
      name: 'attack',
      title: SCRIPT,
      description: SCRIPT,
      inputSchema: {
        type: 'object',
        properties: { [SCRIPT]: { type: 'string', description: SCRIPT, enum: [SCRIPT] } },
      },
    },
  ];
  const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" onload="alert(3)"/>').toString('base64');
  const content = [
    { type: 'text', text: SCRIPT },
    { type: 'image', data: svg, mimeType: 'image/svg+xml' },
    { type: 'image', data: PIXEL, mimeType: 'image/png' },
    { type: 'resource_link', name: 'x', uri: 'javascript:alert(5)' },
    { type: 'resource_link', name: 'y', uri: 'https://example.com/?q=<b>' },
    { type: 'resource', resource: { uri: 'ui://x', mimeType: 'text/html', text: SCRIPT } },
  ];
  const server = await fixtures.server({ tools, callTool: () => ({ content }), instructions: SCRIPT });
  const { page, inspect } = await open({ srv: server.config() }, { allowedAddresses: [server.address] });
  await inList(page, 'connected, 1 tool').waitFor();
  await choose(page, /^srv/);
  await page.getByText(SCRIPT).waitFor();
  await chooseTool(page, 'attack');
  await page.getByRole('combobox').selectOption({ label: SCRIPT });
  await button(page, 'Call').click();
  await result(page).getByText(SCRIPT).first().waitFor();

  const sources = await page.locator('img').evaluateAll((images) => images.map(({ src }) => src));
  expect(sources).toEqual([`data:image/png;base64,${PIXEL}`]);
  expect(await page.locator('main script, iframe, [onerror], [onload]').count()).toBe(0);
  const links = result(page).locator('a');
  expect(await links.evaluateAll((all) => all.map(({ href, rel, text }) => [href, rel, text]))).toEqual([
    // On the page, what the server is asked for.
    [`${inspect.origin}/#/srv/resources/javascript%3Aalert(5)`, '', 'Read it'],
    ['https://example.com/?q=%3Cb%3E', 'noopener noreferrer', 'https://example.com/?q=<b>'],
    [`${inspect.origin}/#/srv/resources/https%3A%2F%2Fexample.com%2F%3Fq%3D%3Cb%3E`, '', 'Read it'],
  ]);
  await result(page).getByText('javascript:alert(5)', { exact: true }).waitFor();
  expect(server.received('tools/call')[0].message.params.arguments).toEqual({ [SCRIPT]: SCRIPT });
});

describe.each(['light', 'dark'])('in %s colours', (colorScheme) => {
  test('nothing stands in the way of anybody', async () => {
    const server = await fixtures.server();
    const { page } = await open(
      { everything: everythingOverStdio({ title: 'Everything' }), srv: server.config() },
      { colorScheme, allowedAddresses: [server.address] },
    );
    await page.evaluate(require('axe-core').source);
    const problems = async () => {
      const { violations } = await page.evaluate(() => window.axe.run());
      return violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]);
    };
    await inList(page, 'connected, 17 tools').waitFor();
    expect(await problems()).toEqual([]);
    await choose(page, /^Everything/);
    for (const part of ['Overview', 'Tools', 'Resources', 'Prompts', 'Login']) {
      // Nobody logs in to what is no server of HTTP.
      if (part === 'Login') await choose(page, /^srv/);
      await link(page, part).click();
      await page.getByRole('region', { name: part, exact: true }).locator('h3, li, button').first().waitFor();
      expect({ part, problems: await problems() }).toEqual({ part, problems: [] });
    }
    await choose(page, /^Everything/);
    await chooseTool(page, 'trigger-elicitation-request');
    await button(page, 'Call').click();
    await page.getByRole('region', { name: /everything asks you/ }).waitFor();
    expect(await problems()).toEqual([]);

    await page.setViewportSize({ width: 320, height: 640 });
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    expect(overflow).toBeLessThanOrEqual(0);
    expect(await problems()).toEqual([]);
  });
});
