const { fork } = require('node:child_process');
const { once } = require('node:events');
const { join } = require('node:path');
const { createUser } = require('../../../__test__/support/host');
const { freePort } = require('../../../__test__/support/ports');
const { delay, settlesWithin } = require('../../../__test__/support/wait');
const { createRandom, seedOf } = require('../random');
const { CALM, TABLES, faultOf } = require('./table');

const SCRIPT = join(__dirname, 'server.js');
/** Of a call, once there is a connection; and of those for which nothing goes wrong at the end. */
const CALL_MS = 4000;
const CALM_CALL_MS = 30_000;
const CONNECT_MS = 10_000;
/** For both, and another handshake within a call; after this something hangs. */
const LIMIT_MS = 60_000;
/** Times the sessions: together they make calls at the same pace, however many they are. */
const LONGEST_PAUSE_MS = 30;
const AT_ONCE = 16;
/** How many of a thousand sessions each server gets, and its wire. */
const SERVERS = {
  sessions: [440, 'http'],
  plain: [160, 'http'],
  modern: [250, 'http'],
  sse: [80, 'sse'],
  websocket: [46, 'websocket'],
  stdio: [24, 'stdio'],
};
/** What an operation may end with other than success. */
const NAMED = new Set(
  (
    'MCP_ABORTED MCP_TIMEOUT MCP_CONNECTION_FAILED MCP_CONNECTION_LOST MCP_CIRCUIT_OPEN MCP_HTTP_STATUS ' +
    'MCP_INVALID_RESPONSE MCP_RATE_LIMITED MCP_SERVER_ERROR MCP_TOOLS_LIST_FAILED -32603'
  ).split(' '),
);
/** What a call that meets a harmless fault may end with: its connection was lost, or could not be made. */
const ELSEWHERE = new Set(
  'MCP_ABORTED MCP_TIMEOUT MCP_CONNECTION_FAILED MCP_CONNECTION_LOST MCP_HTTP_STATUS MCP_INVALID_RESPONSE'.split(' '),
);

