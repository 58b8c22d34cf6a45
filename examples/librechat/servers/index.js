const { randomBytes } = require('node:crypto');
const { dirname, join } = require('node:path');
const { startSecantusDb } = require('./mongo');
const { startScript } = require('./processes');

const EVERYTHING = '@modelcontextprotocol/server-everything';
const ROOT = join(__dirname, '..');
const SCOPES = ['mcp'];
const secret = (bytes = 32) => randomBytes(bytes).toString('hex');

/**
 * What LibreChat needs around it, each in a process of its own: a database, an authorization server that is the
 * organization's identity provider as well, and three MCP servers: one open, one behind OAuth, and one that takes tokens
 * on behalf of the organization's users.
 *
 * @param {Record<'app' | 'everything' | 'protected' | 'onBehalf' | 'authorization', number>} ports
 * @returns `{ account, resourceServer, environment, everything, close }`: who can sign in at the authorization server, who
 *   may ask it about tokens, the environment of the app, and the process of the open server
 */
async function startServers(ports) {
  const account = { login: 'alice', password: secret(8) };
  const resourceServer = { client_id: 'protected-server', client_secret: secret() };
  const issuer = `http://127.0.0.1:${ports.authorization}`;
  const everything = `http://127.0.0.1:${ports.everything}/mcp`;
  const guarded = `http://127.0.0.1:${ports.protected}/mcp`;
  const onBehalf = `http://127.0.0.1:${ports.onBehalf}/mcp`;
  const domain = `http://localhost:${ports.app}`;
  const app = {
    client_id: 'librechat',
    client_secret: secret(),
    redirect_uris: [`${domain}/oauth/openid/callback`],
  };
  /** @type {{ close(): unknown }[]} */
  const started = [];
  const close = async () => {
    for (const server of started.splice(0).reverse()) await server.close();
  };
  /** @param {Parameters<typeof startScript>} args */
  const script = async (...args) => {
    const server = await startScript(...args);
    started.push(server);
    return server;
  };

  try {
    const database = process.env.MONGO_URI ? { uri: process.env.MONGO_URI, close() {} } : await startSecantusDb();
    started.push(database);
    const provider = {
      port: ports.authorization,
      accessTokenSeconds: 3600,
      account,
      resourceServer,
      scopes: SCOPES,
      app,
    };
    await script(join(__dirname, 'authorization-server.mjs'), [JSON.stringify(provider)], { url: issuer });
    for (const url of [guarded, onBehalf]) {
      const options = { port: Number(new URL(url).port), issuer, resourceServer, scopes: SCOPES };
      await script(join(__dirname, 'protected-server.js'), [JSON.stringify(options)], { url });
    }
    const entry = join(dirname(require.resolve(`${EVERYTHING}/package.json`)), 'dist', 'index.js');
    const env = { PORT: String(ports.everything) };
    const open = await script(entry, ['streamableHttp'], { url: everything, env });
    return {
      account,
      resourceServer,
      everything: open,
      environment: {
        PORT: String(ports.app),
        DOMAIN_SERVER: domain,
        MONGO_URI: database.uri,
        MONGO_DB: `librechat-${secret(6)}`,
        CREDS_KEY: secret(32),
        CREDS_IV: secret(16),
        JWT_SECRET: secret(),
        LIBRECHAT_LOG_DIR: join(ROOT, '..', '..', 'target', 'librechat-logs'),
        EVERYTHING_URL: everything,
        PROTECTED_URL: guarded,
        ON_BEHALF_URL: onBehalf,
        OPENID_ISSUER: issuer,
        OPENID_TOKEN_ENDPOINT: `${issuer}/token`,
        OPENID_CLIENT_ID: app.client_id,
        OPENID_CLIENT_SECRET: app.client_secret,
        // The example's servers are on loopback, which is refused unless it is allowed.
        ALLOWED_ADDRESSES: [everything, guarded, onBehalf, issuer].map((url) => new URL(url).host).join(','),
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * Starts the app; its output has a line `token ROLE TOKEN` for each of its users.
 *
 * @param {1 | 2} step
 * @param {Awaited<ReturnType<typeof startServers>>['environment'] & { ROLE_CONFIG?: string }} environment
 * @param {'august' | 'june'} [edition]  of LibreChat
 */
function startApp(step, environment, edition = 'august') {
  const folder = join(ROOT, edition === 'june' ? 'june' : '', `step-${step}`);
  const entry = join(folder, 'api', 'server', 'index.js');
  return startScript(entry, [], {
    url: `${environment.DOMAIN_SERVER}/health`,
    says: 'token USER',
    env: environment,
  });
}

module.exports = { startApp, startServers };
