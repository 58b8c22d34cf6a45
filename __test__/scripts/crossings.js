/**
 * Everything that crosses to the addon and back, once: odd values to every function, arguments of every kind, callbacks that
 * fail, results that are large, calls that are aborted, servers over stdio that are killed, workers that are terminated. For
 * `npm run test:memcheck`, which watches the memory of the process while that happens.
 */

const assert = require('node:assert/strict');
const { once } = require('node:events');
const http = require('node:http');
const { join } = require('node:path');
const { Worker } = require('node:worker_threads');
const addon = require('../support/addon');
const { createHost, createUser } = require('../support/host');
const { createStdioServer } = require('../support/stdio');
const { processGone } = require('../support/wait');

const LARGE = 'Größe 😀 '.repeat(20_000);
const user = createUser();

/** A server without sessions: `echo` answers with its arguments, `large` with much, `never` not at all. */
async function startServer() {
  const tool = (name) => ({ name, description: name, inputSchema: { type: 'object' } });
  const results = {
    initialize: ({ protocolVersion }) => ({
      protocolVersion,
      capabilities: { tools: {} },
      serverInfo: { name: 'crossings', version: '1' },
    }),
    'tools/list': () => ({ tools: ['echo', 'large', 'never'].map(tool) }),
    'tools/call': ({ name, arguments: given }) => ({
      content: [{ type: 'text', text: name === 'large' ? LARGE : JSON.stringify(given) }],
    }),
  };
  const waits = [];
  // Under valgrind everything takes long, and no connection ends for that.
  const patience = { keepAliveTimeout: 0, headersTimeout: 0, requestTimeout: 0 };
  const server = http.createServer(patience, async (request, response) => {
    if (request.method !== 'POST') return response.writeHead(405).end();
    const { id, method, params } = JSON.parse(Buffer.concat(await request.toArray()));
    if (id === undefined) return response.writeHead(202).end();
    if (params?.name === 'never') return waits.shift()?.();
    const result = results[method]?.(params);
    const answer = result ? { result } : { error: { code: -32601, message: method } };
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ jsonrpc: '2.0', id, ...answer }));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = `127.0.0.1:${server.address().port}`;
  return {
    address,
    config: { type: 'streamable-http', url: `http://${address}/mcp` },
    /** The next call that is not answered has come. */
    unanswered: () => new Promise((resolve) => waits.push(resolve)),
    close: () => server.close() && server.closeAllConnections(),
  };
}

function fail() {
  throw new Error('of the host');
}

const ODD = [
  undefined,
  null,
  true,
  -1.5,
  Number.NaN,
  12n,
  '',
  LARGE.slice(0, 999),
  '\ud800',
  Symbol('s'),
  [],
  [[[]]],
  {},
  new Date(Number.NaN),
  new Map([[{}, 1]]),
  Buffer.from('ab'),
  new Float64Array(3).subarray(1),
  () => {},
  fail,
  Promise.resolve({}),
  { get: 1, signal: 1, user: 1, serverName: 1 },
  new Proxy({}, { get: fail, has: fail, ownKeys: fail, getPrototypeOf: fail }),
  Object.defineProperty({}, 'url', { enumerable: true, get: fail }),
  JSON.parse(`${'['.repeat(600)}${']'.repeat(600)}`),
];

/** Every value to every function of an object, also as members of what it takes. */
async function giveOddValues(functions) {
  assert(functions.length > 0);
  for (const [name, member] of functions) {
    for (const value of ODD) {
      for (const args of [
        [value],
        [{ user, serverName: value, toolName: value, config: value, options: value }, value],
      ]) {
        try {
          await Promise.race([member(...args), new Promise(setImmediate)]);
        } catch (error) {
          assert(error instanceof Error, `${name} threw ${typeof error}`);
        }
      }
    }
  }
}

const textOf = ([content]) => (Array.isArray(content) ? content[0].text : content);
const isFunction = ([name, member]) => typeof member === 'function' && !/^[A-Z]|^close$/.test(name);
const functionsOf = (object) => Object.entries(object).filter(isFunction);

function runtimeOf(server, config, services) {
  const host = createHost({ servers: { srv: config }, allow: [server], services });
  return { ...host, runtime: addon.createMCPRuntime(host.services) };
}

