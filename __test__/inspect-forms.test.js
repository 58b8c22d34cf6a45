/** The page that `inspect` serves: fields for each kind of schema, and what happens while somebody looks. */

const { ElicitResultSchema } = require('@modelcontextprotocol/sdk/types.js');
const { useInspectPage, button, choose, chooseTool, inList, link, result } = require('./support/inspect-page');
const { until } = require('./support/wait');

const { fixtures, open } = useInspectPage();
// The machine may be busy with other things.
jest.setTimeout(300_000);

const SCHEMA = {
  type: 'object',
  $defs: { Place: { type: 'object', properties: { city: { type: 'string' }, near: { $ref: '#/$defs/Place' } } } },
  properties: {
    text: { type: 'string', minLength: 2, description: 'Two letters or more' },
    count: { type: 'integer', minimum: 1, default: 3 },
    share: { type: 'number' },
    isUrgent: { type: 'boolean' },
    colour: { type: 'string', enum: ['red', 'green'], default: 'green' },
    level: {
      oneOf: [
        { const: 1, title: 'Low' },
        { const: 2, title: 'High' },
      ],
    },
    days: { type: 'array', items: { type: 'string', enum: ['Mon', 'Tue', 'Wed'] } },
    names: { type: 'array', items: { type: 'string' } },
    maybe: { anyOf: [{ type: 'integer' }, { type: 'null' }], default: null },
    place: { $ref: '#/$defs/Place' },
    anything: { description: 'No type at all' },
    untouched: { type: 'string' },
  },
  required: ['text', 'isUrgent'],
};

/** A server with one tool, which says what it was called with. */
async function startForm(options) {
  const tools = [{ name: 'form', inputSchema: SCHEMA }];
  const callTool = (params) => ({ content: [{ type: 'text', text: JSON.stringify(params.arguments) }] });
  const server = await fixtures.server({ tools, callTool, ...options });
  const { page, inspect } = await open({ srv: server.config() }, { allowedAddresses: [server.address] });
  await inList(page, /^connected, \d+ tools?$/).waitFor();
  await choose(page, /^srv/);
  return { page, inspect, server };
}

const sent = (server) => server.received('tools/call').at(-1).message.params.arguments;

test('each kind of schema has a field, and what is left out is left out', async () => {
  const { page, server } = await startForm();
  await chooseTool(page, 'form');
  const call = async () => {
    const before = server.received('tools/call').length;
    await button(page, 'Call').click();
    await until('the call', () => server.received('tools/call').length > before);
  };
  await page.getByLabel('text required').fill('ab');
  await call();
  expect(sent(server)).toEqual({ text: 'ab', count: 3, isUrgent: false, colour: 'green' });

  await page.getByLabel('count').fill('7');
  await page.getByLabel('share').fill('0.25');
  await page.getByLabel('isUrgent required').check();
  await page.getByLabel('colour').selectOption({ label: 'red' });
  await page.getByLabel('level').selectOption({ label: 'High' });
  await page.getByRole('group', { name: 'days' }).getByLabel('Tue').check();
  await page.getByRole('group', { name: 'days' }).getByLabel('Mon').check();
  const names = page.getByRole('group', { name: 'names' });
  for (const [index, name] of ['Ada', 'gone', 'Grace'].entries()) {
    await button(names, 'Add').click();
    await names.getByLabel(`Item ${index + 1}`, { exact: true }).fill(name);
  }
  await button(names, 'Remove item 2').click();
  await page.getByLabel('maybe').fill('5');
  await page.getByRole('group', { name: 'place' }).getByLabel('city').first().fill('Oslo');
  await page.getByLabel('anything').fill('[{"free":true}]');
  await call();
  expect(sent(server)).toEqual({
    text: 'ab',
    count: 7,
    share: 0.25,
    isUrgent: true,
    colour: 'red',
    level: 2,
    days: ['Mon', 'Tue'],
    names: ['Ada', 'Grace'],
    maybe: 5,
    place: { city: 'Oslo' },
    anything: [{ free: true }],
  });

  // What the schema does not allow is not sent.
  const calls = server.received('tools/call').length;
  for (const [label, wrong, right] of [
    ['text required', 'a', 'ab'],
    ['count', '0', '7'],
    ['count', '1.5', '7'],
    ['anything', '[', ''],
  ]) {
    const field = page.getByLabel(label);
    await field.fill(wrong);
    expect(await field.evaluate((element) => element.validity.valid)).toBe(false);
    await button(page, 'Call').click();
    await field.fill(right);
    expect(await field.evaluate((element) => element.validity.valid)).toBe(true);
  }
  expect(server.received('tools/call')).toHaveLength(calls);

  await button(page, 'JSON').click();
  await page.getByLabel('Arguments as JSON').fill('{"text":"raw","other":1}');
  await call();
  expect(sent(server)).toEqual({ text: 'raw', other: 1 });
  await button(page, 'JSON').click();
  expect(await page.getByLabel('text required').inputValue()).toBe('raw');
});

