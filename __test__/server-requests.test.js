/** Whose a server's question is: the user's in whose call it comes, or nobody's. */

const { AsyncLocalStorage } = require('node:async_hooks');
const { startAskingServer } = require('./support/asking-server');
const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');
const { until } = require('./support/wait');

const fixtures = useFixtures();
const tenant = new AsyncLocalStorage();

const user = (n) => createUser({ id: `user-${n}` });
/** A server that a user has for themselves. */
const OWN = { customUserVars: { KEY: { title: 'Key', description: '' } } };
const userMCPAuthMap = { mcp_srv: { KEY: 'k' } };

/** Host handlers that say in whose name, and in which context, they answer. */
function answering() {
  const asked = jest.fn();
  const name = (peer) => {
    asked(peer);
    return `${peer.userId} in ${tenant.getStore()}`;
  };
  const services = {
    elicitation: async (_, peer) => ({ action: 'accept', content: { name: name(peer) } }),
    sampling: async (_, peer) => ({ role: 'assistant', model: 'm', content: { type: 'text', text: name(peer) } }),
    roots: async (_, peer) => ({ roots: [{ uri: `file:///${encodeURIComponent(name(peer))}` }] }),
  };
  return { asked, services };
}

const NAME_OF = {
  'elicitation/create': (answer) => answer.content.name,
  'sampling/createMessage': (answer) => answer.content.text,
  'roots/list': (answer) => decodeURIComponent(answer.roots[0].uri.slice('file:///'.length)),
};

async function connect(where, { config, services }) {
  const server = fixtures.keep(await startAskingServer(where));
  const host = fixtures.runtime({ servers: { srv: server.config(config) }, allow: [server], services });
  const { manager } = host.runtime;
  await manager.getConnection({ user: user(1), serverName: 'srv', customUserVars: userMCPAuthMap.mcp_srv });
  if (where !== 'call') await until('the stream', server.hasStream);
  const ask = async (n, method, options) => {
    const call = {
      user: user(n),
      serverName: 'srv',
      toolName: 'ask',
      provider: 'openai',
      toolArguments: { method },
      options,
    };
    const [text] = await tenant.run(`tenant ${n}`, () =>
      manager.callTool({ ...call, customUserVars: userMCPAuthMap.mcp_srv }),
    );
    return JSON.parse(text);
  };
  return { ...host, server, ask };
}

describe('a connection that users share', () => {
  test.each(Object.keys(NAME_OF))('%s on the stream of a call: that call’s user, in its context', async (method) => {
    const { services } = answering();
    const { ask, server } = await connect('call', { services });
    const answers = await Promise.all([1, 2, 3, 4].map((n) => ask(n, method)));
    expect(answers.map(NAME_OF[method])).toEqual([1, 2, 3, 4].map((n) => `user-${n} in tenant ${n}`));
    expect(server.declared).toEqual([expect.arrayContaining(['elicitation', 'sampling', 'roots'])]);
  });

  test.each(Object.keys(NAME_OF))('%s on the GET stream: refused, and nobody is asked', async (method) => {
    const { asked, services } = answering();
    const { ask } = await connect('get', { services });
    expect(await ask(2, method)).toEqual({
      error: { code: -32600, message: expect.stringContaining('belongs to no call') },
    });
    expect(asked).not.toHaveBeenCalled();
  });

  test('HTTP+SSE tells no calls apart: refused, and not declared to begin with', async () => {
    const { asked, services } = answering();
    const { ask, server } = await connect('sse', { services });
    expect(await ask(2, 'elicitation/create')).toMatchObject({ error: { code: -32600 } });
    expect(asked).not.toHaveBeenCalled();
    expect(server.declared).toEqual([[]]);
  });

  test('a call that is aborted takes its question along; the next one is answered', async () => {
    const { services } = answering();
    const begun = jest.fn();
    const never = {
      ...services,
      elicitation: (_, peer) => {
        begun(peer.userId);
        return peer.userId === 'user-1' ? new Promise(() => {}) : services.elicitation(_, peer);
      },
    };
    const { ask } = await connect('call', { services: never });
    const controller = new AbortController();
    const aborted = ask(1, 'elicitation/create', { signal: controller.signal });
    await until('the question', () => begun.mock.calls.length > 0);
    controller.abort();
    await expect(aborted).rejects.toMatchObject({ code: 'MCP_ABORTED' });
    expect(NAME_OF['elicitation/create'](await ask(2, 'elicitation/create'))).toBe('user-2 in tenant 2');
  });
});

describe('a connection of one user', () => {
  test.each([
    ['get', OWN],
    ['sse', OWN],
    ['sse', { startup: false }],
  ])('%s %j: that user is asked, whatever the stream', async (where, config) => {
    const { asked, services } = answering();
    const { ask } = await connect(where, { config, services });
    expect((await ask(1, 'elicitation/create')).action).toBe('accept');
    expect(asked).toHaveBeenCalledWith(expect.objectContaining({ serverName: 'srv', userId: 'user-1' }));
  });
});

test('slow calls of one user keep nobody else waiting', async () => {
  const { services } = answering();
  const waiting = [];
  const held = { ...services, elicitation: () => new Promise((resolve) => waiting.push(resolve)) };
  const { ask } = await connect('call', { services: held });
  const slow = Array.from({ length: 24 }, () => ask(1, 'elicitation/create'));
  await until('all slow calls at the server', () => waiting.length === 24);
  const name = NAME_OF['sampling/createMessage'](await ask(2, 'sampling/createMessage'));
  expect(name).toBe('user-2 in tenant 2');
  for (const resolve of waiting) resolve({ action: 'decline' });
  expect(await Promise.all(slow)).toEqual(slow.map(() => ({ action: 'decline' })));
});

test('what the host throws while it answers is not told to the server', async () => {
  const elicitation = () => {
    throw new Error('db failed: mongodb://root:secret@db/x');
  };
  const { ask } = await connect('call', { services: { elicitation } });
  const answer = await ask(1, 'elicitation/create');
  expect(answer).toEqual({ error: { code: -32603, message: 'No answer (MCP_HOST_ERROR)' } });
});