async function surface(server) {
  const { runtime } = runtimeOf(server, server.config);
  for (const object of [addon, runtime, runtime.manager]) {
    const bound = functionsOf(object).map(([name, member]) => [name, member.bind(object)]);
    await giveOddValues(bound.filter(([name]) => name !== 'createMCPRuntime'));
  }
  for (const value of ODD) {
    try {
      await addon.createMCPRuntime(value).close();
    } catch {}
  }
  await runtime.close();
}

async function calls(server) {
  const { runtime } = runtimeOf(server, server.config);
  const call = (toolName, toolArguments, options) =>
    runtime.manager.callTool({ user, serverName: 'srv', toolName, toolArguments, provider: 'openai', options });
  await runtime.reinitMCPServer({ user, serverName: 'srv' });
  const given = {
    numbers: [0, -0, 1e21, 5e-324, 2 ** 64, Number.NaN],
    dates: [new Date(0)],
    toJSON: { toJSON: (name) => [name] },
    buffer: Buffer.from([1, 2]),
    typed: new Float64Array([0.5]),
    text: '\u2028 😀 \ud800',
    absent: undefined,
    deep: { list: [1, [2, [3]]], 7: 1, __proto__: { inherited: 1 } },
  };
  const texts = [
    JSON.stringify({ ...given, text: '\u2028 😀 \ufffd' }),
    ...Array.from({ length: 50 }, (_, n) => `{"n":${n}}`),
  ];
  const echoes = await Promise.all([
    call('echo', given),
    ...texts.slice(1).map((text) => call('echo', JSON.parse(text))),
  ]);
  for (const [index, text] of texts.entries()) assert.equal(textOf(echoes[index]), text);
  assert.equal(textOf(await call('large', { text: LARGE })), LARGE);
  const aborted = Array.from({ length: 20 }, async (_, count) => {
    const abort = new AbortController();
    const called = server.unanswered();
    const waiting = call('never', { count }, { signal: abort.signal });
    await called;
    abort.abort(count % 2 ? new Error('enough') : undefined);
    await assert.rejects(waiting);
  });
  await Promise.all(aborted);
  const called = server.unanswered();
  const waiting = assert.rejects(call('never', {}));
  await called;
  await runtime.close();
  await waiting;
}

/** Callbacks that throw, reject, answer with nonsense, or later. */
async function callbacks(server) {
  const answers = [
    fail,
    async () => fail(),
    () => 1n,
    () => LARGE,
    // biome-ignore lint/suspicious/noThenProperty: hosts may answer with what only looks like a promise.
    () => ({ then: fail }),
    () => new Promise(setImmediate),
  ];
  for (const answer of answers) {
    const logger = { debug: answer, info: answer, warn: answer, error: answer };
    for (const services of [{ logger, onSpans: answer }, { updateMCPServerTools: answer }, { registry: answer }]) {
      const { runtime } = runtimeOf(server, server.config, services);
      await runtime.reinitMCPServer({ user, serverName: 'srv' }).catch(() => {});
      await runtime.close();
    }
  }
}

async function stdio(server) {
  const program = createStdioServer();
  const end = [(_, pid) => process.kill(pid, 'SIGKILL'), (runtime) => runtime.close()];
  for (const [index, how] of end.entries()) {
    const { runtime } = runtimeOf(server, program.config());
    const { success } = await runtime.reinitMCPServer({ user, serverName: 'srv' });
    assert(success);
    await how(runtime, program.pids()[index]);
    await processGone(program.pids()[index]);
    await runtime.close();
  }
  const { runtime } = runtimeOf(server, program.config({ command: '/does/not/exist' }));
  await assert.rejects(
    runtime.manager.callTool({ user, serverName: 'srv', toolName: 'echo', toolArguments: {}, provider: 'openai' }),
  );
  await runtime.close();
  await program.close();
}

async function workers(server) {
  const states = ['the registry is asked', 'the token store is asked', 'the tools are published', 'many calls begin'];
  for (const state of states) {
    const config = { ...server.config, requiresOAuth: state === 'the token store is asked' };
    const workerData = { config, allow: [server.address], state };
    const worker = new Worker(join(__dirname, 'busy-worker.js'), { workerData });
    await once(worker, 'message');
    await worker.terminate();
  }
}

async function main() {
  const server = await startServer();
  for (const part of [calls, callbacks, stdio, workers, surface]) {
    await part(server);
    console.log(`${part.name}: done`);
  }
  server.close();
}

main();
