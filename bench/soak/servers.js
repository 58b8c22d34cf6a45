const { fork } = require('node:child_process');
const { once } = require('node:events');
const { join } = require('node:path');
const { freePort } = require('../../__test__/support/ports');

const SCRIPT = join(__dirname, 'server.js');
const TOKEN_SECONDS = 3;
/** What is larger of `kept` is read in parts. */
const KEPT_BYTES = 65_536;

async function start(kind, options) {
  const child = fork(SCRIPT, [kind, JSON.stringify(options)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const [told] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => Promise.reject(new Error(`${kind} ended`))),
  ]);
  return {
    told,
    async close() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** The servers of the soak test in processes of their own, and their configurations by name. */
async function startServers() {
  const ofLoopback = await Promise.all(Array.from({ length: 6 }, freePort));
  const [open, guarded, websocket, modern, authorization, nowhere] = ofLoopback;
  const ports = { open, protected: guarded, websocket, modern };
  const http = (port) => `http://127.0.0.1:${port}`;
  const config = (members) => ({
    requiresOAuth: false,
    startup: false,
    source: 'yaml',
    initTimeout: 10_000,
    ...members,
  });
  const processes = {
    authorization: await start('authorization', { port: authorization, tokenSeconds: TOKEN_SECONDS }),
    http: await start('http', ports),
    exchange: await start('exchange', { tokenSeconds: TOKEN_SECONDS }),
  };
  const openIdConfig = processes.exchange.told;
  const client = {
    client_id: 'soak',
    client_secret: 'secret-of-the-soak',
    token_url: `${http(authorization)}/token`,
    scope: 'tools',
  };

  return {
    allowedAddresses: [...ofLoopback.map((port) => `127.0.0.1:${port}`), new URL(openIdConfig.issuer).host],
    openIdConfig,
    configs: {
      http: config({ type: 'streamable-http', url: `${http(open)}/mcp` }),
      sse: config({ type: 'sse', url: `${http(open)}/sse` }),
      websocket: config({ url: `ws://127.0.0.1:${websocket}` }),
      stdio: config({ type: 'stdio', command: process.execPath, args: [SCRIPT, 'stdio'], stderr: 'ignore' }),
      shared: config({ type: 'streamable-http', url: `${http(open)}/mcp`, startup: true }),
      nowhere: config({ type: 'streamable-http', url: `${http(nowhere)}/mcp` }),
      protected: config({
        type: 'streamable-http',
        url: `${http(guarded)}/mcp`,
        requiresOAuth: true,
        oauth: { ...client, authorization_url: `${http(authorization)}/authorize` },
      }),
      machine: config({
        type: 'streamable-http',
        url: `${http(guarded)}/mcp`,
        requiresOAuth: undefined,
        oauth: { ...client, grant: 'client_credentials' },
      }),
      exchanged: config({
        type: 'streamable-http',
        url: `${http(open)}/mcp`,
        obo: { scopes: 'api://soak/.default' },
      }),
      governed: config({
        type: 'streamable-http',
        url: `${http(open)}/mcp`,
        tools: { allow: ['*'], deny: ['hidden'] },
        pinTools: 'block',
        limits: { perUser: '60/s', perServer: '400/s', concurrency: 4, queue: 8 },
      }),
      modern: config({ type: 'streamable-http', url: `${http(modern)}/mcp` }),
      kept: config({
        type: 'streamable-http',
        url: `${http(open)}/mcp`,
        maxResultBytes: KEPT_BYTES,
        overflow: 'resource',
      }),
    },
    /** Kills the process behind every server but `stdio` and starts it again on the same ports. */
    async restart() {
      await processes.http.close();
      processes.http = await start('http', ports);
    },
    close: () => Promise.all(Object.values(processes).map((server) => server.close())),
  };
}

module.exports = { startServers };
