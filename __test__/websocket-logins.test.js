/** A WebSocket says whose it is once, when it is opened: a login at another process must not go on with that of before. */

const { WebSocketServer } = require('ws');
const { completeAuthorization, useAuthorization } = require('./support/authorization');
const { ECHO } = require('./support/calls');
const { useEnvironment } = require('./support/environment');
const { createProtocolServer } = require('./support/mcp-server');
const { SessionStore } = require('./support/session-store');
const { until } = require('./support/wait');
const { transportOver } = require('./support/websocket');

// Processes ask whether there was one five seconds after they asked last.
useEnvironment({ MCP_USER_CONNECTION_IDLE_TIMEOUT: '20000' });
const suite = useAuthorization();

/** A server that tells each caller the token that its socket was opened with. `opened` has those tokens. */
function startWebSockets() {
  const sockets = new WebSocketServer({ noServer: true });
  const opened = [];
  const onUpgrade = (request, socket, head) => {
    const token = /^Bearer (.+)$/.exec(request.headers.authorization)?.[1];
    if (!token) {
      const metadata = `http://${request.headers.host}/.well-known/oauth-protected-resource/mcp`;
      const challenge = `www-authenticate: Bearer resource_metadata="${metadata}"`;
      return socket.end(`HTTP/1.1 401 Unauthorized\r\n${challenge}\r\ncontent-length: 0\r\n\r\n`);
    }
    return sockets.handleUpgrade(request, socket, head, (open) => {
      opened.push(token);
      const callTool = () => ({ content: [{ type: 'text', text: token }] });
      createProtocolServer({ callTool }).connect(transportOver(open));
    });
  };
  return { onUpgrade, opened };
}

test('a logout and a login at another process begin another socket, with the token of now', async () => {
  const { onUpgrade, opened } = startWebSockets();
  const services = { sharedSessions: new SessionStore() };
  const config = { startup: false };
  const { server, user, start } = await suite.host({ config, server: { onUpgrade }, services });
  const url = `ws://${server.address}/mcp`;
  Object.assign(config, { type: 'websocket', url });
  server.fault = async ({ response }) => {
    const document = { resource: url, authorization_servers: [suite.authorizationServer.issuer] };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(document));
    return true;
  };
  const [here, there] = [start(), start()];
  const tokenOf = async ({ runtime }) => JSON.stringify(await runtime.manager.callTool({ ...ECHO, user }));
  const logIn = async (host) => {
    const { oauthUrl } = await host.runtime.reinitMCPServer({ user, serverName: 'srv' });
    const { tokens } = await completeAuthorization(host, await suite.authorizationServer.signIn(oauthUrl));
    return tokens.access_token;
  };
  const before = await logIn(here);
  expect(await tokenOf(here)).toContain(before);
  expect(opened).toEqual([before]);
  const { deleteTokens: deleteToken } = there.services.tokenMethods;
  await there.runtime.tokens.deleteUserTokens({ userId: user.id, serverName: 'srv', deleteToken });
  const after = await logIn(there);
  await until('the login of now', async () => (await tokenOf(here)).includes(after));
  expect(opened).toEqual([before, after]);
  expect(server.received('tools/call')).toEqual([]);
});
