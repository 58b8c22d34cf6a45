/** Whose a server's question is: the user's in whose call it comes, or nobody's. */

const { AsyncLocalStorage } = require('node:async_hooks');
const { startAskingServer } = require('./support/asking-server');
const { ECHO } = require('./support/calls');
const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');
const { startModernServer } = require('./support/modern-server');
const { never, until } = require('./support/wait');

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
  await tenant.run('tenant of the first', () =>
    manager.getConnection({ user: user(1), serverName: 'srv', customUserVars: userMCPAuthMap.mcp_srv }),
  );
  if (where !== 'call') await until('the stream', server.hasStream);
  const ask = async (n, question, options) => {
    const call = {
      user: user(n),
      serverName: 'srv',
      toolName: 'ask',
      provider: 'openai',
      toolArguments: typeof question === 'string' ? { method: question } : question,
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
    const stuck = {
      ...services,
      elicitation: (_, peer) => {
        begun(peer.userId);
        return peer.userId === 'user-1' ? never() : services.elicitation(_, peer);
      },
    };
    const { ask } = await connect('call', { services: stuck });
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
    ['sse', { shared: false }],
  ])('%s %j: that user is asked, whatever the stream', async (where, config) => {
    const { asked, services } = answering();
    const { ask } = await connect(where, { config, services });
    expect((await ask(1, 'elicitation/create')).action).toBe('accept');
    expect(asked).toHaveBeenCalledWith(expect.objectContaining({ serverName: 'srv', userId: 'user-1' }));
  });
});

describe('log messages', () => {
  function listening() {
    const heard = [];
    const onLogMessage = ({ data }, peer) => heard.push([data, peer, tenant.getStore()]);
    return { heard, services: { onLogMessage } };
  }
  const peerOf = (userId) => ({ serverName: 'srv', userId });

  test('on the stream of a call: that call’s user, in its context and in their order', async () => {
    const { heard, services } = listening();
    const { ask } = await connect('call', { services });
    await Promise.all([1, 2, 3, 4].map((n) => ask(n, { logs: 3, pings: 1 })));
    await until('the messages', () => heard.length === 12);
    const heardBy = [1, 2, 3, 4].map((n) => heard.filter(([, { userId }]) => userId === `user-${n}`));
    const expected = [1, 2, 3, 4].map((n) =>
      [0, 1, 2].map((data) => [data, { ...peerOf(`user-${n}`), toolName: 'ask' }, `tenant ${n}`]),
    );
    expect(heardBy).toEqual(expected);
  });

  test('of 2026-07-28: asked for where the host hears them, and the user’s in whose call they come', async () => {
    const callTool = async ({ mcpReq }) => {
      await mcpReq.log('debug', 'unheard');
      await mcpReq.log('info', 'heard');
      return { content: [] };
    };
    const options = { callTool, capabilities: { tools: {}, logging: {} } };
    const server = fixtures.keep(await startModernServer(options));
    const { heard, services } = listening();
    const { runtime } = fixtures.runtime({ servers: { srv: server.config() }, allow: [server], services });
    const call = (n) => tenant.run(`tenant ${n}`, () => runtime.manager.callTool({ ...ECHO, user: user(n) }));
    await Promise.all([1, 2].map(call));
    await until('the messages', () => heard.length === 2);
    const expected = [1, 2].map((n) => ['heard', { ...peerOf(`user-${n}`), toolName: 'echo' }, `tenant ${n}`]);
    expect(heard).toEqual(expect.arrayContaining(expected));
  });

  test.each(['get', 'sse'])('%s on a connection that users share: nobody’s, in nobody’s context', async (where) => {
    const { heard, services } = listening();
    const { ask } = await connect(where, { services });
    await ask(2, { logs: 2, pings: 1 });
    await until('the messages', () => heard.length === 2);
    expect(heard).toEqual([0, 1].map((data) => [data, peerOf(undefined), undefined]));
  });

  test.each(['get', 'sse'])('%s on a connection of one user: that user’s', async (where) => {
    const { heard, services } = listening();
    const { ask } = await connect(where, { config: OWN, services });
    await ask(1, { logs: 1, pings: 1 });
    await until('the message', () => heard.length === 1);
    expect(heard).toEqual([[0, peerOf('user-1'), 'tenant of the first']]);
  });
});

test('progress is told to the call that it is of, in its context', async () => {
  const callTool = async ({ _meta }, { sendNotification }) => {
    for (const progress of [1, 2]) {
      const params = { progress, progressToken: _meta.progressToken };
      await sendNotification({ method: 'notifications/progress', params });
    }
    return { content: [] };
  };
  const server = await fixtures.server({ callTool });
  const { runtime } = fixtures.runtime({ servers: { srv: server.config() }, allow: [server] });
  const heard = [];
  const call = (n) => {
    const onprogress = ({ progress }) => heard.push(`${progress} for ${n} in ${tenant.getStore()}`);
    const options = { onprogress };
    return tenant.run(`tenant ${n}`, () => runtime.manager.callTool({ ...ECHO, user: user(n), options }));
  };
  await Promise.all([1, 2, 3].map(call));
  await until('the last progress', () => heard.filter((line) => line.startsWith('2')).length === 3);
  expect(heard.filter((line) => line.startsWith('2')).sort()).toEqual(
    [1, 2, 3].map((n) => `2 for ${n} in tenant ${n}`),
  );
  expect(server.sessions.size).toBe(1);
});

