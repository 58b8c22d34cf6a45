/** Servers that send users to a URL, of both generations of the protocol. */

const { AsyncLocalStorage } = require('node:async_hooks');
const { inputRequired } = require('@modelcontextprotocol/server');
const { ElicitResultSchema, UrlElicitationRequiredError } = require('@modelcontextprotocol/sdk/types.js');
const { ECHO } = require('./support/calls');
const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');
const { startModernServer } = require('./support/modern-server');
const { never, until } = require('./support/wait');

const fixtures = useFixtures();
const tenant = new AsyncLocalStorage();
const user = (n) => createUser({ id: `user-${n}` });

const done = { content: [{ type: 'text', text: 'done' }] };
const elicitation = (id, url = `https://a.example/connect?id=${id}`) => ({
  mode: 'url',
  message: 'Connect your files',
  elicitationId: id,
  url,
});

function connect(server, { config, services }) {
  const host = fixtures.runtime({ servers: { srv: server.config(config) }, allow: [server], services });
  const call = (n, options) =>
    tenant.run(`tenant ${n}`, () => host.runtime.manager.callTool({ ...ECHO, user: user(n), options }));
  return { ...host, server, call };
}

/** A server of 2025-11-25 with one tool. */
const start = async (callTool, options = {}) => connect(await fixtures.server({ callTool }), options);

/** Refuses its first calls until the user has been to these URLs. */
function refusing(elicitations, times = 1) {
  let calls = 0;
  return () => {
    calls += 1;
    if (calls <= times) throw new UrlElicitationRequiredError(elicitations);
    return done;
  };
}

const accept = () => ({ action: 'accept' });

describe('a request that is refused until the user has been to some URLs', () => {
  test('is made once more when the host has accepted each of them, one after the other', async () => {
    const asked = [];
    const handler = (params, { signal, ...peer }) => {
      asked.push([params, peer, tenant.getStore(), signal.aborted]);
      return { action: 'accept' };
    };
    const wanted = [elicitation('first'), elicitation('second')];
    const { call, server } = await start(refusing(wanted), { services: { elicitation: handler } });
    expect(await call(1)).toEqual(['done', undefined]);
    const peer = { serverName: 'srv', userId: 'user-1', toolName: 'echo' };
    expect(asked).toEqual(
      wanted.map((params) => [params, { ...peer, requestId: params.elicitationId }, 'tenant 1', false]),
    );
    expect(server.received('tools/call')).toHaveLength(2);
    const [{ message }] = server.received('initialize');
    expect(message.params.capabilities.elicitation).toEqual({ form: {}, url: {} });
  });

  test.each([
    ['decline', 'the user declined'],
    ['cancel', 'the user cancelled'],
  ])('%s: rejects with what the server said, and is not made again', async (action, told) => {
    const wanted = [elicitation('first'), elicitation('second')];
    const handler = jest.fn(() => ({ action }));
    const { call, server, logger } = await start(refusing(wanted), { services: { elicitation: handler } });
    await expect(call(1)).rejects.toMatchObject({
      name: 'McpError',
      code: -32042,
      message: expect.stringContaining(told),
      data: { elicitations: wanted },
    });
    expect(handler).toHaveBeenCalledTimes(1);
    expect(server.received('tools/call')).toHaveLength(1);
    // A URL is for one user.
    expect(logger.text()).not.toContain('a.example');
  });

  test('rejects with its URLs where no host answers', async () => {
    const wanted = [elicitation('first')];
    const { call, server } = await start(refusing(wanted));
    await expect(call(1)).rejects.toMatchObject({ code: -32042, data: { elicitations: wanted } });
    const [{ message }] = server.received('initialize');
    expect(message.params.capabilities).toEqual({});
  });

  test('is made once more, and not for ever', async () => {
    const handler = jest.fn(accept);
    const refused = refusing([elicitation('again')], Number.POSITIVE_INFINITY);
    const { call, server } = await start(refused, { services: { elicitation: handler } });
    await expect(call(1)).rejects.toMatchObject({ code: -32042 });
    expect(handler).toHaveBeenCalledTimes(1);
    expect(server.received('tools/call')).toHaveLength(2);
  });

  test.each(['file:///etc/passwd', 'javascript:alert(1)', 'https://user:hunter2@a.example/', 'a.example'])(
    '%s reaches nobody',
    async (url) => {
      const handler = jest.fn(accept);
      const wanted = [elicitation('good'), elicitation('bad', url)];
      const { call, logger } = await start(refusing(wanted), { services: { elicitation: handler } });
      const error = await call(1).catch((thrown) => thrown);
      expect(error).toMatchObject({ code: -32042, message: expect.stringContaining('refused: `url` must') });
      expect(error).not.toHaveProperty('data');
      expect(handler).not.toHaveBeenCalled();
      expect(logger.text()).not.toContain(url);
    },
  );

  test('an abort of the call ends the asking', async () => {
    const aborted = [];
    const handler = (_, { signal }) => {
      signal.addEventListener('abort', () => aborted.push(tenant.getStore()));
      return never();
    };
    const asked = jest.fn(handler);
    const { call, server } = await start(refusing([elicitation('e')]), { services: { elicitation: asked } });
    const controller = new AbortController();
    const calling = call(1, { signal: controller.signal });
    await until('the question', () => asked.mock.calls.length > 0);
    controller.abort();
    await expect(calling).rejects.toMatchObject({ code: 'MCP_ABORTED' });
    await until('the signal', () => aborted.length > 0);
    expect(aborted).toEqual(['tenant 1']);
    expect(server.received('tools/call')).toHaveLength(1);
  });
});

