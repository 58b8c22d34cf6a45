/** Subscriptions of `runtime.client`, where clients share a connection. */

const { outcome, useClients } = require('./support/client');
const { createUser } = require('./support/host');
const { until } = require('./support/wait');

const { connect } = useClients();

const SUBSCRIBE = 'resources/subscribe';
const UNSUBSCRIBE = 'resources/unsubscribe';
const URI = 'file:///doc/1';

function answer({ message, response }) {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ jsonrpc: '2.0', id: message.id, result: {} }));
  return true;
}

/** A server with resources, and `client(id)` of a user; `hold` is asked before each subscription is answered. */
async function subscribable({ hold, config, ...host } = {}) {
  const capabilities = { tools: {}, resources: { subscribe: true } };
  const fault = async (exchange) => {
    if (![SUBSCRIBE, UNSUBSCRIBE].includes(exchange.message?.method)) return false;
    if (exchange.message.method === SUBSCRIBE) await hold?.(exchange.message.params.uri);
    return answer(exchange);
  };
  const made = await connect({ server: { capabilities, fault }, config, ...host });
  const { runtime, server } = made;
  const clientOf = (user) => runtime.client('srv', { user });
  const update = async (uri) => {
    await until('the stream', server.hasListener);
    const message = { jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri } };
    for (const transport of server.sessions.values()) await transport.send(message);
  };
  /** What the server was asked, in order. */
  const asked = () =>
    server.requests
      .filter(({ message }) => [SUBSCRIBE, UNSUBSCRIBE].includes(message?.method))
      .map(({ message }) => `${message.method.slice('resources/'.length)} ${message.params.uri}`);
  return { ...made, clientOf, update, asked };
}

function heardBy(client) {
  const uris = [];
  client.on('resourceUpdated', ({ uri }) => uris.push(uri));
  return uris;
}

/** A promise, and what resolves it. */
function gate() {
  let open;
  const opened = new Promise((resolve) => {
    open = resolve;
  });
  return { open, opened };
}

test('a client hears of its resources and their parts, not of those of others', async () => {
  const { clientOf, update } = await subscribable();
  const subscribed = {
    alice: [URI],
    bob: ['file:///doc/10', 'file:///doc/'],
    mallory: ['file', 'file:', 'file:///', 'x'],
  };
  const heard = {};
  for (const [id, uris] of Object.entries(subscribed)) {
    const client = clientOf(createUser());
    heard[id] = heardBy(client);
    for (const uri of [...uris, 'end:all']) await client.subscribeResource({ uri });
  }
  const parts = [`${URI}/part`, `${URI}?q`, `${URI}#f`];
  for (const uri of ['file:///doc/10', URI, ...parts, 'x://bob/private', 'file:///etc', 'file:///', 'end:all']) {
    await update(uri);
  }
  await until('the last update', () => Object.values(heard).every((uris) => uris.includes('end:all')));
  expect(heard).toEqual({
    alice: [URI, ...parts, 'end:all'],
    bob: ['file:///doc/10', URI, ...parts, 'end:all'],
    mallory: ['file:///', 'end:all'],
  });
});

