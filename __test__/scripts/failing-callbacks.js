/**
 * Calls a tool of a talkative server twice for each callback that may fail: one in each way that there is, the others in
 * two. Prints what came of it as JSON: `results` are `{ callback, way, texts, told, heard }`, `stray` what reached the
 * process.
 */
const vm = require('node:vm');
const { subscribe, unsubscribe } = require('node:diagnostics_channel');
const { createMCPRuntime } = require('../support/addon');
const { createHost, createUser } = require('../support/host');
const { startMcpServer } = require('../support/mcp-server');
const { delay, until } = require('../support/wait');

const REASON = 'the callback has failed';
const fail = () => {
  throw new Error(REASON);
};

const thenable = (descriptor) => Object.defineProperty({}, 'then', descriptor);

const WAYS = {
  'throws at once': fail,
  rejects: async () => fail(),
  'rejects later': async () => {
    await delay(5);
    fail();
  },
  'rejects with nothing': () => Promise.reject(),
  'rejects with what cannot be read': () => Promise.reject(new Proxy({}, { get: fail, getPrototypeOf: fail })),
  'answers with a thenable that rejects': () => thenable({ value: (_, reject) => reject(new Error(REASON)) }),
  'answers with a thenable that throws': () => thenable({ value: fail }),
  'answers with a thenable that cannot be read': () => thenable({ get: fail }),
  'answers with a promise that listens to nobody': () =>
    Object.defineProperty(Promise.reject(new Error(REASON)), 'then', { value() {} }),
  'answers with a promise of another realm': vm.runInNewContext(
    `() => Promise.reject(new Error(${JSON.stringify(REASON)}))`,
  ),
};

const CALLBACKS = {
  onLogMessage: (failing) => ({ services: { onLogMessage: failing } }),
  onSpans: (failing) => ({ services: { onSpans: failing } }),
  onprogress: (failing) => ({ options: { onprogress: failing } }),
  'logger.debug': (failing) => ({ logger: { debug: failing } }),
  'logger.info': (failing) => ({ logger: { info: failing, warn: failing, error: failing, debug: failing } }),
  connectionChange: (failing) => ({ listeners: { connectionChange: failing } }),
  toolsChanged: (failing) => ({ listeners: { toolsChanged: failing } }),
  'librechat-mcp-native:tool-call': (failing) => ({ channels: { 'librechat-mcp-native:tool-call': failing } }),
};

const stray = [];
for (const event of ['unhandledRejection', 'uncaughtException', 'rejectionHandled']) {
  process.on(event, (reason) => stray.push(`${event}: ${reason?.message}`));
}

const warnings = [];
// Node's own listener prints them.
process.removeAllListeners('warning');
process.on('warning', ({ message }) => warnings.push(message));

async function talk(_, { _meta, sendNotification }) {
  const { progressToken } = _meta ?? {};
  await sendNotification({ method: 'notifications/message', params: { level: 'info', data: 'x' } });
  if (progressToken !== undefined) {
    await sendNotification({ method: 'notifications/progress', params: { progressToken, progress: 1 } });
  }
  return { content: [{ type: 'text', text: 'answered' }] };
}

async function once(server, callback, way) {
  const { services, options, logger, listeners = {}, channels = {} } = CALLBACKS[callback](WAYS[way]);
  const host = createHost({
    servers: { srv: server.config({ startup: false }) },
    allow: [server],
    services: { onLogMessage() {}, ...services },
  });
  for (const [level, method] of Object.entries(logger ?? {})) host.logger[level] = method;
  const runtime = createMCPRuntime(host.services);
  const user = createUser();
  for (const [name, listener] of Object.entries(channels)) subscribe(name, listener);
  const call = {
    user,
    serverName: 'srv',
    toolName: 'echo',
    provider: 'openai',
    options: { onprogress() {}, ...options },
  };
  const connection = await runtime.manager.getUserConnection({ user, serverName: 'srv' });
  for (const [name, listener] of Object.entries(listeners)) connection.on(name, listener);
  const heard = [];
  connection.on('connectionChange', (state) => heard.push(state));
  const failures = () => runtime.stats().callbackFailures[callback] ?? 0;
  const texts = [];
  // Twice, to see that it is told once.
  for (const times of [1, 2]) {
    texts.push((await runtime.manager.callTool(call))[0]);
    if (callback === 'connectionChange') {
      await connection.disconnect();
      await connection.connect();
    }
    if (callback === 'logger.info') await runtime.manager.disconnectUserConnection(user.id, 'srv');
    await until(`${times} failures of ${callback} that ${way}`, async () => {
      // Nobody hears it before the event stream is open.
      if (callback === 'toolsChanged') await server.notify('notifications/tools/list_changed');
      return failures() >= times;
    });
  }
  await runtime.close();
  for (const [name, listener] of Object.entries(channels)) unsubscribe(name, listener);
  const told = host.logger.messages('warn').concat(warnings.splice(0));
  return {
    callback,
    way,
    texts,
    told: told.filter((message) => message.includes(`The host callback ${callback} has failed`)).length,
    heard: heard.length > 0,
  };
}

/** One rule of the registry rejects after the next has thrown, so that nobody waits for it any more. */
async function rules(server) {
  const host = createHost({ servers: { srv: server.config() }, allow: [server] });
  Object.assign(host.registry, { shouldEnableSSRFProtection: async () => fail(), getAllowedDomains: fail });
  const runtime = createMCPRuntime(host.services);
  await runtime.reinitMCPServer({ user: createUser(), serverName: 'srv' });
  await runtime.close();
}

async function main() {
  const server = await startMcpServer({ callTool: talk, capabilities: { tools: { listChanged: true }, logging: {} } });
  const results = [];
  for (const callback of Object.keys(CALLBACKS)) {
    const ways = callback === 'onLogMessage' ? Object.keys(WAYS) : ['throws at once', 'rejects'];
    for (const way of ways) results.push(await once(server, callback, way));
  }
  await rules(server);
  await server.close();
  await delay(50);
  process.stdout.write(JSON.stringify({ results, stray }));
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