/** The servers in a process of their own, and their configurations. */
async function startServers(seed) {
  const ports = { http: await freePort(), websocket: await freePort() };
  const child = fork(SCRIPT, [String(seed), JSON.stringify(ports)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  await once(child, 'message');
  const twice = [];
  child.on('message', (message) => twice.push(message.twice));
  const headers = { 'x-user': '{{LIBRECHAT_USER_ID}}' };
  const config = (members) => ({
    requiresOAuth: false,
    startup: false,
    source: 'yaml',
    initTimeout: CONNECT_MS,
    ...members,
  });
  const http = (path, type) => config({ type, url: `http://127.0.0.1:${ports.http}${path}`, headers });
  return {
    twice,
    allowedAddresses: Object.values(ports).map((port) => `127.0.0.1:${port}`),
    configs: {
      sessions: http('/sessions', 'streamable-http'),
      plain: http('/plain', 'streamable-http'),
      modern: http('/modern', 'streamable-http'),
      sse: http('/sse', 'sse'),
      websocket: config({ url: `ws://127.0.0.1:${ports.websocket}` }),
      stdio: config({ type: 'stdio', command: process.execPath, args: [SCRIPT, String(seed)], stderr: 'ignore' }),
    },
    calm: () => child.send('calm'),
    async close() {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** Sessions so far: each is another for its server. */
let created = 0;

/** Sessions that work on a runtime. `counts`: by fault and outcome; `unexpected`: what must not be, as texts. */
function createWork(runtime, seed) {
  const counts = new Map();
  const unexpected = [];
  let longest = 0;

  function count(name, outcome) {
    if (!counts.has(name)) counts.set(name, new Map());
    const outcomes = counts.get(name);
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }

  /** Whether it was done. `who`: for what must not be. */
  async function perform(who, name, allowed, work) {
    const started = performance.now();
    try {
      await settlesWithin(LIMIT_MS, work());
      count(name, 'done');
      return true;
    } catch (error) {
      const code = String(error.mcpCode ?? error.code ?? 'failed');
      count(name, code);
      if (!allowed.has(code)) unexpected.push(`${who}, ${name}: ${code} ${error.message}`);
      return false;
    } finally {
      longest = Math.max(longest, performance.now() - started);
    }
  }

  class Session {
    constructor(index, serverName) {
      this.user = createUser();
      this.serverName = serverName;
      this.wire = SERVERS[serverName][1];
      this.name = `${serverName} ${index}`;
      this.random = createRandom(seedOf(seed, this.name));
      this.calls = 0;
    }

    open(forceNew = false) {
      return perform(this.name, 'connect', NAMED, async () => {
        const { user, serverName } = this;
        const result = await runtime.reinitMCPServer({ user, serverName, forceNew, connectionTimeout: CONNECT_MS });
        if (!result.success) throw result.error;
        if (!result.toolsError && result.tools.length !== 1) throw new Error('the tools are not those of the server');
      });
    }

    /** `name`: what it counts as, instead of as its fault. */
    call({ signal, name, prefix = '', timeout = CALL_MS } = {}) {
      this.calls += 1;
      const text = `${prefix}${this.name}: call ${this.calls}`;
      const fault = faultOf(seed, this.wire, text);
      const isHarmless = TABLES[this.wire][fault][1];
      return perform(text, name ?? fault, isHarmless ? ELSEWHERE : NAMED, async () => {
        const [content] = await runtime.manager.callTool({
          user: this.user,
          serverName: this.serverName,
          toolName: 'echo',
          toolArguments: { text },
          provider: 'openai',
          options: { timeout, signal },
        });
        // A large answer is filled up.
        const own = content.replace(/\.*$/, '');
        if (own !== text) throw new Error(`${text} was answered with ${content.slice(0, 200)}`);
      });
    }

    /** For that long, after a pause each time. */
    async work(ms, longestPause) {
      const ends = performance.now() + ms;
      for (;;) {
        const pause = this.random.below(longestPause);
        // Sessions whose last pause is cut short would all call at the end.
        if (performance.now() + pause > ends) return;
        await delay(pause);
        const chosen = this.random.below(100);
        if (chosen < 2) await this.open(true);
        else if (chosen < 4) await runtime.manager.disconnectUserConnection(this.user.id, this.serverName);
        else if (chosen < 7) await this.abortedCall();
        else if (chosen < 17) await Promise.all([this.call(), this.call(), this.call()]);
        else await this.call();
      }
    }

    abortedCall() {
      const signal = AbortSignal.timeout(this.random.below(30));
      return this.call({ signal, name: 'a call that is aborted' });
    }

    /** With servers that do nothing wrong any more: the second call works at the latest. */
    async calmCall() {
      const call = () => this.call({ name: 'a call after the faults', prefix: CALM, timeout: CALM_CALL_MS });
      if (!(await call()) && !(await call())) unexpected.push(`${this.name} works no more`);
    }
  }

  const createSessions = (number) =>
    Object.entries(SERVERS).flatMap(([serverName, [share]]) =>
      Array.from({ length: Math.ceil((share * number) / 1000) }, () => {
        created += 1;
        return new Session(created, serverName);
      }),
    );

  return {
    counts,
    unexpected,
    /** The longest operation, in milliseconds. */
    longest: () => Math.round(longest),

    runtime,
    withEach,

    /** New sessions, their number divided among the servers, connect and work for that long. */
    async round(number, ms) {
      const sessions = createSessions(number);
      await withEach(sessions, (session) => session.open());
      await Promise.all(sessions.map((session) => session.work(ms, LONGEST_PAUSE_MS * number)));
      return sessions;
    },

    leave: (sessions) => withEach(sessions, ({ user }) => runtime.manager.disconnectUserConnections(user.id)),
  };
}

/** Does something with each session, with a few at a time. */
async function withEach(sessions, work) {
  const left = [...sessions];
  const take = async () => {
    for (let session = left.pop(); session; session = left.pop()) await work(session);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, take));
}

module.exports = { createWork, startServers };
