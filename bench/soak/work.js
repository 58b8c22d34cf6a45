const { once } = require('node:events');
const { join } = require('node:path');
const { Worker } = require('node:worker_threads');
const { createMCPRuntime } = require('../../__test__/support/addon');
const { createUser } = require('../../__test__/support/host');
const { delay, settlesWithin } = require('../../__test__/support/wait');
const { createRandom } = require('./random');

const WORKER = join(__dirname, '..', '..', '__test__', 'scripts', 'worker.js');
const MIB = 1024 * 1024;
/** After this an operation hangs. */
const LIMIT_MS = 60_000;
const WORKERS = 8;
const USERS = 20;
const LONGEST_PAUSE_MS = 30;
/** Servers that users connect to, by how often. */
const TARGETS = [
  'http',
  'http',
  'http',
  'http',
  'sse',
  'sse',
  'sse',
  'websocket',
  'websocket',
  'websocket',
  'shared',
  'shared',
  'stdio',
];
/** What an operation may end with other than success: somebody took the server away, or it was meant to. */
const EXPECTED = new Set(
  (
    'MCP_ABORTED MCP_TIMEOUT MCP_CONNECTION_FAILED MCP_CONNECTION_LOST MCP_CIRCUIT_OPEN ' +
    'MCP_TOOLS_LIST_FAILED MCP_AUTHORIZATION_REQUIRED'
  ).split(' '),
);

/** By name: how often it is done among all, and what is done. A result that is wrong throws. */
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
  'tool call that times out': [5, ({ call }) => call('slow', {}, { timeout: 50 })],
  'tool call that is aborted': [
    5,
    ({ call, random }) => call('slow', {}, { signal: AbortSignal.timeout(random.below(30)) }),
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
      const { runtime, user, random } = context;
      if (!user.hasAuthorized) await authorize(context);
      await echo(caller(runtime, user, 'protected'), `text ${random.below(1e9)}`);
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

/** Done once a round, since they take long or disturb everybody. */
const RARE = {
  'restart of the servers': ({ servers }) => servers.restart(),
  'worker terminated with a connection open': async ({ servers }) => {
    const workerData = { config: servers.configs.http, allow: servers.allowedAddresses };
    const worker = new Worker(WORKER, { workerData });
    try {
      await once(worker, 'message');
    } finally {
      await worker.terminate();
    }
  },
};

function expect(holds, what) {
  if (!holds) throw new Error(`not true: ${what}`);
}

async function reinit(runtime, params) {
  const result = await runtime.reinitMCPServer(params);
  if (!result.success) throw result.error;
  expect(result.oauthRequired || result.toolsError || result.tools.length === 31, 'all tools are listed');
}

/** The user agrees; with tokens that are stored already nobody is asked. */
async function authorize({ runtime, user, authorization }) {
  await reinit(runtime, { user, serverName: 'protected', ...authorization.asking(runtime, user, 'protected') });
  user.hasAuthorized = true;
}

const caller = (runtime, user, serverName) => async (toolName, toolArguments, options) => {
  const [content] = await runtime.manager.callTool({
    user,
    serverName,
    toolName,
    toolArguments,
    options,
    provider: 'openai',
  });
  return content;
};

async function echo(call, text) {
  expect((await call('echo', { text })) === text, 'a tool call has its own result');
}

/** Mixed work on a runtime, in rounds; counts what came of it, in `counts` by operation and outcome. */
function createWork(world, seed) {
  const random = createRandom(seed);
  const counts = new Map();
  const unexpected = [];
  const bag = Object.entries(OPERATIONS).flatMap(([name, [weight]]) => Array(weight).fill(name));

  const count = (name, outcome) => {
    if (!counts.has(name)) counts.set(name, new Map());
    const outcomes = counts.get(name);
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  };

  async function perform(name, work, context) {
    try {
      await settlesWithin(LIMIT_MS, work(context));
      count(name, 'done');
    } catch (error) {
      const code = error.mcpCode ?? error.code;
      count(name, code ?? 'failed');
      if (!EXPECTED.has(code)) unexpected.push(`${name}: ${code ?? ''} ${error.stack ?? error.message}`);
    }
  }

  async function worker(users, ends) {
    while (performance.now() < ends) {
      const [user, target, name] = [random.pick(users), random.pick(TARGETS), random.pick(bag)];
      const call = caller(world.runtime, user, target);
      await perform(name, OPERATIONS[name][1], { ...world, random, user, target, call });
      await delay(random.below(LONGEST_PAUSE_MS));
    }
  }

  async function disturb(ends) {
    await delay((ends - performance.now()) / 2);
    for (const [name, work] of Object.entries(RARE)) await perform(name, work, world);
  }

  return {
    runtime: world.runtime,
    counts,
    /** What was not foreseen, as texts. */
    unexpected,

    /** New users come, work for that long, and leave. */
    async round(ms) {
      const users = Array.from({ length: USERS }, () => createUser());
      const ends = performance.now() + ms;
      await Promise.all([disturb(ends), ...Array.from({ length: WORKERS }, () => worker(users, ends))]);
      const { manager } = world.runtime;
      await Promise.all(users.map((user) => manager.disconnectUserConnections(user.id)));
      await Promise.all(manager.appConnections.disconnectAll());
      await Promise.all(users.map((user) => world.services.tokenMethods.deleteTokens({ userId: user.id })));
      await world.services.flowManager.keyv.clear();
    },
  };
}

module.exports = { OPERATIONS, RARE, createWork };