const focused = (page) => page.evaluate(() => document.activeElement.textContent);

test('nothing that was typed is lost between the form and the JSON', async () => {
  const { page, server } = await startForm();
  await chooseTool(page, 'form');
  const json = page.getByLabel('Arguments as JSON');
  const turn = () => button(page, 'JSON').click();
  await page.getByLabel('text required').fill('two\nlines');
  await page.getByLabel('anything').fill('hello');
  await turn();
  await page.getByText('anything is no JSON.', { exact: true }).waitFor();
  expect(await page.evaluate(() => document.activeElement.name)).toBe('anything');
  expect(await page.getByLabel('text required').inputValue()).toBe('two\nlines');
  await page.getByLabel('anything').fill('"hello"');
  await turn();
  expect(JSON.parse(await json.inputValue())).toEqual({
    text: 'two\nlines',
    count: 3,
    isUrgent: false,
    colour: 'green',
    anything: 'hello',
  });

  // What has no field is kept, what has one of another kind stays JSON, and what was left out is no default.
  await json.fill('{"text":"ab","count":"many"}');
  await turn();
  await page.getByText('The form has no place for count.', { exact: true }).waitFor();
  await json.fill('[1]');
  await turn();
  await page.getByText('The form has no place for what is no object.', { exact: true }).waitFor();
  await json.fill('{"text":"ab","isUrgent":true,"more":[1],"place":{"city":"Oslo","zip":7}}');
  await turn();
  await page.getByLabel('text required').fill('abc');
  await page.getByLabel('text required').press('Control+Enter');
  await result(page).getByText('"abc"').first().waitFor();
  expect(sent(server)).toEqual({ text: 'abc', isUrgent: true, more: [1], place: { city: 'Oslo', zip: 7 } });
});

test('fields say what they want: alternatives, choices that are objects, and how many', async () => {
  const choice = { enum: [{ k: 1 }, { k: 2 }], default: { k: 2 } };
  const few = { type: 'array', items: { type: 'string' }, minItems: 2 };
  const tools = [
    { name: 'either', inputSchema: { type: 'object', oneOf: [{ required: ['id'] }, { required: ['name'] }] } },
    { name: 'few', inputSchema: { type: 'object', properties: { choice, few }, required: ['few'] } },
  ];
  const { page, server } = await startForm({ tools });
  await chooseTool(page, 'either');
  await page.getByText('The schema has alternatives').waitFor();
  await page.getByLabel('Arguments as JSON').waitFor();

  await chooseTool(page, 'few');
  const group = page.getByRole('group', { name: 'few' });
  await button(group, 'Add').click();
  await group.getByLabel('Item 1', { exact: true }).fill('a');
  await button(page, 'Call').click();
  await page.getByText('few: at least 2 are needed', { exact: true }).waitFor();
  expect(server.received('tools/call')).toEqual([]);
  for (const count of [2, 3]) {
    await button(group, 'Add').click();
    await group.getByLabel(`Item ${count}`, { exact: true }).fill('b');
  }
  await button(group, 'Remove item 3').click();
  expect(await focused(page)).toBe('Add');
  await button(page, 'Call').click();
  await result(page).getByText('"few"').first().waitFor();
  expect(sent(server)).toEqual({ choice: { k: 2 }, few: ['a', 'b'] });
});

test('labels stand above their fields, in one line, and mean one field alone', async () => {
  const question = { message: 'Who?', requestedSchema: { type: 'object', properties: { text: { type: 'string' } } } };
  const callTool = async (_, { sendRequest }) => {
    const ask = () => sendRequest({ method: 'elicitation/create', params: question }, ElicitResultSchema);
    const answers = await Promise.all([ask(), ask()]);
    return { content: [{ type: 'text', text: JSON.stringify(answers.map(({ content }) => content.text)) }] };
  };
  const { page } = await startForm({ callTool });
  await chooseTool(page, 'form');
  const boxes = await page.locator('main form > .field:not(:has(.check))').evaluateAll((fields) =>
    fields.map((field) => {
      const [label, input] = ['label', 'input, textarea, select'].map((name) =>
        field.querySelector(name).getBoundingClientRect(),
      );
      return { isAbove: label.bottom <= input.top, left: input.left - label.left };
    }),
  );
  expect(boxes).toEqual(boxes.map(() => ({ isAbove: true, left: 0 })));
  expect(boxes.length).toBeGreaterThan(5);
  await page.getByText('anything JSON').waitFor();

  await page.getByLabel('text required').fill('ab');
  await button(page, 'Call').click();
  const regions = page.getByRole('region', { name: 'srv asks you, in form' });
  await regions.nth(1).waitFor();
  const ids = await page.locator('[id]').evaluateAll((all) => all.map(({ id }) => id));
  expect(ids).toEqual([...new Set(ids)]);
  await regions.nth(0).getByLabel('text').fill('first');
  await regions.nth(1).getByLabel('text').fill('second');
  for (const count of [1, 0]) await button(regions.nth(count), 'Accept').click();
  await result(page).getByText('["first","second"]').first().waitFor();
});