test('`shared: false` gives each user a session of their own', async () => {
  const server = await fixtures.server();
  const servers = { srv: server.config({ shared: false }) };
  const { runtime } = fixtures.runtime({ servers, allow: [server] });
  const call = (n) => runtime.manager.callTool({ ...ECHO, user: user(n) });
  await Promise.all([1, 2, 1].map(call));
  expect(server.sessions.size).toBe(2);
});

describe('a handler', () => {
  /** A handler that waits for its signal, and what the last one has been told. */
  function waitingForSignal() {
    const seen = { aborted: [] };
    const elicitation = (_, peer) => {
      seen.peer = peer;
      return new Promise((resolve) => {
        peer.signal.addEventListener('abort', () => {
          seen.aborted.push([peer.userId, tenant.getStore()]);
          resolve({ action: 'cancel' });
        });
      });
    };
    return { seen, services: { elicitation } };
  }

  test('knows the call, the tool and the request', async () => {
    const peers = [];
    const elicitation = (_, peer) => {
      peers.push(peer);
      return { action: 'decline' };
    };
    const { ask, server } = await connect('call', { services: { elicitation } });
    await ask(1, 'elicitation/create');
    const [peer] = peers;
    expect(Object.keys(peer).sort()).toEqual(['requestId', 'serverName', 'signal', 'toolName', 'userId']);
    expect(peer).toMatchObject({ serverName: 'srv', userId: 'user-1', toolName: 'ask', requestId: 'question-1' });
    expect(server.answered).toEqual(['question-1']);
    // What has been answered is not aborted when its call ends.
    expect(peer.signal.aborted).toBe(false);
  });

  test('hears of the abort of its call', async () => {
    const { seen, services } = waitingForSignal();
    const { ask } = await connect('call', { services });
    const controller = new AbortController();
    const asking = ask(2, 'elicitation/create', { signal: controller.signal });
    await until('the question', () => seen.peer);
    controller.abort();
    await expect(asking).rejects.toMatchObject({ code: 'MCP_ABORTED' });
    await until('the signal', () => seen.aborted.length > 0);
    expect(seen.aborted).toEqual([['user-2', 'tenant 2']]);
  });

  test('hears that the server has withdrawn its request, and the server gets no answer to it', async () => {
    const { seen, services } = waitingForSignal();
    const { ask, server } = await connect('call', { services });
    const asking = ask(1, 'elicitation/create');
    await until('the question', () => seen.peer);
    await ask(2, { withdraw: seen.peer.requestId, pings: 1 });
    expect(await asking).toEqual({ withdrawn: true });
    await until('the signal', () => seen.aborted.length > 0);
    expect(seen.aborted).toEqual([['user-1', 'tenant 1']]);
    expect(server.answered).not.toContain(seen.peer.requestId);
  });

  test('hears that the connection has ended', async () => {
    const { seen, services } = waitingForSignal();
    const { ask, runtime } = await connect('get', { config: OWN, services });
    const asking = ask(1, 'elicitation/create').catch((error) => error);
    await until('the question', () => seen.peer);
    await runtime.close();
    await asking;
    await until('the signal', () => seen.aborted.length > 0);
    expect(seen.peer.signal.aborted).toBe(true);
  });
});

test('a burst of requests that need no host is answered to the last', async () => {
  const { services } = answering();
  const { ask } = await connect('call', { services });
  expect(await ask(1, { pings: 300 })).toEqual(Array(300).fill({}));
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

test('what the host throws while it answers is logged, and not told to the server', async () => {
  const elicitation = () => {
    throw new Error('db failed: mongodb://root:secret@db/x');
  };
  const { ask, logger } = await connect('call', { services: { elicitation } });
  const answer = await ask(1, 'elicitation/create');
  expect(answer).toEqual({ error: { code: -32603, message: 'No answer (MCP_HOST_ERROR)' } });
  await until('the warning', () => /warn .*The host callback elicitation failed: db failed/.test(logger.text()));
});

test('an answer of the host that is none: the server and the log are told what is wrong with it', async () => {
  const wrong = 'answer to elicitation/create is invalid: `action` must be `accept`, `decline` or `cancel`';
  const { ask, logger } = await connect('call', { services: { elicitation: () => ({ action: 'a-secret' }) } });
  const { error } = await ask(1, 'elicitation/create');
  expect(error).toEqual({ code: -32603, message: expect.stringContaining(wrong) });
  await until('the warning', () => logger.text().includes(wrong));
  expect(logger.text()).not.toContain('a-secret');
});
