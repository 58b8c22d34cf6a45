/**
 * Starts a real MCP server from npm, reinitializes it as LibreChat would, shows what came of it, and ends.
 *
 *   npm run demo
 */

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const net = require('node:net');
const { dirname, join } = require('node:path');
const { setTimeout: delay } = require('node:timers/promises');
const { inspect } = require('node:util');
const { createMCPRuntime } = require('../..');

const PACKAGE = '@modelcontextprotocol/server-everything';
const WIDTH = Math.max(60, process.stdout.columns ?? 100);

const started = performance.now();
/** @param {string} text */
const say = (text) => console.log(`${`${Math.round(performance.now() - started)} ms`.padStart(8)}  ${text}`);

/** @param {string} level @returns {(message: string, ...meta: unknown[]) => void} */
const log =
  (level) =>
  (message, ...meta) =>
    say([`[${level}] ${message}`, ...meta.map((value) => inspect(value, { breakLength: Infinity }))].join(' '));

/** @type {import('../..').MCPLogger} */
const logger = { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') };

/** What LibreChat has in its database and configuration, in memory. */
class Registry {
  /**
   * @param {Record<string, object>} servers
   * @param {string[]} allowedAddresses
   */
  constructor(servers, allowedAddresses) {
    this.servers = servers;
    this.allowedAddresses = allowedAddresses;
  }

  /** @param {string} name */
  async getServerConfig(name) {
    return this.servers[name];
  }

  async getAllServerConfigs() {
    return this.servers;
  }

  /** @param {string} name @returns {Promise<never>} */
  async reinspectServer(name) {
    throw new Error(`${name} has not failed its inspection`);
  }

  shouldEnableSSRFProtection() {
    return true;
  }

  getAllowedDomains() {
    return null;
  }

  getAllowedAddresses() {
    return this.allowedAddresses;
  }
}

async function startServer() {
  const port = await freePort();
  const entry = join(dirname(require.resolve(`${PACKAGE}/package.json`)), 'dist', 'index.js');
  const child = spawn(process.execPath, [entry, 'streamableHttp'], {
    env: { ...process.env, PORT: String(port) },
    stdio: 'ignore',
  });
  const deadline = Date.now() + 20_000;
  while (!(await accepts(port))) {
    if (child.exitCode !== null || Date.now() > deadline) throw new Error(`${PACKAGE} did not start`);
    await delay(50);
  }
  return { address: `127.0.0.1:${port}`, stop: () => child.kill() };
}

async function freePort() {
  const server = net.createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = /** @type {net.AddressInfo} */ (server.address());
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** @param {number} port */
function accepts(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

/** @param {import('../..').MCPTool[]} tools */
function table(tools) {
  const nameWidth = Math.max(...tools.map((tool) => tool.name.length), 'name'.length);
  const rest = WIDTH - nameWidth - 4;
  /** @param {[string, string]} row */
  const line = ([name, description]) => `  ${name.padEnd(nameWidth)}  ${cut(description, rest)}`;
  const rows = tools.map((tool) => line([tool.name, tool.description ?? '']));
  return [line(['name', 'description']), line(['-'.repeat(nameWidth), '-'.repeat(rest)]), ...rows].join('\n');
}

/**
 * @param {string} text
 * @param {number} width
 */
function cut(text, width) {
  const oneLine = text.replace(/\s+/g, ' ');
  return oneLine.length > width ? `${oneLine.slice(0, width - 1)}…` : oneLine;
}

async function main() {
  say(`starting ${PACKAGE} …`);
  const server = await startServer();
  let runtime;
  try {
    say(`it listens on http://${server.address}/mcp`);

    const servers = {
      everything: {
        type: 'streamable-http',
        url: `http://${server.address}/mcp`,
        requiresOAuth: false,
        source: 'yaml',
      },
    };
    runtime = createMCPRuntime({
      // Loopback addresses are refused unless they are allowed by name.
      registry: new Registry(servers, [server.address]),
      logger,
    });

    say('runtime.reinitMCPServer({ user, serverName: "everything" })');
    const result = await runtime.reinitMCPServer({
      user: { id: '0123456789abcdef01234567' },
      serverName: 'everything',
    });

    say(`success: ${result?.success}, message: ${result?.message}`);
    if (!result?.success) {
      process.exitCode = 1;
      return;
    }
    const tools = result.tools ?? [];
    const functions = Object.keys(result.availableTools ?? {});
    say(`${tools.length} tools, published as ${functions[0]}, …`);
    console.log(`\n${table(tools)}\n`);
  } finally {
    await runtime?.close();
    server.stop();
    say('closed');
  }
}

main();
