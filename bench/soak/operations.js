const { once } = require('node:events');
const { join } = require('node:path');
const { Worker } = require('node:worker_threads');
const { createMCPRuntime } = require('../../__test__/support/addon');
const { HOOKED, REPLACEMENT } = require('./ledger');
const { MIB, RESOURCE, SHOWN } = require('./tools');

const WORKER = join(__dirname, '..', '..', '__test__', 'scripts', 'worker.js');
const PART = 1000;
/** More than the limits of `governed` let through at a time, or keep waiting. */
const AT_ONCE = 16;
/** A line of Prometheus' text format. */
const METRIC = /^(# (HELP|TYPE) .+|[a-z_]+(\{[^}]*\})? ([-+\d.e]+|\+Inf))$/;

/** Hooks have the time of the call, which is short here. */
const LATE_HOOK = ['MCP_HOST_TIMEOUT'];
/** A server that was started again knows no tasks of before. */
const LOST_TASK = ['MCP_SERVER_ERROR'];

/** One that answers too late what it is asked first is taken for one of before, where nobody subscribes. */
const TAKEN_FOR_OLD = ['MCP_SERVER_ERROR'];

/** By name: how often it is done among all, what is done, and what it may end with beside what each may. A wrong result throws. */
const OPERATIONS = {
  'connect and list tools': [20, ({ runtime, user, target }) => reinit(runtime, { user, serverName: target })],
  'replace a connection': [
    5,
    ({ runtime, user, target }) => reinit(runtime, { user, serverName: target, forceNew: true }),
  ],
  'tool call': [40, ({ call, random }) => echo(call, `text ${random.below(1e9)}`)],
  'tool call, 1 to 4 MiB': [
    4,
    async ({ call, random }) => {
      const mib = 1 + random.below(4);
      expect((await call('large', { mib })).length === mib * MIB, 'a large result is complete');
    },
  ],
  'tool call that times out': [5, ({ call }) => call('slow', {}, { timeout: 50 }), LATE_HOOK],
  'tool call that is aborted': [
    5,
    ({ call, random }) => call('slow', {}, { signal: AbortSignal.timeout(random.below(30)) }),
  ],
  'tool call with progress': [
    2,
    async ({ call }) => {
      const heard = [];
      const onprogress = ({ progress }) => heard.push(progress);
      expect((await call('steps', {}, { onprogress })) === 'done', 'a call with progress has its result');
      expect(
        heard.every((step, index) => index === 0 || step > heard[index - 1]),
        'progress is in order',
      );
    },
  ],
  'tool call in which the user and the model are asked': [
    3,
    async ({ call, user }) => {
      expect((await call('ask')) === `${user.id} ${user.id}`, 'who asks gets the answer of its own user');
    },
  ],
  'connect, aborted': [
    5,
    ({ runtime, user, target, random }) => {
      const signal = AbortSignal.timeout(random.below(15));
      return reinit(runtime, { user, serverName: target, forceNew: true, signal });
    },
  ],
  'connect to a closed port': [
    2,
    ({ runtime, user }) => reinit(runtime, { user, serverName: 'nowhere', connectionTimeout: 200 }),
  ],
  'discover tools': [
    3,
    ({ runtime, user, target }) => runtime.manager.discoverServerTools({ user, serverName: target }),
  ],
  authorize: [4, authorize],
  'tool call with a token': [
    10,
    async (context) => {
      const { callOf, user, random } = context;
      if (!user.hasAuthorized) await authorize(context);
      await echo(callOf('protected'), `text ${random.below(1e9)}`);
    },
  ],
  'tool call with a token of the program': [
    3,
    ({ callOf, random }) => echo(callOf('machine'), `text ${random.below(1e9)}`),
  ],
  'tool call on behalf of the user': [
    4,
    async ({ callOf, user }) => {
      const bearer = await callOf('exchanged')('bearer');
      expect(bearer.startsWith(`Bearer for-${user.federatedTokens.access_token}-`), 'a call has its own user’s token');
    },
  ],
  'tool call that a hook refuses': [
    2,
    neverDone(({ call }) => call(HOOKED.refused, { text: 'x' })),
    ['MCP_CALL_REFUSED'],
  ],
  'tool call that a hook rewrites': [
    2,
    async ({ call, random }) => {
      const text = await call(random.pick([HOOKED.rewritten, HOOKED.replaced]), { text: 'x' });
      expect(text === REPLACEMENT, 'a hook has the last word');
    },
  ],
  'tool call that is denied': [2, neverDone(({ call }) => call('hidden')), ['MCP_TOOL_DENIED']],
  'tool call that was approved, or not': [
    3,
    ({ callOf }) => callOf('governed')('changing', { text: 'x' }),
    ['MCP_TOOL_NOT_APPROVED', 'MCP_RATE_LIMITED'],
  ],
  'approve tools': [
    1,
    async ({ runtime }) => {
      await runtime.manager.getToolPins({ serverName: 'governed' });
      await runtime.manager.approveTools({ serverName: 'governed', approvedBy: 'soak' });
    },
  ],
  'tool calls at once under limits': [
    2,
    async ({ callOf, random }) => {
      const call = callOf('governed');
      const one = () => echo((name, args) => call(name, args, { timeout: 2000 }), `text ${random.below(1e9)}`);
      const all = await Promise.allSettled(Array.from({ length: AT_ONCE }, one));
      const failed = all.find(({ reason }) => reason && reason.code !== 'MCP_RATE_LIMITED');
      if (failed) throw failed.reason;
    },
    LATE_HOOK,
  ],
  'result that is read in parts': [2, readInParts, [-32002]],
  'tool call that is a task': [
    2,
    async ({ call, random }) => {
      const text = `text ${random.below(1e9)}`;
      expect((await call('dig', { text })) === text, 'a task has its own result');
    },
    LOST_TASK,
  ],
  'task that another process goes on with': [1, resumeElsewhere, LOST_TASK],
  'client: list, call, ping': [
    4,
    async ({ client, ledger, user, random, target }) => {
      const { tools } = await client.listTools();
      expect(tools.length === SHOWN - 1 || tools.length === SHOWN, 'a client lists all tools');
      const text = `text ${random.below(1e9)}`;
      const { content } = await ledger.call(user, target, 'echo', () =>
        client.callTool({ name: 'echo', arguments: { text } }),
      );
      expect(content[0].text === text, 'a client has its own result');
      await client.ping();
      if (random.next() < 0.5) await client.close();
    },
  ],
  'client: subscribe to a resource': [
    2,
    ({ runtime, user, ...context }) => subscribed(runtime.client('http', { user }), context),
  ],
  'client: a server of 2026-07-28': [
    3,
    async ({ runtime, ledger, user, ...context }) => {
      const client = runtime.client('modern', { user });
      expect((await client.listTools()).tools.length === 1, 'a client lists all tools');
      const { content } = await subscribed(client, context, () =>
        ledger.call(user, 'modern', 'echo', () => client.callTool({ name: 'echo' })),
      );
      expect(content[0].text === 'echo', 'a client has its own result');
    },
    TAKEN_FOR_OLD,
  ],
  'embedded runtime: tool call': [
    6,
    async ({ embedded, ledger, user, random }) => {
      const serverName = random.pick(['embedded-http', 'embedded-http', 'embedded-stdio']);
      await echo(caller({ runtime: embedded.runtime, ledger, user }, serverName), `text ${random.below(1e9)}`);
    },
  ],
  'metrics and health': [
    1,
    ({ runtime }) => {
      const odd = runtime
        .metrics()
        .split('\n')
        .find((line) => line && !METRIC.test(line));
      expect(odd === undefined, `a line of metrics: ${odd}`);
      expect(runtime.health().takesCalls, 'an open runtime takes calls');
    },
  ],
  disconnect: [5, ({ runtime, user, target }) => runtime.manager.disconnectUserConnection(user.id, target)],
  'a user leaves': [2, ({ runtime, user }) => runtime.manager.disconnectUserConnections(user.id)],
  'a runtime of its own': [
    1,
    async ({ services, user, target }) => {
      const runtime = createMCPRuntime(services);
      try {
        await reinit(runtime, { user, serverName: target });
      } finally {
        await runtime.close();
      }
    },
  ],
};

/** Done once in so many rounds, since they take long or disturb everybody. */
const RARE = {
  'restart of the servers': [1, ({ servers }) => servers.restart()],
  'worker terminated with a connection open': [1, terminateWorker],
  'embedded runtime: its file changes': [2, reload],
  'Redis is gone for a second': [6, ({ redis }) => redis.outage()],
};

function expect(holds, what) {
  if (!holds) throw new Error(`not true: ${what}`);
}

/** For what has to be refused. */
function neverDone(work) {
  return async (context) => {
    await work(context);
    expect(false, 'what is refused is not done');
  };
}

/** `changing` may wait for approval. */
async function reinit(runtime, params) {
  const result = await runtime.reinitMCPServer(params);
  if (!result.success) throw result.error;
  const { oauthRequired, toolsError, tools } = result;
  expect(oauthRequired || toolsError || [SHOWN - 1, SHOWN].includes(tools.length), 'all tools are listed');
}

async function terminateWorker({ servers }) {
  const workerData = { config: servers.configs.http, allow: servers.allowedAddresses };
  const worker = new Worker(WORKER, { workerData });
  try {
    await once(worker, 'message');
  } finally {
    await worker.terminate();
  }
}

async function reload({ runtimes: { embedded }, user }) {
  const { denied, allowed } = await embedded.reload();
  const { tools } = await embedded.runtime.client('embedded-http', { user }).listTools();
  const names = new Set(tools.map(({ name }) => name));
  expect(!names.has(denied) && names.has(allowed), 'a changed rule holds');
}

/** The user agrees; with tokens that are stored already nobody is asked. */
async function authorize({ runtime, user, authorization }) {
  await reinit(runtime, { user, serverName: 'protected', ...authorization.asking(runtime, user, 'protected') });
  user.hasAuthorized = true;
}

/** Subscribes, does something, and leaves the subscription to whoever ends the connection, or not. */
async function subscribed(client, { random, heard }, work) {
  client.on('resourceUpdated', () => {
    heard['changes of resources'] += 1;
  });
  await client.subscribeResource({ uri: RESOURCE });
  const result = await work?.();
  if (random.next() < 0.5) await client.close();
  return result;
}

async function readInParts({ runtime, ledger, user, random }) {
  const client = runtime.client('kept', { user });
  const { content } = await ledger.call(user, 'kept', 'large', () =>
    client.callTool({ name: 'large', arguments: { mib: 1 } }),
  );
  const { uri } = content.at(-1);
  const offset = random.below(MIB - PART);
  const { contents } = await client.readResource({ uri: `${uri}?offset=${offset}&length=${PART}` });
  expect(contents[0].text === 'x'.repeat(PART), 'a part of a result is complete');
}

async function resumeElsewhere({ call, ledger, other, user, target, random }) {
  const text = `text ${random.below(1e9)}`;
  let handle;
  const options = { ontask: (task) => (handle = JSON.parse(JSON.stringify(task))) };
  expect((await call('dig', { text }, options)) === text, 'a task has its own result');
  const [content] = await ledger.call(user, target, 'dig', () =>
    other.runtime.manager.resumeTask({ task: handle, user, provider: 'openai' }),
  );
  expect(content === text, 'a task has the same result elsewhere');
}

const caller =
  ({ runtime, ledger, user }, serverName) =>
  async (toolName, toolArguments = {}, options = undefined) => {
    const params = { user, serverName, toolName, toolArguments, options, provider: 'openai' };
    const [content] = await ledger.call(user, serverName, toolName, () => runtime.manager.callTool(params));
    return content;
  };

async function echo(call, text) {
  expect((await call('echo', { text })) === text, 'a tool call has its own result');
}

module.exports = { OPERATIONS, RARE, caller };