describe('a subscription that nobody waits for any more is ended at the server', () => {
  test('after `close()`', async () => {
    const { open, opened } = gate();
    const { clientOf, asked, server } = await subscribable({ hold: () => opened });
    await clientOf(createUser()).connect();
    const client = clientOf(createUser());
    const subscribing = outcome(client.subscribeResource({ uri: URI }));
    await server.arrival(SUBSCRIBE);
    await client.close();
    open();
    expect(await subscribing).toMatchObject({ code: 'MCP_CLOSED' });
    await until('the end of the subscription', () => asked().length === 2);
    expect(asked()).toEqual([`subscribe ${URI}`, `unsubscribe ${URI}`]);
    expect(await outcome(client.subscribeResource({ uri: URI }))).toMatchObject({ code: 'MCP_CLOSED' });
    expect(server.sessions.size).toBe(1);
  });

  test('after an abort', async () => {
    const { open, opened } = gate();
    const { clientOf, asked, server } = await subscribable({ hold: () => opened });
    const controller = new AbortController();
    const { signal } = controller;
    const subscribing = outcome(clientOf(createUser()).subscribeResource({ uri: URI }, { signal }));
    await server.arrival(SUBSCRIBE);
    controller.abort();
    expect(await subscribing).toMatchObject({ code: 'MCP_ABORTED' });
    await until('the end of the subscription', () => asked().length === 2);
    expect(asked()).toEqual([`subscribe ${URI}`, `unsubscribe ${URI}`]);
    open();
  });

  test('unless another client is subscribed', async () => {
    const { open, opened } = gate();
    const holds = [opened];
    const { clientOf, asked, server, update } = await subscribable({ hold: () => holds.shift() });
    const [one, two] = [clientOf(createUser()), clientOf(createUser())];
    const heard = heardBy(two);
    const controller = new AbortController();
    const aborted = outcome(one.subscribeResource({ uri: URI }, { signal: controller.signal }));
    await server.arrival(SUBSCRIBE);
    await two.connect();
    const subscribing = two.subscribeResource({ uri: URI });
    controller.abort();
    expect(await aborted).toMatchObject({ code: 'MCP_ABORTED' });
    await subscribing;
    open();
    // One request after the other: nobody's subscription ends with that of another.
    await Promise.all([two.unsubscribeResource({ uri: URI }), one.subscribeResource({ uri: URI })]);
    await Promise.all([one.unsubscribeResource({ uri: URI }), two.subscribeResource({ uri: URI })]);
    await update(URI);
    await until('the update', () => heard.length > 0);
    expect(asked().at(-1)).toBe(`subscribe ${URI}`);
  });
});

describe('a user’s own connection', () => {
  const config = { shared: false };

  test('stays for the subscription of another client of the user', async () => {
    const { clientOf, server, update } = await subscribable({ config });
    const user = createUser();
    const [one, two] = [clientOf(user), clientOf(user)];
    const heard = heardBy(two);
    await two.subscribeResource({ uri: URI });
    await one.listTools();
    await one.close();
    expect(server.sessions.size).toBe(1);
    await update(URI);
    await until('the update', () => heard.length > 0);
    await two.close();
    expect(server.sessions.size).toBe(0);
  });

  test('does not stay for a subscription that has ended with the connection before it', async () => {
    const { clientOf, server, runtime } = await subscribable({ config });
    const user = createUser();
    const [one, two] = [clientOf(user), clientOf(user)];
    const states = [];
    two.on('connectionChange', (state) => states.push(state));
    await two.subscribeResource({ uri: URI });
    await runtime.manager.disconnectUserConnection(user.id, 'srv');
    await until('the news of it', () => states.includes('disconnected'));
    await two.unsubscribeResource({ uri: URI });
    expect(server.received(UNSUBSCRIBE)).toEqual([]);
    await one.listTools();
    await one.close();
    expect(server.sessions.size).toBe(0);
  });

  test('ends while a client subscribes: an error with a code', async () => {
    const { clientOf, runtime } = await subscribable({ config });
    const user = createUser();
    const client = clientOf(user);
    for (let n = 0; n < 40; n += 1) {
      const subscribing = outcome(client.subscribeResource({ uri: URI }));
      if (n % 2) await new Promise(setImmediate);
      await runtime.manager.disconnectUserConnection(user.id, 'srv');
      const { code, mcpCode } = await subscribing;
      expect([undefined, 'MCP_CONNECTION_LOST', 'MCP_ABORTED']).toContain(mcpCode ?? code);
    }
  });
});

test('where connections are not kept, there are no subscriptions', async () => {
  const { client } = await connect({ services: { keepConnections: false } });
  expect(await outcome(client.subscribeResource({ uri: URI }))).toMatchObject({
    name: 'TypeError',
    code: 'MCP_INVALID_ARGUMENT',
    message: expect.stringContaining('keepConnections'),
  });
});
