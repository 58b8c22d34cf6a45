const { fork } = require('node:child_process');
const { once } = require('node:events');
const { join } = require('node:path');
const { freePort } = require('../../__test__/support/ports');

const SCRIPT = join(__dirname, 'server.js');
const TOKEN_SECONDS = 3;

async function start(kind, options) {
  const child = fork(SCRIPT, [kind, JSON.stringify(options)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => Promise.reject(new Error(`${kind} ended`))),
  ]);
  return {
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
  const [open, guarded, websocket, authorization, nowhere] = await Promise.all(Array.from({ length: 5 }, freePort));
  const ports = { open, protected: guarded, websocket };
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
  };

  return {
    allowedAddresses: [open, guarded, websocket, authorization, nowhere].map((port) => `127.0.0.1:${port}`),
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
        oauth: {
          client_id: 'soak',
          client_secret: 'secret-of-the-soak',
          authorization_url: `${http(authorization)}/authorize`,
          token_url: `${http(authorization)}/token`,
          scope: 'tools',
        },
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
