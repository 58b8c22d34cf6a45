const { once } = require('node:events');
const http = require('node:http');
const { WebSocketServer } = require('ws');
const { createProofChecker } = require('./dpop');
const { createProtocolServer } = require('./mcp-server');

/**
 * An MCP server over WebSocket whose handshake wants a token that is bound to a key, with a proof that has `nonce`.
 *
 * @returns `{ address, config, upgrades, problems, close }`: the headers of all handshakes, and why some were refused
 */
async function startDpopWebSocket({ issuer, scopes, introspect }, nonce) {
  const listener = http.createServer();
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = `127.0.0.1:${listener.address().port}`;
  const url = `ws://${address}/mcp`;
  const webSockets = new WebSocketServer({ noServer: true });
  const open = new Set();
  listener.on('connection', (socket) => open.add(socket));
  const { check } = createProofChecker(`http://${address}`);
  const [upgrades, problems] = [[], []];

  const refuse = (write, error) =>
    write(401, {
      'www-authenticate': `DPoP resource_metadata="http://${address}/metadata"${error ? `, error="${error}"` : ''}`,
      ...(error === 'use_dpop_nonce' && { 'dpop-nonce': nonce }),
    });

  listener.on('request', (request, response) => {
    if (request.url !== '/metadata') return refuse((...head) => response.writeHead(...head).end());
    return response.end(JSON.stringify({ resource: url, authorization_servers: [issuer], scopes_supported: scopes }));
  });
  listener.on('upgrade', async (request, socket, head) => {
    upgrades.push(request.headers);
    const refused = (error) =>
      refuse((status, headers) => {
        const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
        socket.end(`HTTP/1.1 ${status} Unauthorized\r\n${lines.join('')}content-length: 0\r\n\r\n`);
      }, error);
    const token = /^DPoP (.+)$/.exec(request.headers.authorization)?.[1];
    if (!token) return refused();
    const { active, aud, cnf } = await introspect(token);
    const problem = active && aud === url ? check(request, token, cnf?.jkt) : 'the token is not for this';
    if (problem) problems.push(problem);
    if (problem) return refused('invalid_dpop_proof');
    const { nonce: given } = JSON.parse(Buffer.from(request.headers.dpop.split('.')[1], 'base64url'));
    if (given !== nonce) return refused('use_dpop_nonce');
    return webSockets.handleUpgrade(request, socket, head, (webSocket) => serve(webSocket));
  });

  return {
    address,
    upgrades,
    problems,
    config: () => ({ type: 'websocket', url, requiresOAuth: true, source: 'yaml' }),
    async close() {
      const closed = once(listener, 'close');
      listener.close();
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

function serve(webSocket) {
  const transport = {
    start: async () => webSocket.on('message', (data) => transport.onmessage(JSON.parse(data))),
    send: async (message) => webSocket.send(JSON.stringify(message)),
    close: async () => webSocket.close(),
  };
  webSocket.on('close', () => transport.onclose?.());
  return createProtocolServer({}).connect(transport);
}

module.exports = { startDpopWebSocket };