/** A tool that asks during its call, and answers with the client's answer or error. */
const asking =
  (params) =>
  async (_, { sendRequest }) => {
    const request = { method: 'elicitation/create', params };
    const answer = await sendRequest(request, ElicitResultSchema).catch(({ code, message }) => ({ code, message }));
    return { content: [{ type: 'text', text: JSON.stringify(answer) }] };
  };

const answerOf = async (calling) => JSON.parse((await calling)[0]);

describe('a request for an elicitation', () => {
  test('of a URL reaches the host as browsers write it, and what the user enters stays there', async () => {
    const handler = jest.fn(() => ({ action: 'accept', content: { key: 'k' } }));
    const tool = asking(elicitation('e', 'HTTPS://A.example\\x'));
    const { call } = await start(tool, { services: { elicitation: handler } });
    expect(await answerOf(call(1))).toEqual({ action: 'accept' });
    expect(handler.mock.calls[0][0]).toEqual(elicitation('e', 'https://a.example/x'));
  });

  test.each([
    ['a URL that is none of the web', elicitation('e', 'vscode://open')],
    ['another mode', { ...elicitation('e'), mode: 'window' }],
  ])('of %s is refused', async (_, params) => {
    const handler = jest.fn(accept);
    const { call } = await start(asking(params), { services: { elicitation: handler } });
    expect(await answerOf(call(1))).toMatchObject({ code: -32602 });
    expect(handler).not.toHaveBeenCalled();
  });

  test('`elicitation: false`: not declared, and refused in every form', async () => {
    const handler = jest.fn(accept);
    const options = {
      services: { elicitation: handler, roots: () => ({ roots: [] }) },
      config: { elicitation: false },
    };
    const { call, server } = await start(asking(elicitation('e')), options);
    expect(await answerOf(call(1))).toMatchObject({ code: -32601 });
    const [{ message }] = server.received('initialize');
    expect(message.params.capabilities).toEqual({ roots: {} });
    const refused = await start(refusing([elicitation('e')]), options);
    await expect(refused.call(1)).rejects.toMatchObject({ code: -32042 });
    expect(handler).not.toHaveBeenCalled();
  });
});

test('the end of an elicitation is told to whoever was asked, on whatever stream it comes, and once', async () => {
  const complete = (elicitationId) => ({ method: 'notifications/elicitation/complete', params: { elicitationId } });
  const last = { method: 'notifications/message', params: { level: 'info', data: 'last' } };
  const ids = ['of-nobody', 'of-user-1', 'of-user-1'];
  const refused = refusing([elicitation('of-user-1')]);
  let calls = 0;
  const callTool = async (_, { sendNotification }) => {
    calls += 1;
    // In the call of another user, of the same session.
    if (calls === 3) for (const notification of [...ids.map(complete), last]) await sendNotification(notification);
    return refused();
  };
  const heard = [];
  const services = {
    elicitation: accept,
    onElicitationComplete: (params, peer) => heard.push([params, peer, tenant.getStore()]),
    onLogMessage: ({ data }) => heard.push(data),
  };
  const server = await fixtures.server({ callTool, capabilities: { tools: {}, logging: {} } });
  const { call } = connect(server, { services });
  await call(1);
  await call(2);
  await until('the last message', () => heard.at(-1) === 'last');
  expect(server.sessions.size).toBe(1);
  const peer = { serverName: 'srv', userId: 'user-1', toolName: 'echo' };
  expect(heard).toEqual([[{ elicitationId: 'of-user-1' }, peer, 'tenant 1'], 'last']);
});

describe('a server of 2026-07-28', () => {
  const modern = async (url, options) => {
    const callTool = ({ mcpReq }) =>
      mcpReq.inputResponses?.connect?.action === 'accept'
        ? done
        : inputRequired({ inputRequests: { connect: inputRequired.elicitUrl({ message: 'Connect', url }) } });
    return connect(fixtures.keep(await startModernServer({ callTool })), options);
  };

  test('asks for a URL in its result, and is asked again with the answer', async () => {
    const handler = jest.fn(() => ({ action: 'accept', content: { key: 'k' } }));
    const { call, server } = await modern('https://a.example', { services: { elicitation: handler } });
    expect(await call(1)).toEqual(['done', undefined]);
    expect(handler.mock.calls[0][0]).toEqual({ mode: 'url', message: 'Connect', url: 'https://a.example/' });
    const [first, second] = server.received('tools/call').map(({ message }) => message.params);
    expect(second.inputResponses).toEqual({ connect: { action: 'accept' } });
    const declared = first._meta['io.modelcontextprotocol/clientCapabilities'];
    expect(declared.elicitation).toEqual({ form: {}, url: {} });
  });

  test('is refused where the URL is none of the web', async () => {
    const handler = jest.fn(accept);
    const { call } = await modern('file:///etc/passwd', { services: { elicitation: handler } });
    await expect(call(1)).rejects.toMatchObject({ code: -32602 });
    expect(handler).not.toHaveBeenCalled();
  });
});
