/**
 * A host with a web page, as LibreChat is: the callback route of its users' authorizations. Tells its parent
 * `{ listens }`, and answers each message with what a reinit came to.
 */

const express = require('express');
const { createMCPRuntime } = require('../support/addon');
const { completeAuthorization } = require('../support/authorization');
const { FlowManager } = require('../support/flows');
const { createHost } = require('../support/host');
const { openTokenStore } = require('../support/token-store');

const { mongo, config, allow, user, port } = JSON.parse(process.argv[2]);
// Where the authorization server sends users back to.
process.env.DOMAIN_SERVER = `http://localhost:${port}`;

async function main() {
  const store = await openTokenStore(mongo);
  const host = createHost({
    servers: { srv: config },
    allow,
    services: { flowManager: new FlowManager(), ...store.services },
  });
  const runtime = createMCPRuntime(host.services);

  const app = express();
  app.get('/api/mcp/:serverName/oauth/callback', async (request, response) => {
    const parameters = new URLSearchParams(request.url.split('?')[1]);
    await completeAuthorization({ runtime, services: host.services }, parameters);
    response.send('<title>Connected</title><h1>You may close this window</h1>');
  });
  app.use((error, _request, response, _next) => {
    response.status(500).send(`<title>Failed</title>${error.code}`);
  });

  process.on('message', async () => process.send(await runtime.reinitMCPServer({ user, serverName: 'srv' })));
  process.on('disconnect', () => process.exit());
  app.listen(port, '127.0.0.1', () => process.send({ listens: true }));
}

main();