test('a root that is removed leaves the focus where another is typed', async () => {
  const { page } = await startForm();
  await page.getByLabel('Another root').fill('file:///srv/work');
  await button(page, 'Add').click();
  await button(page, 'Remove file:///srv/work').click();
  await button(page, 'Remove file:///srv/work').waitFor({ state: 'detached' });
  expect(await page.evaluate(() => document.activeElement.id)).toBe('root');
});

test('a call that is given up ends at the server', async () => {
  const ended = [];
  const callTool = (_, { signal }) =>
    new Promise((resolve) => {
      signal.addEventListener('abort', () => {
        ended.push('aborted');
        resolve({ content: [] });
      });
    });
  const { page, server } = await startForm({ callTool });
  await chooseTool(page, 'form');
  await page.getByLabel('text required').fill('ab');
  await button(page, 'Call').click();
  await server.arrival('tools/call');
  await button(page, 'Cancel').click();
  await server.arrival('notifications/cancelled');
  await button(page, 'Cancel').waitFor({ state: 'detached' });
  expect(await focused(page)).toBe('Cancelled.');
  await until('the end of the call', () => ended.length > 0);
  expect(ended).toEqual(['aborted']);
});

test('a list that changes is listed again', async () => {
  const tools = [{ name: 'first', inputSchema: { type: 'object' } }];
  const { page, server } = await startForm({ tools, capabilities: { tools: { listChanged: true } } });
  await link(page, 'Tools').click();
  await link(page, 'first').waitFor();
  await until('a listener', server.hasListener);
  tools.push({ name: 'second', inputSchema: { type: 'object' } });
  await server.notify('notifications/tools/list_changed');
  await link(page, 'second').waitFor();
  await inList(page, 'connected, 2 tools').waitFor();
});

test('an address that the user is to visit is shown, and only opened by the user', async () => {
  const url = 'https://example.com/confirm?for=alice';
  const question = { mode: 'url', message: 'Please confirm', url, elicitationId: 'one' };
  const callTool = async (_, { sendRequest }) => {
    const { action } = await sendRequest({ method: 'elicitation/create', params: question }, ElicitResultSchema);
    return { content: [{ type: 'text', text: `The user said ${action}` }] };
  };
  const { page } = await startForm({ callTool });
  await chooseTool(page, 'form');
  await page.getByLabel('text required').fill('ab');
  for (const [choice, action] of [
    ['Decline', 'decline'],
    ['I have been there', 'accept'],
  ]) {
    await button(page, 'Call').click();
    const region = page.getByRole('region', { name: 'srv asks you, in form' });
    expect(await link(region, url).getAttribute('href')).toBe(url);
    await button(region, choice).click();
    await result(page).getByText(`The user said ${action}`, { exact: true }).waitFor();
  }
  expect(page.context().pages()).toHaveLength(1);
});

test('a definition that is none takes only itself from the page', async () => {
  const odd = {
    type: 'object',
    properties: { none: null, number: 7, deep: { type: ['array'], items: { enum: 'x' } } },
  };
  const tools = [
    { name: 'odd', title: { not: 'a text' }, description: ['x'], annotations: 'y', inputSchema: odd },
    { name: 'plain', inputSchema: { type: 'object' } },
  ];
  const content = [null, 'x', { type: 'text' }, { type: 'resource' }, { type: 'image', data: 5 }];
  const { page, server } = await startForm({ tools, callTool: () => ({ content: [] }) });
  server.fault = async ({ message, response }) => {
    if (message?.method !== 'tools/call') return false;
    const answer = { jsonrpc: '2.0', id: message.id, result: { content } };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    return true;
  };
  await chooseTool(page, 'odd');
  await page.getByText('cannot be shown').waitFor();
  await link(page, 'All tools').or(link(page, 'Tools')).first().click();
  await link(page, 'plain').click();
  await button(page, 'Call').click();
  await result(page).getByText('As the server sent it').waitFor();
});

test('a server that ends is shown as such, and so is the program', async () => {
  const stdio = fixtures.stdio();
  const { page, inspect } = await open({ srv: stdio.config() });
  await inList(page, /^connected/).waitFor();
  process.kill(stdio.pids().at(-1), 'SIGKILL');
  await inList(page, 'disconnected').waitFor();
  await choose(page, /^srv/);
  await button(page, 'Connect').click();
  await inList(page, /^connected/).waitFor();
  await inspect.stop();
  await page.getByRole('alert').getByText('The program has ended').waitFor();
});
